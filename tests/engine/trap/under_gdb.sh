#!/usr/bin/env bash
# A program that flips sites by breakpoints runs under gdb, which gives it its own traps by
# scripts/gdb_pass_traps.py; gdb's own breakpoints work meanwhile.
# usage: under_gdb.sh FLIPPING_PROGRAM
set -euo pipefail
. "$(dirname "$0")/../../support/skip.sh"
command -v gdb >/dev/null || skip "gdb is not installed"
program=$1
log=$(mktemp)
trap 'rm -f "$log"' EXIT
timeout 100 gdb -nx -q -batch -iex 'set debuginfod enabled off' -ex 'set confirm off' -ex 'set startup-with-shell off' \
  -ex "source $(dirname "$0")/../../../scripts/gdb_pass_traps.py" -ex 'break checkpoint' -ex 'pass-traps run' -ex 'pass-traps continue' \
  -ex 'pass-traps continue' -ex 'python print("passed %d traps" % pass_traps.passed)' "$program" >"$log" 2>&1 </dev/null || true
if grep -qE 'ptrace: Operation not permitted|Could not trace the inferior' "$log"; then skip "gdb may not trace here (ptrace)"; fi
failed=0
for expected in 'checkpoint \(flips=(flips@entry=)?500\)' 'checkpoint \(flips=(flips@entry=)?1000\)' '[0-9]+ flips, 0 wrong' 'exited normally' 'passed [1-9][0-9]* traps'; do
  grep -qE "$expected" "$log" || { echo "missing: $expected"; failed=1; }
done
[ "$failed" = 0 ] || { cat "$log"; exit 1; }
