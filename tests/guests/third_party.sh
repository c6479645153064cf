#!/usr/bin/env bash
# Compiles programs that others wrote, unmodified, for wasm32-wasi, runs them with `shunt run` and checks that they give their own
# right answers, and those of a native build of the same sources.
#
#   third_party.sh SHUNT FOLDER zlib|bzip2|lua|coremark
#
# SHUNT is the command to test; FOLDER takes sources, builds and results. Sources of zlib, bzip2 and Lua come from the system's source
# packages, kept in FOLDER or in the folder that SHUNT_GUEST_SOURCES names; CoreMark's are expected in $SHUNT_GUEST_SOURCES/coremark.
#
# Exit status: 0 right, 1 wrong, 77 something that this machine lacks (1 if CI=true; the message names it).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ $# -eq 3 ] || { sed -n '5p' "${BASH_SOURCE[0]}" >&2; exit 2; }
shunt=$(realpath "$1")
[ -x "$shunt" ] || { echo "third_party.sh: no program $1" >&2; exit 2; }
mkdir -p "$2"
folder=$(cd "$2" && pwd)
guest=$3

# missing WHAT: this machine cannot run the test.
missing() {
  echo "SKIPPED: $guest: $1" >&2
  [ "${CI:-}" = true ] && { echo "CI=true: what is missing is an error" >&2; exit 1; }
  exit 77
}

source "$here/sources.sh"
source "$here/build.sh"
source "$here/check.sh"
[ -f "$here/$guest.sh" ] || { echo "third_party.sh: no guest \"$guest\"" >&2; exit 2; }
need_toolchain
source "$here/$guest.sh"

work=$folder/$guest
mkdir -p "$work"
sources_of "$guest"
build_guest
rm -rf "$work/run"
mkdir -p "$work/run"
cd "$work/run"
run_guest
finish_checks
