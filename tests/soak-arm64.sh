#!/usr/bin/env bash
# Stress tests of the engine on emulated arm64 for as long as one likes: machines whose CPUs really run at the same time, the address and
# the thread sanitizer inside machines, cache lines of other sizes; and the core test suite and random programs in the optimising tier. Ends
# with a summary. docs/testing-arm64.md says what each can show.
# Installs and builds what it needs first; that time does not count.
# usage: tests/soak-arm64.sh MINUTES [PATIENCE]
#   MINUTES     10 or more; fewer are exceeded
#   PATIENCE    1, or what limits are multiplied by on a machine that is busy otherwise
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
patience=${2:-1}
case ${1:-}/$patience in
  /* | */ | *[!0-9/]* | 0/* | */0) echo "usage: $0 MINUTES [PATIENCE]" >&2; exit 2 ;;
esac
minutes=$1
logs=$PWD/build/soak-arm64
programs=(arm64_machine_test engine_stress engine_group_stress host_stress)
summary=()
failed=0
rm -rf "$logs"
mkdir -p "$logs"

# build FOLDER SANITIZERS [TARGET...]
build() {
  local flags=()
  # GCC's, for Debian has clang's sanitizers for this machine alone.
  [ -z "$2" ] || flags=("-DSHUNT_SANITIZE=$2" -DCMAKE_BUILD_TYPE=None "-DCMAKE_CXX_FLAGS=-O1 -g1" "-DCMAKE_C_FLAGS=-O1 -g1"
    -DCMAKE_C_COMPILER=aarch64-linux-gnu-gcc -DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++ -DCMAKE_ASM_COMPILER=aarch64-linux-gnu-gcc)
  cmake --preset arm64 -B "$1" "${flags[@]}" && cmake --build "$1" -j "$(nproc)" --target "${programs[@]}" "${@:3}"
}

# note NAME RESULT LOG: a line of the summary, with the counts that the tests printed.
note() {
  [ "$2" = passed ] || failed=$((failed + 1))
  summary+=("$(printf '%-7s %s' "$2" "$1")")
  mapfile -t -O ${#summary[@]} summary < <(sed -n -E 's/^([a-z0-9-]+: )?(.*: seed [0-9]+, .*)/          \2/p; s/^  (stale .*)/          \1/p' "$3")
}

# machine NAME BUILD CPU THREAD SECONDS: SECONDS of the machine's clock for each of three programs; with thread=single that takes
# several times as long, so `part` bounds it.
machine() {
  local log=$logs/$1.log result=passed
  echo "=== $1"
  tests/system/arm64/run.py --jobs tests/system/arm64/soak.toml --cpu "$3" --thread "$4" --seconds "$5" --limit $((part + 120)) --patience "$patience" "$2" >"$log" 2>&1 ||
    result=FAILED
  note "$1 ($3, thread=$4)" "$result" "$log"
  [ $result = passed ] || tail -n 30 "$log"
}

# user NAME CPU SECONDS: in user mode, where cache lines can be had that no machine has.
user() {
  local log=$logs/$1.log program result=passed
  echo "=== $1"
  : >"$log"
  for program in "${programs[@]}"; do
    SHUNT_STRESS_AT_MOST=$3 timeout $((($3 + 120) * patience)) build/arm64-tools/usr/bin/qemu-aarch64 -cpu "$2" -L / "build/arm64/bin/$program" >>"$log" 2>&1 ||
      result=FAILED
  done
  note "$1 ($2, user mode): $(sed -n 's/^machine: \(.*, lines [0-9/]*\),.*/\1/p' "$log")" "$result" "$log"
  [ $result = passed ] || tail -n 30 "$log"
}

# tier NAME SECONDS: the core test suite, then random programs for SECONDS, in the optimising tier, whose compiler is emulated too.
tier() {
  local log=$logs/$1.log result=passed
  echo "=== $1"
  (
    export SHUNT_TEST_TIER=optimising SHUNT_RANDOM_SECONDS=$2
    SHUNT_WASM_TESTSUITE_DIR=$(scripts/fetch-wasm-testsuite.sh) && export SHUNT_WASM_TESTSUITE_DIR || exit
    for program in wasm_conformance_test wasm_random_program_test; do
      timeout $((($2 + 900) * patience)) build/arm64-tools/usr/bin/qemu-aarch64 -L / "build/arm64/bin/$program" || exit
    done
  ) >"$log" 2>&1 || result=FAILED
  note "$1 (user mode): $(sed -n -E 's/^conformance: .*, (together .*)/\1/p; s/^random programs: ([0-9]* modules).*/, \1/p' "$log" | tr -d '\n')" "$result" "$log"
  [ $result = passed ] || tail -n 30 "$log"
}

scripts/arm64/install.sh system && build build/arm64 "" wasm_conformance_test wasm_random_program_test && build build/arm64-asan address,undefined && build build/arm64-tsan thread || exit 1

# Each of six soaks gets a sixth of the time (the optimising tier comes on top), and each of its three programs a third of that; not so little that a thread may never have
# run between two flips. On a clock that counts instructions, instrumented programs are slow: a tenth.
part=$((minutes * 60 / 6))
each=$((part / 3 > 20 ? part / 3 : 20))
slow=$((each / 10 > 5 ? each / 10 : 5))
begin=$SECONDS
machine multi-neither build/arm64 cortex-a57 multi "$each"
machine multi-both build/arm64 neoverse-v1 multi "$each"
machine asan build/arm64-asan neoverse-n1 single "$slow"
machine tsan build/arm64-tsan neoverse-n1 single "$slow"
user lines-of-256 a64fx "$each"
user lines-of-32 max "$each"
tier optimising "$each"

printf '\nsoak-arm64: %d s, %s, %s\n' $((SECONDS - begin)) "$(git describe --always --dirty 2>/dev/null)" \
  "$(build/arm64-tools/usr/bin/qemu-system-aarch64 --version | head -1)"
printf '%s\n' "${summary[@]}"
echo "$failed of 7 soaks failed; logs in build/soak-arm64"
[ "$failed" -eq 0 ]
