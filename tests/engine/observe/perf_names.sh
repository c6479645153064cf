#!/usr/bin/env bash
# perf names functions of generated code, by its map and by jitdump, and jitdump has both versions of a function that was flipped.
# usage: perf_names.sh OBSERVED_PROGRAM
set -euo pipefail
. "$(dirname "$0")/../../support/skip.sh"
command -v perf >/dev/null || skip "perf (Debian: linux-perf) is not installed"
program=$1
work=$(mktemp -d)
map=
trap 'rm -rf "$work"; [ -z "$map" ] || rm -f "$map"' EXIT
cd "$work"
export HOME=$work  # perf keeps a cache of what it saw
perf record -q -e cpu-clock -o probe.data true >probe.log 2>&1 || skip "perf may not record here: $(head -1 probe.log)"

failed=0
share() {  # of samples in generated code that have the name, in percent
  perf script -i "$1" -F ip,sym,dso 2>/dev/null | awk -v want="$2" '/guest_|jit|zero|memfd|JIT/ {all++; if ($0 ~ want) named++} END {
    printf "%d", all ? 100 * named / all : 0}'
}
check() {
  echo "$1: $2 % of the samples in generated code are named"
  [ "$2" -ge 90 ] || { failed=1; perf script -i "$3" -F ip,sym,dso 2>/dev/null | sort | uniq -c | sort -rn | head; }
}

perf record -q -k mono -e cpu-clock -o jit.data "$program" perf "$work"
perf inject --jit -i jit.data -o injected.data
check "jitdump" "$(share injected.data guest_inner)" injected.data
# The time before the flip goes to the first version of the function, the time after it to the second: files of their own.
versions=$(perf script -i injected.data -F ip,sym,dso 2>/dev/null | grep guest_inner | grep -o 'jitted-[0-9]*-[0-9]*' | sort -u | wc -l)
echo "jitdump: samples in $versions versions of guest_inner"
[ "$versions" = 2 ] || failed=1

perf record -q -e cpu-clock -o map.data "$program" perf-map /tmp
map=$(ls /tmp/perf-"$(perf script -i map.data -F pid 2>/dev/null | sort -n | tail -1 | tr -d ' ')".map)
check "perf map" "$(share map.data guest_inner)" map.data
exit $failed
