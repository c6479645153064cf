#!/usr/bin/env bash
# Builds shunt and tests it. Installs what is missing first (scripts/install-dependencies.sh).
#
#   ./test.sh          optimised build, unit and conformance tests, fuzz targets, stress tests, AddressSanitizer: 15 minutes
#   ./test.sh --all    also ThreadSanitizer, mutants, models, litmus tests, arm64, third-party guests, packages,
#                      installations, formatting, clang-tidy: 60 minutes (2 cores)
#
# Environment:
#   SHUNT_WASM_TESTSUITE_DIR   the WebAssembly core test suite; else it is fetched (scripts/fetch-wasm-testsuite.sh)
#   SHUNT_STRESS_SECONDS       of each part of a stress test that goes by time (10)
#   CI=true                    a test that would be skipped fails
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1
exec </dev/null

all=false
case "${1:-}" in
  "") ;;
  --all) all=true ;;
  -h | --help) sed -n '2,/^[^#]/{/^#/{s/^# \{0,1\}//;p}}' "$0"; exit 0 ;;
  *) echo "usage: ./test.sh [--all]" >&2; exit 2 ;;
esac

export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
export SHUNT_STRESS_SECONDS=${SHUNT_STRESS_SECONDS:-10}
export CTEST_PARALLEL_LEVEL=${CTEST_PARALLEL_LEVEL:-$(nproc)}
results=$PWD/build/test-results
rm -rf "$results"
mkdir -p "$results"
source scripts/stages.sh

stage "dependencies" 900 scripts/install-dependencies.sh || finish

if suite=$(scripts/fetch-wasm-testsuite.sh 2>"$results/testsuite.log"); then
  export SHUNT_WASM_TESTSUITE_DIR=$suite
  echo "WebAssembly core test suite: $suite"
elif [ -n "${SHUNT_WASM_TESTSUITE_DIR:-}" ] || [ "${CI:-}" = true ]; then
  cat "$results/testsuite.log"
  record "test suite" failed 0
  finish
else
  cat "$results/testsuite.log"
  echo "The WebAssembly core test suite is skipped: name its folder by SHUNT_WASM_TESTSUITE_DIR."
  record "conformance (no test suite here)" skipped 0
fi

# Stress tests on machines with Debian's arm64 kernel, emulated: one with IDC and DIC, one without. Together at most 4 minutes.
arm64_machines() {
  stage "tools for arm64 machines" 900 scripts/arm64/install.sh system || return
  built arm64 || build arm64 1800 || return
  stage "arm64 machines: stress" 240 tests/system/arm64/run.py --parallel 2 --limit 220 --results "$results"
}

quick='stress|mutant|guests|conformance|litmus|model|fuzz|slow'
if build check 1800; then
  tests "unit" check 400 -LE "$quick"
  [ -n "${SHUNT_WASM_TESTSUITE_DIR:-}" ] && tests "conformance" check 120 -L conformance --verbose
  tests "fuzz targets, 3 s each" check 120 -L fuzz --verbose
  tests "stress, $SHUNT_STRESS_SECONDS s each" check 400 -L stress -j 1 --verbose
fi
if build asan 1800; then
  tests "AddressSanitizer" asan 500 -LE 'stress|mutant|guests'
fi

# The one stage that may be skipped in CI: what it needs is in Debian's unstable suite alone.
litmus_tests() {
  timeout 300 scripts/arm64/fetch-herd7.sh >"$results/herd7.log" 2>&1
  local status=$?
  cat "$results/herd7.log"
  case $status in
    0) tests "litmus tests, arm64" check 300 -L litmus ;;
    75) record "litmus tests, arm64 (no sid here)" skipped 0 ;;
    *) record "herd7 for litmus tests" failed 0 ;;
  esac
}

# Programs for arm64, built on this machine and run by an emulator; the preset bounds the stress tests.
arm64_tests() {
  stage "arm64: compiler, libraries, emulators" 600 scripts/arm64/install.sh || return
  build arm64 1800 || return
  echo "The arm64 programs run on $(build/arm64-tools/usr/bin/qemu-aarch64 --version | head -1)."
  tests "arm64, emulated: unit, conformance" arm64 800 -LE 'stress|mutant|litmus'
  tests "arm64, emulated: stress" arm64 450 -L stress -j 1 --verbose
  tests "arm64, emulated: mutants" arm64 600 -L mutant
}

if $all; then
  if build tsan 1800; then
    tests "ThreadSanitizer" tsan 800 -LE 'mutant|guests|conformance|fuzz'
  fi
  if built check; then
    tests "mutants" check 600 -L mutant
    tests "third-party guests" check 600 -L guests
    tests "installation, benchmark book" check 800 -L slow
    tests "models" check 400 -L model
    litmus_tests
    stage "clang-tidy" 900 bash -c "cmake --preset dev >/dev/null && scripts/check-tidy.py build/dev"
  fi
  arm64_tests
  stage "packages and a project that uses them" 900 scripts/check-package.sh
  arm64_machines
  stage "formatting" 60 scripts/check-format.sh
fi
finish
