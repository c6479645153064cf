#!/usr/bin/env bash
# Makes the Debian packages, unpacks them into a scratch folder, and builds and runs a project against them that is not part of the
# tree (tests/consumer). Fails also if the shared engine shows a symbol that is not marked as exported.
# usage: scripts/check-package.sh
set -euo pipefail
cd "$(dirname "$0")/.."
source=$PWD
build=$source/build/package
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

cmake --preset package >"$scratch/configure.log" || { cat "$scratch/configure.log"; exit 1; }
cmake --build --preset package -j "$(nproc)"
rm -f "$build"/*.deb
(cd "$build" && cpack -G DEB >"$scratch/cpack.log" 2>&1) || { cat "$scratch/cpack.log"; exit 1; }
for package in "$build"/*.deb; do
  echo "$(basename "$package"): $(dpkg-deb -f "$package" Depends)"
  dpkg-deb -x "$package" "$scratch/root"
done
lib=$(dirname "$(find "$scratch/root/usr/lib" -name libshunt_engine.so)")
include=$scratch/root/usr/include

# Exported: the C functions, and of namespace shunt nothing but what public headers declare (host_site.h calls two functions of detail).
inside=$(nm -DC --defined-only "$lib/libshunt_engine.so" | grep -E ' [TDBR] ' | cut -d' ' -f3- |
  grep -vE '^shunt_[a-z_]+$|^shunt::detail::(add|remove)_host_module\(' | grep -E '^shunt::(detail|capi)::|^[^:]*$' || true)
[ -z "$inside" ] || { echo "exported, but not public:"; echo "$inside"; exit 1; }

# Every public header is complete, and shunt.h and shunt_wasm.h are C. Those for LLVM's code need LLVM's.
flags=(-I "$include" -isystem "$include/shunt/wasm-c-api")
for version in 19 20 21 22; do
  command -v "llvm-config-$version" >/dev/null || continue
  flags+=(-isystem "$("llvm-config-$version" --includedir)")
  break
done
for header in $(cd "$include" && find shunt -name '*.h'); do
  echo "#include <$header>"
done >"$scratch/all.cpp"
while read -r line; do
  echo "$line" >"$scratch/one.cpp"
  c++ -std=c++20 -Wall -Wextra -Werror -fsyntax-only "${flags[@]}" "$scratch/one.cpp" || { echo "not complete: $line"; exit 1; }
done <"$scratch/all.cpp"
echo '#include <shunt/shunt.h>' >"$scratch/one.c"
cc -std=c99 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -I "$include" "$scratch/one.c"
echo '#include <shunt/runtime/c/shunt_wasm.h>' >"$scratch/one.c"
cc -std=c11 -Wall -Wextra -Wpedantic -Werror -fsyntax-only "${flags[@]}" "$scratch/one.c"

export PKG_CONFIG_PATH=$lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$scratch/root
cmake -G Ninja -S tests/consumer -B "$scratch/consumer" -D CMAKE_PREFIX_PATH="$scratch/root/usr" -D SAMPLES="$source/samples" \
  >"$scratch/consumer.log" || { cat "$scratch/consumer.log"; exit 1; }
cmake --build "$scratch/consumer"
export LD_LIBRARY_PATH=$lib
for program in c_by_cmake c_by_pkg_config cpp_by_cmake host_site first_site orc wasm_c_by_cmake wasm_c_by_pkg_config; do
  echo "--- $program"
  "$scratch/consumer/$program"
done
echo "--- embed"
"$scratch/consumer/embed" samples/02_greeter.wat
"$scratch/root/usr/bin/shunt" --version
echo "packaged, unpacked and used"
