#!/usr/bin/env bash
# The probes are in the program's notes with their arguments, and fire: gdb stops at the end of a commit and reads them.
# usage: probes.sh OBSERVED_PROGRAM
set -euo pipefail
. "$(dirname "$0")/../../support/skip.sh"
command -v readelf >/dev/null || skip "readelf (binutils) is not installed"
command -v gdb >/dev/null || skip "gdb is not installed"
program=$1
notes=$(readelf -n "$program")
failed=0
expect() {  # probe, number of arguments
  arguments=$(awk -v probe="$1" '/Provider:/ {ours = ($2 == "shunt")} /Name:/ {named = ($2 == probe)}
    ours && named && /Arguments:/ {$1 = ""; print; exit}' <<<"$notes")
  set -- "$1" "$2" $arguments
  echo "$1: ${*:3}"
  [ $(($# - 2)) -eq "$2" ] || { echo "$1: expected $2 arguments"; failed=1; }
}
expect commit_begin 3
expect commit_end 4

shown=$(gdb -nx -q -batch -iex 'set debuginfod enabled off' -ex 'set confirm off' -ex 'set startup-with-shell off' \
  -ex 'break -probe-stap shunt:commit_begin' -ex 'break -probe-stap shunt:commit_end' -ex 'run gdb' \
  -ex 'printf "begin: generation %lu, keys %lu, batches %lu\n", $_probe_arg0, $_probe_arg1, $_probe_arg2' -ex continue \
  -ex 'printf "end: generation %lu, sites %lu, mechanism %s\n", $_probe_arg0, $_probe_arg1, (char*)$_probe_arg2' \
  -ex kill "$program" 2>&1 </dev/null) || true
if grep -qE 'ptrace: Operation not permitted|Could not trace the inferior' <<<"$shown"; then skip "gdb may not trace here (ptrace)"; fi
grep -x 'begin: generation 0, keys 1, batches 1' <<<"$shown" || { echo "commit_begin did not fire so"; failed=1; }
grep -x 'end: generation 1, sites 1, mechanism [a-z]\+' <<<"$shown" || { echo "commit_end did not fire so"; failed=1; }
[ "$failed" = 0 ] || echo "$shown"
exit $failed
