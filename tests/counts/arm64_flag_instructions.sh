#!/usr/bin/env bash
# A flag that is off costs a guest on arm64 exactly one instruction a check: the instructions that guest_loops executes are counted,
# with and without the check, each at two lengths, so that everything outside the loop cancels out.
# usage: arm64_flag_instructions.sh GUEST_LOOPS
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mapfile -t counts < <("$here/../models/arm64/count_instructions.sh" "$1")
[ ${#counts[@]} -eq 4 ] || { echo "expected 4 counts, got: ${counts[*]}"; exit 1; }
rounds=2000
plain=$((counts[1] - counts[0])) checked=$((counts[3] - counts[2]))
echo "$rounds rounds: $plain instructions without the check, $checked with"
[ "$plain" -gt $((2 * rounds)) ] || { echo "fewer than the loop has"; exit 1; }
[ $((checked - plain)) -eq $rounds ] || { echo "expected exactly 1 more a round"; exit 1; }
