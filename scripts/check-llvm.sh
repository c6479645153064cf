#!/usr/bin/env bash
# Builds with a certain version of LLVM, and runs the tests of what depends on it: sites through ORC, the optimising tier.
# Installs that version first (Debian 12 has 19 and 22).
#
#   scripts/check-llvm.sh VERSION [PRESET]      19 to 22; check (the default), or asan: our code that drives LLVM under its eyes
#
# Environment: SHUNT_WASM_TESTSUITE_DIR   the WebAssembly core test suite; else it is fetched (scripts/fetch-wasm-testsuite.sh)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
version=${1:-} preset=${2:-check}
[[ $version/$preset =~ ^(19|20|21|22)/(check|asan)$ ]] || { sed -n '2,/^[^#]/{/^#/{s/^# \{0,1\}//;p}}' "$0" >&2; exit 2; }

scripts/install-dependencies.sh
if ! dpkg-query -W -f '${Status}' "llvm-$version-dev" 2>/dev/null | grep -q installed; then
  apt-get install --no-install-recommends -y -qq "llvm-$version-dev"
fi
SHUNT_WASM_TESTSUITE_DIR=$(scripts/fetch-wasm-testsuite.sh)
export SHUNT_WASM_TESTSUITE_DIR

folder=build/llvm-$version-$preset
# Containers and arenas that cross from LLVM's library, which is not instrumented, are marked by one side alone.
[ "$preset" = asan ] && export ASAN_OPTIONS=detect_container_overflow=0:allow_user_poisoning=0:quarantine_size_mb=4:${ASAN_OPTIONS:-}
cmake --preset "$preset" -B "$folder" -DSHUNT_LLVM_VERSIONS="$version.1" -DSHUNT_LLVM_WITH_SANITIZERS=ON
grep -q "^LLVM_DIR:PATH=.*llvm-$version" "$folder/CMakeCache.txt" || { echo "CMake did not take LLVM $version" >&2; exit 1; }
cmake --build "$folder" -j "$(nproc)" --target engine_orc_test sample_08_orc wasm_optimising_test wasm_instance_test wasm_random_program_test \
  wasm_conformance_test wasm_tiers_test wasm_tier_up_test wasm_speculation_test wasm_control_test
ctest --test-dir "$folder" --output-on-failure --no-tests=error -j "$(nproc)" \
  -R '^(engine_orc_test|sample_08_orc|wasm_optimising_test|wasm_tiers_test|wasm_tier_up_test|wasm_speculation_test|wasm_(instance|random_program|conformance|control)_optimising_test)$'
