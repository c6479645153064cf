# Sourced by test scripts: ends the test because this machine lacks a capability. CI has them all, so there it is a failure.
# CTest: SKIP_RETURN_CODE 77.
skip() {
  echo "SKIPPED: $1"
  [ "${CI:-}" = true ] && { echo "CI must have it: failed"; exit 1; }
  exit 77
}
