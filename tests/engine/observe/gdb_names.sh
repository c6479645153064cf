#!/usr/bin/env bash
# gdb names functions of generated code in a backtrace and in a disassembly, and shows the bytes as they are: before a flip and after it.
# usage: gdb_names.sh OBSERVED_PROGRAM
set -euo pipefail
. "$(dirname "$0")/../../support/skip.sh"
command -v gdb >/dev/null || skip "gdb is not installed"
program=$1
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# Without start-up files and downloads; two stops, one before and one after the flip.
gdb -nx -q -batch -iex 'set debuginfod enabled off' -ex 'set confirm off' -ex 'set startup-with-shell off' \
  -ex 'break show_state' -ex 'run gdb' -ex 'echo ==bt\n' -ex bt -ex 'echo ==off\n' -ex 'x/12i guest_inner' \
  -ex continue -ex 'echo ==on\n' -ex 'x/12i guest_inner' -ex 'info symbol guest_outer' -ex 'disassemble guest_outer' \
  -ex kill "$program" >"$log" 2>&1 </dev/null || true
if grep -qE 'ptrace: Operation not permitted|Could not trace the inferior' "$log"; then skip "gdb may not trace here (ptrace)"; fi

failed=0
expect() {  # what it shows, regex, section (from its ==line to the next)
  awk -v s="==$3" '$0 ~ /^==/ {on = ($0 == s)} on' "$log" | grep -qE "$2" || { echo "missing: $1 ($2)"; failed=1; }
}
expect "the inner function in the backtrace" '^#1 .* in guest_inner \(\)' bt
expect "the outer function in the backtrace" '^#2 .* in guest_outer \(\)' bt
expect "its caller, through both frames" '^#[2-9] .* main \(' bt
expect "the site while the key is off" 'guest_inner\+[0-9]+>:.*test +\$0x[0-9a-f]+,%eax' off
expect "the site while the key is on" 'guest_inner\+[0-9]+>:.*jmp +0x[0-9a-f]+ <guest_inner\+[0-9]+>' on
expect "a whole function" 'Dump of assembler code for function guest_outer' on
[ "$failed" = 0 ] || { cat "$log"; exit 1; }
sed -n '/^==bt/,$p' "$log"
