#!/usr/bin/env bash
# Measures the engine beside its peers and writes tables and plots into docs/benchmarks.md: builds the programs, then runs
# engine_table.py. About five minutes; on a machine that does nothing else, or the figures with busy threads mean little.
# usage: benchmarks/engine_table.sh [ROUNDS]      (5)
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install-dependencies.sh benchmarks
cmake --preset release >/dev/null
targets=(engine_flip disabled_check)
available=$(cmake --build --preset release --target help)
for optional in shunt_xray_sleds flag_kernels; do
  if grep -q "^$optional: " <<<"$available"; then targets+=("$optional"); fi
done
cmake --build --preset release -j "$(nproc)" --target "${targets[@]}"
exec python3 benchmarks/engine_table.py build/release/bin --rounds "${1:-5}" --results build/release/engine_results.json --write
