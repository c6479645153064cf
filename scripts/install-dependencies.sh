#!/usr/bin/env bash
# Installs what building, testing and the demo need, from Debian 12's own packages. Does nothing if all is there.
# usage: install-dependencies.sh [benchmarks]
#   benchmarks   also what benchmarks/run.sh compares with
# As root or with passwordless sudo it installs; otherwise it prints the line to run and fails. On other systems it warns and
# tries the same names.
set -euo pipefail

packages=(
  ca-certificates git g++ cmake ninja-build ccache                      # build
  libasmjit-dev wabt libfmt-dev nlohmann-json3-dev libcli11-dev         # libraries of the product
  llvm-19-dev                                                           #   the optimising tier
  libgtest-dev libgmock-dev libbenchmark-dev valgrind python3           # tests and benchmarks
  gdb linux-perf systemtap-sdt-dev                                      # seeing: gdb and perf name generated code; probes
  xz-utils bzip2                                                        # unpacking third-party guests
  liblua5.4-dev                                                         # a sample embeds it
  dpkg-dev pkg-config                                                   # packages, and a project that uses them
  clang-19 lld-19 wasi-libc libclang-rt-19-dev-wasm32                   # guests in C
  libclang-rt-19-dev                                                    # sanitizers
  clang-format-19 clang-tidy-19                                         # checks of the source
  spin                                                                  # models of the protocols
)
benchmarks=(openjdk-17-jdk-headless                                     # Java's SwitchPoint
  nodejs libmozjs-102-dev)                                              # V8; SpiderMonkey, whose package has its shell
case ${1:-} in
  "") ;;
  benchmarks) packages+=("${benchmarks[@]}") ;;
  *) echo "usage: $0 [benchmarks]" >&2; exit 2 ;;
esac

system=unknown
[ -r /etc/os-release ] && system=$(. /etc/os-release && echo "${ID:-unknown} ${VERSION_ID:-}")
if [ "$system" != "debian 12" ]; then
  echo "warning: made for Debian 12, and this is $system: trying what is there" >&2
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "warning: no apt here. Needed, by their Debian names: ${packages[*]}" >&2
    exit 0
  fi
fi

missing=()
for package in "${packages[@]}"; do
  states=$(dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null || true)  # a line for each architecture that has it
  grep -qx installed <<<"$states" || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root=(sudo -n)
  else
    echo "Some packages are missing, and installing them needs root. Run this, then start again:" >&2
    echo "  sudo apt-get update && sudo apt-get install --no-install-recommends -y ${missing[*]}" >&2
    exit 1
  fi
fi

echo "Installing: ${missing[*]}"
"${as_root[@]}" apt-get update -qq || echo "warning: apt-get update failed: trying with the lists that are there" >&2
if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install --no-install-recommends -y -qq \
    -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120 "${missing[@]}" </dev/null; then
  if [ "$system" = "debian 12" ]; then
    echo "error: apt-get could not install: ${missing[*]}" >&2
    exit 1
  fi
  echo "warning: apt-get could not install all of: ${missing[*]}" >&2
fi
