#!/usr/bin/env bash
# Prints the folder that holds the WebAssembly core test suite: the one that SHUNT_WASM_TESTSUITE_DIR names, or a copy of the
# public repository at the commit that the tests are counted against, fetched once into the build folder. Fails if neither is
# to be had.
set -euo pipefail
cd "$(dirname "$0")/.."

repository=https://github.com/WebAssembly/testsuite
commit=3a04b2cf93bd8fce277458d419eea8d9c326345c

if [ -n "${SHUNT_WASM_TESTSUITE_DIR:-}" ]; then
  if [ ! -f "$SHUNT_WASM_TESTSUITE_DIR/i32.wast" ]; then
    echo "error: SHUNT_WASM_TESTSUITE_DIR=$SHUNT_WASM_TESTSUITE_DIR holds no WebAssembly test suite (no i32.wast)" >&2
    exit 1
  fi
  (cd "$SHUNT_WASM_TESTSUITE_DIR" && pwd)
  exit 0
fi

folder=$PWD/build/wasm-testsuite
if [ "$(git -C "$folder" rev-parse HEAD 2>/dev/null || true)" != "$commit" ] || [ ! -f "$folder/i32.wast" ]; then
  rm -rf "$folder"
  mkdir -p "$folder"
  {
    git -C "$folder" init -q
    GIT_TERMINAL_PROMPT=0 timeout 120 git -C "$folder" fetch -q --depth 1 "$repository" "$commit"
    git -C "$folder" -c advice.detachedHead=false checkout -q FETCH_HEAD
  } >&2 || { echo "cannot fetch $repository at $commit" >&2; rm -rf "$folder"; exit 1; }
fi
echo "$folder"
