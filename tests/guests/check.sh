# Sourced by third_party.sh: running guests and checking what they give.

checks=0
failures=0
exec 3>&1  # where verdicts go, also while a command's output is redirected

# guest NAME ARGUMENT...: runs $work/NAME.wasm; it sees the current folder.
guest() {
  local name=$1
  shift
  timeout 300 "$shunt" run "$work/$name.wasm" --dir . -- "$@"
}

# native NAME ARGUMENT...: the host's build of the same.
native() {
  local name=$1
  shift
  "$work/$name" "$@"
}

# check WHAT COMMAND...: the command must succeed.
check() {
  local what=$1
  shift
  checks=$((checks + 1))
  local status=0
  "$@" || status=$?
  if [ "$status" -eq 0 ]; then
    echo "ok      $what" >&3
  else
    failures=$((failures + 1))
    echo "WRONG   $what (status $status): $*" >&3
  fi
}

# same WHAT FILE FILE: both have the same bytes, and some.
same() { check "$1" non_empty_same "$2" "$3"; }
non_empty_same() { [ -s "$1" ] && cmp "$1" "$2"; }

# has WHAT FILE TEXT: the file has a line with the text.
has() { check "$1" grep -q -F -e "$3" "$2"; }

# fails COMMAND...: the command ends with an error of its own; a crash or a trap (128 and above) is none.
fails() {
  local status=0
  "$@" >failure.out 2>&1 || status=$?
  [ "$status" -gt 0 ] && [ "$status" -lt 124 ]
}

finish_checks() {
  echo "$guest: $checks checks, $failures wrong (sources: $sources)"
  [ "$checks" -gt 0 ] && [ "$failures" -eq 0 ]
}
