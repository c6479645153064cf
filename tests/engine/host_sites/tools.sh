#!/usr/bin/env bash
# gdb and perf name the functions of a program after its text was moved.
# usage: tools.sh gdb|perf TOOLS_PROGRAM
set -euo pipefail
. "$(dirname "$0")/../../support/skip.sh"
tool=$1 program=$2
command -v "$tool" >/dev/null || skip "$tool is not installed"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export HOME=$work

case $tool in
  gdb)
    gdb -nx -q -batch -iex 'set debuginfod enabled off' -ex 'set startup-with-shell off' -ex 'run stop' -ex bt \
      -ex 'info proc mappings' -ex kill "$program" >log 2>&1 </dev/null || true
    if grep -qE 'ptrace: Operation not permitted|Could not trace the inferior' log; then skip "gdb may not trace here (ptrace)"; fi
    for wanted in 'memfd:shunt-text:' ' in patched_inner ' ' in patched_outer ' ' in main |main \('; do
      grep -qE "$wanted" log || { echo "missing: $wanted"; cat log; exit 1; }
    done
    ;;
  perf)
    perf record -q -e cpu-clock -o probe.data true >probe.log 2>&1 || skip "perf may not record here: $(head -1 probe.log)"
    perf record -q -e cpu-clock -o data "$program" run
    # Of all samples in user mode, nearly all are in the moved function: by its name, or by none.
    perf report -i data --stdio --sort symbol 2>/dev/null | grep '\[\.\]' >symbols
    share=$(awk '/patched_inner/ { print int($1); exit }' symbols)
    echo "patched_inner: ${share:-0} % of the samples"
    [ "${share:-0}" -ge 80 ] || { cat symbols; exit 1; }
    ;;
esac
