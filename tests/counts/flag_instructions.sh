#!/usr/bin/env bash
# A flag that is off costs exactly one instruction a check: callgrind counts the loops of benchmarks/guests/kernels.c with and
# without the check, each at two lengths, so that everything outside the loop cancels out.
# usage: flag_instructions.sh SHUNT KERNELS_DIR [LOOP...]
set -euo pipefail
. "$(dirname "$0")/../support/skip.sh"
shunt=$1 kernels=$2
shift 2
[ $# -gt 0 ] || set -- crc fnv sum scan
command -v valgrind >/dev/null || skip "valgrind is not installed"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/flags.json" <<'JSON'
{"flags": {"rare": {"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off"}}}
JSON

count() {  # build kernel rounds -> instructions of the whole run
  # Without --smc-check=all valgrind never sees writes through the alias mapping.
  valgrind --tool=callgrind --smc-check=all --callgrind-out-file="$work/out" \
    "$shunt" run "$kernels/kernels_$1_0.wasm" --flags "$work/flags.json" --invoke "$2" "$3" >"$work/log" 2>&1 ||
    { cat "$work/log" >&2; exit 1; }
  awk '/Collected/ {print $4}' "$work/log"
}

failed=0
for kernel in "$@"; do
  for build in plain check; do
    short=$(count $build $kernel 1)
    long=$(count $build $kernel 3)
    [ -n "$short" ] && [ -n "$long" ] || { echo "no count from callgrind"; exit 1; }
    declare "$build=$(awk -v a="$short" -v b="$long" 'BEGIN {printf "%.3f", (b - a) / (2 * 65536)}')"
  done
  more=$(awk -v a="$plain" -v b="$check" 'BEGIN {printf "%.3f", b - a}')
  echo "$kernel: $plain instructions a byte without the check, $check with it: $more more"
  # Start-up differs by a few hundred instructions from run to run (address space layout), over 131,072 checks.
  awk -v m="$more" 'BEGIN {exit !(m > 0.98 && m < 1.02)}' || { echo "$kernel: expected exactly 1 more"; failed=1; }
done
exit $failed
