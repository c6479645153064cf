#!/usr/bin/env bash
# Four threads run and compare results while functions become hot, long calls move over to optimised code in their loops, and all are thrown
# back to the baseline, again and again: for ten minutes, or as many seconds as are named. Says how much memory the process has, soon after
# the beginning and in the end.
set -euo pipefail
cd "$(dirname "$0")/.."
cmake --preset release > /dev/null
cmake --build --preset release --target wasm_tier_up_test
SHUNT_STRESS_SECONDS="${1:-600}" build/release/bin/wasm_tier_up_test --gtest_filter='TierUpTest.ResultsHold*'
