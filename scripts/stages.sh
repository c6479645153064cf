# Sourced by test.sh: runs stages, each with a time limit and its own log, and sums them up.
# Uses $results, the folder for logs and CTest's result files.

stage_lines=()   # of the final table
failed_stages=0
skipped_stages=0
declare -A is_built=()

# record NAME RESULT SECONDS: one line of the final table.
record() {
  local line
  printf -v line '  %-34s %-8s %5d s' "$1" "$2" "$3"
  stage_lines+=("$line")
  case $2 in
    passed) ;;
    skipped) skipped_stages=$((skipped_stages + 1)) ;;
    *) failed_stages=$((failed_stages + 1)) ;;
  esac
}

log_of() { echo "$results/$(printf '%s' "$1" | tr -cs 'A-Za-z0-9' '-').log"; }

# `timeout` gives its command a process group of its own, so an interrupted script has to end it.
end_stage() {
  [ -s "$results/running" ] && kill "$(cat "$results/running")" 2>/dev/null
  exit 130
}
trap end_stage INT TERM HUP

# stage NAME LIMIT COMMAND...: runs the command for at most LIMIT seconds; its status is the command's.
stage() {
  local name=$1 limit=$2 begin=$SECONDS status
  shift 2
  printf '\n=== %s (at most %d s)\n' "$name" "$limit"
  # In the background, so that a signal to the script is handled at once.
  ({ timeout --kill-after=10 "$limit" "$@" & echo $! >"$results/running"; wait $!; } 2>&1 | tee "$(log_of "$name")") &
  wait $!
  status=$?
  rm -f "$results/running"
  local took=$((SECONDS - begin)) result=passed
  if [ "$status" -eq 124 ] || [ "$status" -eq 137 ]; then
    result=timeout
  elif [ "$status" -ne 0 ]; then
    result=failed
  fi
  printf '=== %s: %s after %d s\n' "$name" "$result" "$took"
  record "$name" "$result" "$took"
  return "$status"
}

# build PRESET LIMIT
build() {
  stage "build $1" "$2" bash -c "cmake --preset $1 && cmake --build --preset $1 -j $(nproc)" && is_built[$1]=yes
}
built() { [ "${is_built[$1]:-}" = yes ]; }

# ThreadSanitizer cannot live with more random address bits than 28; then programs run without them, where allowed.
test_wrapper=()
[ "$(cat /proc/sys/vm/mmap_rnd_bits 2>/dev/null || echo 0)" -gt 28 ] && setarch -R true 2>/dev/null && test_wrapper=(setarch -R)

# tests NAME PRESET LIMIT CTEST-ARGUMENTS...: a selection without any test is a failure.
tests() {
  local name=$1 preset=$2 limit=$3
  shift 3
  local file
  file=$(log_of "$name")
  stage "$name" "$limit" "${test_wrapper[@]}" ctest --preset "$preset" --no-tests=error --output-on-failure --output-junit "${file%.log}.xml" \
    --test-output-size-passed 1000000 --test-output-size-failed 1000000 "$@"
}

# Prints the table, CTest's own summaries and the sum; ends the script.
finish() {
  printf '\nStages:\n'
  printf '%s\n' "${stage_lines[@]}"
  printf '  %-34s %-8s %5d s\n' "all" "" "$SECONDS"
  printf '\n'
  grep -h -E '^[0-9]+% tests passed|^Total Test time' "$results"/*.log || true
  scripts/count-tests.py "$failed_stages" "$skipped_stages" "$results"
  exit $?
}
