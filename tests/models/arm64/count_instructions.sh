#!/usr/bin/env bash
# Counts what an arm64 program executes, exactly and the same on every run: one number a line for each region of the program between
# `hint #100` and `hint #101`; with --whole one number for the whole program (its first thread).
# usage: count_instructions.sh [--whole] PROGRAM [ARGUMENTS...]
# The program's output goes to standard error. SHUNT_EMULATOR_OPTIONS: options for the emulator, e.g. "-cpu a64fx".
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
emulator=$here/../../../build/arm64-tools/plugin-emulator/usr/bin/qemu-aarch64
[ -x "$emulator" ] || { echo "no $emulator: scripts/arm64/install.sh fetches it" >&2; exit 2; }
options=
if [ "${1:-}" = --whole ]; then
  options=,whole=on
  shift
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cc -O1 -shared -fPIC -fvisibility=hidden -o "$work/plugin.so" "$here/sequence/sequence_plugin.c"
# shellcheck disable=SC2086
"$emulator" -L / ${SHUNT_EMULATOR_OPTIONS:-} -plugin "$work/plugin.so$options" -d plugin -D "$work/log" "$@" >&2
sed -n 's/^end instructions=//p' "$work/log"
