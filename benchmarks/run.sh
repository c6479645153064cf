#!/usr/bin/env bash
# Measures everything that README and docs claim, beside what others offer, and makes a page of it: docs/benchmarks.md with --write.
# On a machine that does nothing else; a quick run takes five minutes, a whole one an hour and a half (2 processors).
#
#   benchmarks/run.sh [--quick] [--out DIR] [--write] [--coremark DIR] [--polybench DIR] [NAME...]      --help: all options, the chapters
#
# Installs the peers (scripts/install-dependencies.sh benchmarks) and builds the release preset first; SHUNT_BOOK_AS_IT_IS=1 does neither.
set -euo pipefail
cd "$(dirname "$0")/.."
ready=${SHUNT_BOOK_AS_IT_IS:-}
for argument in "$@"; do
  case $argument in -h | --help | --from) ready=1 ;; esac
done
if [ -z "$ready" ]; then
  scripts/install-dependencies.sh benchmarks
  export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
  cmake --preset release >/dev/null
  available=$(cmake --build --preset release --target help)
  targets=()
  for target in engine_flip engine_scale disabled_check shunt_xray_sleds flag_kernels flag_sets interruption tracing speculation lua_guards shunt \
    shunt_demo shunt_demo_guest; do
    if grep -q "^$target: " <<<"$available"; then targets+=("$target"); fi
  done
  cmake --build --preset release -j "$(nproc)" --target "${targets[@]}"
fi
exec python3 benchmarks/book/book.py "$@"
