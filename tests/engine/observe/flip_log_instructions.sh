#!/usr/bin/env bash
# A flip log that is off costs a commit two instructions, whatever its number of sites, against a log that was never on (then
# a commit goes through no code of the log at all): counted by callgrind, at two lengths of run, so that everything but the
# commits cancels out. A log that is on costs something with every site, or this would count nothing.
# usage: flip_log_instructions.sh COUNTED_COMMITS
set -euo pipefail
. "$(dirname "$0")/../../support/skip.sh"
program=$1
command -v valgrind >/dev/null || skip "valgrind is not installed"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

count() {  # mode sites commits -> instructions of the whole run
  # Without --smc-check=all valgrind never sees writes through the alias mapping.
  valgrind --tool=callgrind --smc-check=all --callgrind-out-file="$work/out" "$program" "$1" "$2" "$3" >"$work/log" 2>&1 ||
    { cat "$work/log" >&2; exit 1; }
  awk '/Collected/ {print $4}' "$work/log"
}

failed=0
for sites in 1 500; do
  for mode in never off on; do
    short=$(count $mode $sites 100)
    long=$(count $mode $sites 300)
    [ -n "$short" ] && [ -n "$long" ] || { echo "no count from callgrind"; exit 1; }
    declare "$mode=$(awk -v a="$short" -v b="$long" 'BEGIN {printf "%.2f", (b - a) / 200}')"
  done
  echo "$sites sites: $never instructions a commit without the log, $off with the log off, $on with the log on"
  # Start-up differs by a few hundred instructions from run to run (address space layout), over 200 commits.
  awk -v a="$never" -v b="$off" 'BEGIN {exit !(b - a > 0 && b - a < 4)}' || { echo "expected 2 more with the log off"; failed=1; }
  awk -v a="$never" -v b="$on" -v n="$sites" 'BEGIN {exit !(b - a > 10 * n)}' || { echo "the log counts for nothing"; failed=1; }
done
exit $failed
