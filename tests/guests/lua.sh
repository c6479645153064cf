# Sourced by third_party.sh. Lua's interpreter and compiler with the programs in lua/, whose right answers are known, and whose
# output must also be that of a native build. wasi-libc has no setjmp, so errors cannot be caught (wasi_gaps/setjmp.h): no pcall
# that catches, no coroutines.

build_guest() {
  local core=() file
  for file in "$sources"/src/*.c; do
    case $(basename "$file") in lua.c | luac.c) ;; *) core+=("$file") ;; esac
  done
  build_both lua "$sources/src/lua.c" "${core[@]}"
  build_both luac "$sources/src/luac.c" "${core[@]}"
}

run_guest() {
  cp "$here"/lua/*.lua .
  local script name
  for script in "$here"/lua/*.lua; do
    name=$(basename "$script" .lua)
    [ "$name" = check ] && continue
    check "$name: right answers" guest lua "$name.lua" one "two words" >"$name.out"
    grep -E 'WRONG|right' "$name.out" || true
    native lua "$name.lua" one "two words" >"$name.native" || true
    same "$name: the same as natively" "$name.out" "$name.native"

    # Through the compiler: its code does not depend on the size of a pointer.
    check "$name: luac compiles it" guest luac -s -o "$name.luac" "$name.lua"
    native luac -s -o "$name.luac.native" "$name.lua"
    same "$name: to the same code as natively" "$name.luac" "$name.luac.native"
    check "$name: the code runs" guest lua "$name.luac" one "two words" >"$name.luac.out"
    same "$name: with the same output" "$name.luac.out" "$name.out"
  done

  # The interpreter's own options.
  guest lua -v >version 2>&1
  has "lua -v" version "Lua 5.4"
  check "lua -e" guest lua -e 'print(6 * 7)' >out
  has "its result" out 42
  check "a program from stdin" guest lua - a b <<<'print(#arg, ...)' >out
  has "its result" out $'2\ta\tb'
  check "os.exit gives the status" status_is 7 guest lua -e 'os.exit(7)'
  check "an error nobody can catch ends it" status_is 134 guest lua -e 'error("out")'
}

# status_is STATUS COMMAND...
status_is() {
  local expected=$1 found=0
  shift
  "$@" >/dev/null 2>&1 || found=$?
  [ "$found" -eq "$expected" ]
}
