# Sourced by third_party.sh. CoreMark with its posix port: it checks its own results, for at least 10 seconds.

build_guest() {
  [ -f "$sources/core_main.c" ] || missing "no sources of CoreMark in $sources"
  build_wasm coremark -DFLAGS_STR='"-O2"' -DPERFORMANCE_RUN=1 -DITERATIONS=0 -I "$sources" -I "$sources/posix" \
    "$sources"/core_*.c "$sources/posix/core_portme.c"
}

run_guest() {
  check "coremark ends well" guest coremark >coremark.out
  cat coremark.out
  # The results that its sources (core_main.c) give for the seeds of a performance run.
  has "seeds" coremark.out "seedcrc          : 0xe9f5"
  has "lists" coremark.out "[0]crclist       : 0xe714"
  has "matrices" coremark.out "[0]crcmatrix     : 0x1fd7"
  has "state machine" coremark.out "[0]crcstate      : 0x8e3a"
  has "its own verdict" coremark.out "Correct operation validated."
}
