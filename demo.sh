#!/usr/bin/env bash
# Builds shunt, compiles a log analyser from C to WebAssembly with an unmodified clang, runs it on several threads over a log of
# 100 MB, and flips its feature flags while it works. Installs what is missing first. Takes a few minutes, at most ten.
#
# Environment: DEMO_SECONDS (20), DEMO_THREADS (as many as there are processors)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
exec </dev/null

title() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] || title() { printf '\n%s\n' "$*"; }
# Shows a command, then runs it.
run() { printf '$ %s\n' "$*"; "$@"; }

export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
folder=build/demo
guest=$folder/log_analyser.wasm
shunt=build/release/bin/shunt
mkdir -p "$folder"

title "Build"
scripts/install-dependencies.sh
cmake --preset release >"$folder/configure.log" 2>&1 || { cat "$folder/configure.log"; exit 1; }
cmake --build --preset release --target shunt shunt_demo

title "A guest without any toolchain: WebAssembly text, one flag"
run "$shunt" run samples/guests/hello_flag.wat --flags samples/guests/flags.json

title "A guest in C: a log analyser with three flags"
run clang-19 --target=wasm32-wasi -O2 samples/guests/log_analyser.c -o "$guest"
run "$shunt" inspect "$guest"

title "Its flag reads, as machine code: off and on"
run "$shunt" sites "$guest"

title "Flags flip from a file while it runs"
build/release/bin/shunt_demo "$guest" --folder "$folder" --seconds "${DEMO_SECONDS:-20}" \
  --threads "${DEMO_THREADS:-$(nproc)}"
