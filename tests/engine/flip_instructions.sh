#!/usr/bin/env bash
# The cost of one site's flip does not depend on how many keys and sites there are, also when its core serialisation has to be
# repeated; a batch's is linear in its keys. Counted by callgrind, in two numbers of rounds, so that everything else cancels out.
# usage: flip_instructions.sh FLIP_COUNT
set -euo pipefail
. "$(dirname "$0")/../support/skip.sh"
program=$1
command -v valgrind >/dev/null || skip "valgrind is not installed"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

count() {  # mode keys rounds -> instructions of the whole run
  valgrind --tool=callgrind --callgrind-out-file="$work/out" "$program" "$@" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
  awk '/Collected/ {print $4}' "$work/log"
}

# The first rounds make room in tables; they are in both counts.
each() {  # mode keys -> instructions of one flip
  awk -v a="$(count "$1" "$2" 10)" -v b="$(count "$1" "$2" 110)" 'BEGIN {printf "%d", (b - a) / 100}'
}

failed=0
compare() {  # what few many most
  echo "$1: $2 with few keys, $3 with many"
  awk -v few="$2" -v many="$3" -v most="$4" 'BEGIN {exit !(few > 0 && many <= most * few)}' || { echo "$1: too many"; failed=1; }
}
compare "instructions of one site's flip" "$(each one 10)" "$(each one 10000)" 1.1
compare "the same, serialised again after a failure" "$(each failed 10)" "$(each failed 10000)" 1.1
compare "instructions of a batch of all keys, 100 and 1,000 of them" "$(each all 100)" "$(each all 1000)" 11
exit $failed
