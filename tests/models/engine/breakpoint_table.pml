// The readers of the breakpoint table against a writer: two threads in the SIGTRAP handler, three batches of the same site one
// right after the other. Without instruction fetch (../x86_64/breakpoint.pml has both): what is looked for here is what
// readers and the writer do to one another.
//
// Mirrors engine/trap/breakpoint_table.cpp: breakpoint_table.inc. A thread traps on our site while its breakpoint stands, or on a
// foreign breakpoint in the engine's code, at any time.
//
// -DLOCK_FREE: nobody writes a batch any more after the last one, and a reader that begins anew for ever is a
// non-progress cycle. Without fairness: so a reader is kept from its end by the steps of writers alone.
#define BATCHES 3
#define note()
#ifdef SKIP_STAYS
#define asked_again()
#else
#define asked_again() REACHED(asked again because another view is shown)
#endif
#include "../checks.inc"
#include "breakpoint_table.inc"

bit ready;
bit stands;         // the breakpoint at our site
bit lost;           // a trap of ours is called foreign
bit foreign_taken;  // a foreign one is called ours

active [2] proctype reader() {
  byte which, found, answer = NONE;
  byte traps = 0;
  ready;
  do
  :: traps < 2 && stands ->  // trapped on ours; the handler comes whenever it likes
     answer_of(true, stands);
     d_step {
       CHECK(lost, answer != FOREIGN);
       if :: answer == REWIND -> REACHED(rewound) :: else -> REACHED(resumed) fi;
       answer = NONE; traps++ }
  :: traps < 2 ->            // on a foreign one
     answer_of(false, true);
     d_step {
       CHECK(foreign_taken, answer == FOREIGN);
       REACHED(passed on);
       answer = NONE; traps++ }
  :: traps == 2 -> break
  od
}

active proctype writer() {
  bit now;
  byte n = 1;
  d_step { view[0].open = 1; ready = 1 };
  do
  :: n <= BATCHES ->
#ifdef BREAKPOINT_BEFORE_SHOWN
     stands = 1;
#endif
     show_batch(n);
     stands = 1;
     stands = 0;
     hide_batch();
     freed[n] = 1;
     n++
  :: else -> break
  od
}
