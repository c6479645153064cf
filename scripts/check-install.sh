#!/usr/bin/env bash
# Installs a build into a scratch folder, builds the samples against it as a user would, uninstalls, and fails if a file is left.
# usage: scripts/check-install.sh BUILD_FOLDER
set -euo pipefail
source=$(cd "$(dirname "$0")/.." && pwd)
build=$(cd "${1:?usage: check-install.sh BUILD_FOLDER}" && pwd)
scratch=$(mktemp -d)
manifest=$build/install_manifest.txt

# A manifest of somebody's own installation stays as it was.
[ -e "$manifest" ] && cp "$manifest" "$scratch/manifest"
trap '[ -e "$scratch/manifest" ] && cp "$scratch/manifest" "$manifest"; rm -rf "$scratch"' EXIT

cmake --install "$build" --prefix "$scratch/prefix" >"$scratch/install.log"
"$scratch/prefix/bin/shunt" --help >/dev/null

mkdir "$scratch/user"
cat >"$scratch/user/CMakeLists.txt" <<'CMAKE'
cmake_minimum_required(VERSION 3.25)
project(user CXX)
set(CMAKE_CXX_STANDARD 20)
find_package(shunt 0.1 REQUIRED)
add_executable(first_site ${SAMPLES}/01_first_site.cpp)
target_link_libraries(first_site shunt::shunt_asmjit)
add_executable(embed ${SAMPLES}/02_embed_a_guest.cpp)
target_link_libraries(embed shunt::shunt_wasm)
CMAKE
cmake -G Ninja -S "$scratch/user" -B "$scratch/user/build" -D CMAKE_PREFIX_PATH="$scratch/prefix" -D SAMPLES="$source/samples" \
  >"$scratch/configure.log" || { cat "$scratch/configure.log"; exit 1; }
cmake --build "$scratch/user/build"
"$scratch/user/build/first_site"
"$scratch/user/build/embed" "$source/samples/02_greeter.wat"

# What the pages for authors tell to do.
for page in for-runtime-authors for-application-authors for-performance-engineers; do
  "$source/scripts/check-docs.py" "$source/docs/$page.md" "$scratch/prefix"
done

cmake --build "$build" --target uninstall >"$scratch/uninstall.log"
left=$(find "$scratch/prefix" -type f)
[ -z "$left" ] || { echo "left behind by uninstall: $left"; exit 1; }
echo "installed, used and uninstalled"
