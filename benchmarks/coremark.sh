#!/usr/bin/env bash
# CoreMark side by side in one run: native clang -O3, both tiers of V8, of SpiderMonkey and of shunt, interleaved; prints the
# medians and their ratios.   usage: benchmarks/coremark.sh DIR [ROUNDS]      DIR: a checkout of https://github.com/eembc/coremark
# Needs: clang-19, lld-19, wasi-libc, libclang-rt-19-dev-wasm32, and the release build of shunt (or SHUNT=path). Engines that are not
# installed (node, js102) are left out, and said so.
# Environment: COREMARK_WORK keeps the programs in a folder, and takes those that are there; COREMARK_ITERATIONS (60000) of a run.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
[ $# -ge 1 ] && [ -f "$1/core_main.c" ] || { echo "usage: $0 DIR [ROUNDS]  (DIR holds EEMBC's coremark: core_main.c, posix/)" >&2; exit 2; }
source_dir=$(cd "$1" && pwd)
rounds=${2:-7}
shunt=${SHUNT:-$here/../build/release/bin/shunt}
[ -x "$shunt" ] || { echo "$0: $shunt is not there; run: cmake --preset release && cmake --build --preset release" >&2; exit 2; }
for tool in clang-19; do command -v $tool >/dev/null || { echo "$0: needs $tool" >&2; exit 2; }; done

work=${COREMARK_WORK:-}
if [ -z "$work" ]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
fi
mkdir -p "$work"
sources=(core_list_join.c core_main.c core_matrix.c core_state.c core_util.c posix/core_portme.c)
options=(-O3 -Iposix -I. -DPERFORMANCE_RUN=1 '-DFLAGS_STR="-O3"')
[ -f "$work/coremark.wasm" ] || (cd "$source_dir" && clang-19 "${options[@]}" "${sources[@]}" -o "$work/native" &&
  clang-19 --target=wasm32-wasi "${options[@]}" "${sources[@]}" -o "$work/coremark.wasm")

# Seeds of the performance run, then the number of iterations: about two seconds a run.
arguments=(0 0 0x66 "${COREMARK_ITERATIONS:-60000}" 7 1 2000)
export NODE_NO_WARNINGS=1
# With threads of its own V8 aborts now and then in node's WASI, by version.
run() {  # engine name -> iterations a second
  local out
  case $1 in
    native) out=$("$work/native" "${arguments[@]}") ;;
    liftoff) out=$(node --single-threaded --liftoff-only "$here/node_wasi.mjs" "$work/coremark.wasm" "${arguments[@]}") ;;
    turbofan) out=$(node --single-threaded --no-liftoff --no-wasm-tier-up "$here/node_wasi.mjs" "$work/coremark.wasm" "${arguments[@]}") ;;
    sm-baseline) out=$(js102 --wasm-compiler=baseline "$here/peers/wasi.js" "$work/coremark.wasm" "${arguments[@]}") ;;
    sm-ion) out=$(js102 --wasm-compiler=ion "$here/peers/wasi.js" "$work/coremark.wasm" "${arguments[@]}") ;;
    baseline | optimising) out=$("$shunt" run --tier "$1" "$work/coremark.wasm" -- "${arguments[@]}") ;;
  esac
  # The three checksums of the performance run tell a right result from a fast one.
  for line in '\[0\]crclist       : 0xe714' '\[0\]crcmatrix     : 0x1fd7' '\[0\]crcstate      : 0x8e3a'; do
    grep -q "$line" <<<"$out" || { echo "$0: $1 gives a wrong result:" >&2; echo "$out" >&2; exit 1; }
  done
  awk -F: '/Iterations\/Sec/ {print $2 + 0}' <<<"$out"
}

engines=(native baseline optimising)
has() { command -v "$1" >/dev/null || { echo "$1 is not installed: $2 is left out"; return 1; }; }
if has node V8; then engines+=(liftoff turbofan); fi
if has js102 SpiderMonkey; then engines+=(sm-baseline sm-ion); fi
for engine in "${engines[@]}"; do : >"$work/$engine.txt"; done
for ((round = 1; round <= rounds; round++)); do
  for engine in "${engines[@]}"; do run "$engine" >>"$work/$engine.txt"; done
done

median() { sort -n "$work/$1.txt" | awk '{v[NR] = $1} END {print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'; }
ratio() { awk -v a="$(median "$1")" -v b="$(median "$2")" 'BEGIN {printf "%.3f", a / b}'; }
echo "CoreMark, iterations a second, median of $rounds interleaved rounds ($(awk -F': ' '/model name/ {print $2; exit}' /proc/cpuinfo)):"
for engine in "${engines[@]}"; do printf '  %-11s %10.0f   %s of native\n' "$engine" "$(median "$engine")" "$(ratio "$engine" native)"; done
for pair in baseline/liftoff baseline/sm-baseline optimising/turbofan optimising/sm-ion; do
  [ -s "$work/${pair#*/}.txt" ] && echo "$pair = $(ratio "${pair%/*}" "${pair#*/}")"
done
exit 0
