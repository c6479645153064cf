#!/usr/bin/env bash
# Fuzzes with libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer: each target for its share of the time, as many at once as
# there are processors. Prints what each did; fails if one found something.
#
#   tests/fuzz/soak.sh [MINUTES [TARGET...]]     10 minutes, all targets
#
# What is found is in build/fuzz/findings: run it again with build/fuzz/bin/fuzz_<target> FILE, repair what is wrong, and keep it,
# made as small as it goes, in tests/fuzz/seeds/<target>. The corpus stays in build/fuzz/corpus for the next time.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

minutes=${1:-10}
[[ $minutes =~ ^[0-9]+$ ]] || { sed -n '2,/^[^#]/{/^#/{s/^# \{0,1\}//;p}}' "$0" >&2; exit 2; }
shift || true
targets=("$@")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(ls tests/fuzz/seeds)
jobs=$(nproc)

scripts/install-dependencies.sh
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz -j "$jobs" --target "${targets[@]/#/fuzz_}"

# Guests have stacks of their own; reports of a fake one would be false.
export ASAN_OPTIONS=detect_stack_use_after_return=0:detect_container_overflow=0:${ASAN_OPTIONS:-}
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1:${UBSAN_OPTIONS:-}
findings=build/fuzz/findings
mkdir -p "$findings"
rounds=$(((${#targets[@]} + jobs - 1) / jobs))
seconds=$((minutes * 60 / rounds))

soak() {
  local target=$1 log=$findings/$1.log corpus=build/fuzz/corpus/$1 dictionary=()
  mkdir -p "$corpus"
  case $target in
    loader) dictionary=(-dict=tests/fuzz/dictionaries/wasm.dict) ;;
    flags | command) dictionary=(-dict=tests/fuzz/dictionaries/flags.dict) ;;
  esac
  if build/fuzz/bin/fuzz_"$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=4096 -max_len=65536 -print_final_stats=1 \
      -artifact_prefix="$findings/$target-" "${dictionary[@]}" "$corpus" tests/fuzz/seeds/"$target" >"$log" 2>&1; then
    printf '%-14s ' "$target"
    sed -n -e 's/^stat::number_of_executed_units: */inputs /p' -e 's/^stat::peak_rss_mb: */peak MB /p' "$log" | paste -sd' '
  else
    printf '%-14s FOUND SOMETHING: %s\n' "$target" "$(ls -t "$findings/$target"-* 2>/dev/null | head -1)"
    tail -n 40 "$log"
    return 1
  fi
}

failed=0
for ((i = 0; i < ${#targets[@]}; i += jobs)); do
  running=()
  for target in "${targets[@]:i:jobs}"; do
    soak "$target" &
    running+=($!)
  done
  for process in "${running[@]}"; do wait "$process" || failed=1; done
done
exit $failed
