# Sourced by third_party.sh: compilers for guests and for the host.

wasm_cc=${SHUNT_WASM_CC:-clang-19}
gaps=$here/wasi_gaps
wasm_flags=(--target=wasm32-wasi -O2 -w -isystem "$gaps" -include wasi_gaps.h -D_WASI_EMULATED_SIGNAL
  -D_WASI_EMULATED_PROCESS_CLOCKS)
# The stack in front of the data, so that its overflow is caught; large enough for programs that expect a system's.
wasm_libraries=(-lwasi-emulated-signal -lwasi-emulated-process-clocks -Wl,--stack-first -Wl,-z,stack-size=1048576)

need_toolchain() {
  local probe=$folder/.probe.$$.wasm
  echo 'int main(void) { return 0; }' | "$wasm_cc" --target=wasm32-wasi -x c - -o "$probe" 2>/dev/null ||
    missing "$wasm_cc cannot build for wasm32-wasi (packages clang-19, lld-19, wasi-libc, libclang-rt-19-dev-wasm32)"
  rm -f "$probe"
  command -v cc >/dev/null || missing "no C compiler for the host (cc)"
}

# build_both NAME ARGUMENT...: $work/NAME.wasm and, for comparison, the native $work/NAME from the same sources.
build_both() {
  local name=$1
  shift
  build_wasm "$name" "$@"
  quiet cc -O2 -w "$@" -lm -o "$work/$name"
}

build_wasm() {
  local name=$1
  shift
  quiet "$wasm_cc" "${wasm_flags[@]}" "$@" "$gaps/wasi_gaps.c" "${wasm_libraries[@]}" -o "$work/$name.wasm"
}

# quiet COMMAND...: its output only if it fails.
quiet() {
  local output
  output=$("$@" 2>&1) || { echo "$output" >&2; echo "failed: $*" >&2; return 1; }
}
