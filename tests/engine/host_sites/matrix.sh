#!/usr/bin/env bash
# Host sites in programs and shared libraries, at several levels of optimisation, with and without link-time optimisation, by
# every linker that is there: builds each, and runs it.
# usage: matrix.sh COMPILER ENGINE_LIBRARY INCLUDE_DIRECTORY...
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../support/skip.sh"
compiler=$1 engine=$2
shift 2
command -v "$compiler" >/dev/null || skip "no $compiler"
PATH=$PATH:/usr/lib/llvm-19/bin  # lld's plain name
includes=("${@/#/-I}")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
common=(-std=c++20 -Wall -Wextra -Wpedantic -Wshadow -Werror -ffunction-sections "${includes[@]}")
done=0

# run WHAT LINKER program|shared OPTIONS...: links and runs main.o with a.o and b.o, as one program or with b.o as a library.
run() {
  local what=$1 linker=$2 shared=$3
  shift 3
  local link=(-fuse-ld="$linker" -Wl,--gc-sections -rdynamic) dead=()
  [ "$linker" = bfd ] || link+=(-Wl,--icf=all)  # bfd has none; different keys must stay apart
  [ "$linker" != lld ] || dead=(0)              # the others keep what the table refers to
  local inputs=(main.o a.o)
  if [ "$shared" = shared ]; then
    "$compiler" "$@" "${link[@]}" -shared b.o -o libb.so
    inputs+=(-L. -lb -Wl,-rpath,"$scratch")
  else
    inputs+=(b.o)
  fi
  "$compiler" "$@" "${link[@]}" "${inputs[@]}" "$engine" -pthread -o program
  ./program "${dead[@]}" || { echo "failed: $what, $linker, $shared: $*"; exit 1; }
  done=$((done + 1))
}

linkers() {  # those that are there and can do what is asked: $1 is "lto" or empty
  local linker
  for linker in bfd gold lld; do
    command -v "ld.$linker" >/dev/null || continue
    case "$compiler:$1:$linker" in
      *clang*:lto:lld | *:"":*) echo "$linker" ;;
      *clang*) ;;
      *:lto:bfd | *:lto:gold) echo "$linker" ;;
    esac
  done
}
[[ $compiler != *clang++* ]] || [[ -n $(linkers lto) ]] || skip "no linker for clang's link-time optimisation (lld)"

"$compiler" "${common[@]}" -O1 -fPIC -c "$here/matrix/main.cpp"
while read -r mode level lto; do
  compile=("$level") link=("$level") shared=program
  case $mode in
    pie) compile+=(-fPIE) link+=(-pie) ;;
    fixed) compile+=(-fno-pie) link+=(-no-pie) ;;
    shared) compile+=(-fPIC) shared=shared ;;
  esac
  [ -z "$lto" ] || { compile+=(-flto); link+=(-flto); }
  for unit in a b; do "$compiler" "${common[@]}" "${compile[@]}" -c "$here/matrix/$unit.cpp" -o "$unit.o"; done
  for linker in $(linkers "$lto"); do run "$mode $level $lto" "$linker" "$shared" "${link[@]}"; done
done <<'MATRIX'
pie -O0
fixed -O0
shared -O0
pie -O2
fixed -O2
shared -O2
pie -O3
pie -O2 lto
shared -O2 lto
fixed -O3 lto
MATRIX

# No site at all: the ends of the table are weak.
for pie in pie no-pie; do
  "$compiler" "${common[@]}" "-f$pie" -c "$here/matrix/no_site.cpp"
  for linker in $(linkers ""); do
    "$compiler" "-$pie" -fuse-ld="$linker" no_site.o "$engine" -pthread -o no_site
    ./no_site || { echo "failed: no site, $linker, $pie"; exit 1; }
    done=$((done + 1))
  done
done

# What a site costs while its likely side is taken: instructions up to the first return.
"$compiler" "${common[@]}" -O2 -c "$here/matrix/count.cpp"
instructions() {
  objdump -d --no-show-raw-insn count.o | awk -v f="<$1>:" '$2 == f { on = 1; next } on { n++ } on && /\tret/ { print n; exit }'
}
without=$(instructions without_site)
for site in with_site with_likely_site; do
  with=$(instructions "$site")
  echo "$site: $with instructions, without: $without"
  [ "$with" -eq $((without + 1)) ] || { echo "a site that is not taken must be one instruction"; exit 1; }
done
echo "$done builds ran"
