#!/usr/bin/env bash
# Four threads run and compare results while functions become hot, are thrown back to the baseline, and become hot again: for ten
# minutes, or as many seconds as are named.
set -euo pipefail
cd "$(dirname "$0")/.."
cmake --preset release > /dev/null
cmake --build --preset release --target wasm_tier_up_test
SHUNT_STRESS_SECONDS="${1:-600}" build/release/bin/wasm_tier_up_test
