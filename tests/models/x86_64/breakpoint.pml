// The breakpoint protocol: a site at any alignment is rewritten while other cores execute it.
//
// Mirrors engine/patch/breakpoint.cpp (write_breakpoints(), serialise_steps(), end_breakpoints()) and
// engine/patch/protocol.h (write_step()), in the numbering of engine/patch/breakpoint.h:
//
//   1. show the batch to the handler
//   2. INT3 into the first byte; serialise
//   3. the tail, byte by byte; serialise
//   4. the first byte; serialise
//   5. hide the batch, wait for readers; its memory is used again
//
// and engine/trap/trap_handler.cpp: a thread that trapped may be held in the kernel for as long as it likes before its handler runs
// (trapped -> handler), and looks the address up in the table (../engine/breakpoint_table.inc). A second batch rewrites the same site
// right after the first.
//
// What a core executes: fetch.inc. A rewound thread begins a new execution: more is asked of it than the protocol promises.
// Left out: a failed core serialisation; several sites; the signal frame.
//
// Two shapes: -DCORES=2 -DTAIL=1, -DCORES=1 -DTAIL=2.
// Mutants: SKIP_SERIALISATION_1, _2, _3; TAIL_BEFORE_BREAKPOINT; TAIL_WITH_FIRST_BYTE; BREAKPOINT_BEFORE_SHOWN;
// HIDE_BEFORE_FIRST_BYTE; HIDE_BEFORE_SERIALISATION_3; RETURN_BEFORE_SERIALISATION_3; RESUME_OLD; those of the table.
#define BATCHES 2
#define note() rewound = planted
#define asked_again() skip
#include "fetch.inc"
#include "../checks.inc"
#include "../engine/breakpoint_table.inc"

#ifndef RUNS
#define RUNS 2
#endif

byte planted;        // breakpoints written

byte agreed;         // the batch whose first core serialisation has returned

// Properties.
bit mixed;           // an execution that began after that ran an older instruction
bit lost;            // a trap of ours is called foreign: the process would end
bit trap_after_all;  // an execution that began with no batch under way ran into our breakpoint
bit rewound_in_vain; // a thread that was sent back to the site found the same batch's breakpoint again

proctype core(byte me) {
  byte promised, agreed_on;   // commits that had returned as the execution began; `agreed`
  byte rewound = NONE;        // breakpoints planted when the handler found the whole instruction
  byte runs = 0;
  byte which, found, answer;
  do
  :: runs < RUNS ->
begins:
     skip;
     d_step { promised = returned; agreed_on = agreed };
     do
     :: d_step { decoded[me] == NOTHING && can_decode(me) ->
          decoded[me] = buffer[me].piece[0];
          CHECK(torn, decoded[me] == BREAKPOINT || tail_is(me, decoded[me])) }
     :: d_step { decoded[me] != NOTHING && decoded[me] != BREAKPOINT ->
          CHECK(stale, decoded[me] >= promised);
          CHECK(mixed, decoded[me] >= agreed_on);
          if :: rewound != NONE -> REACHED(a rewound thread ran the whole instruction) :: else fi;
          if :: promised == BATCHES -> REACHED(an execution after the last commit) :: else fi;
          if :: decoded[me] < begun -> REACHED(old code while a batch was under way) :: else fi;
          decoded[me] = NOTHING; rewound = NONE };
        break
     :: d_step { decoded[me] == BREAKPOINT ->
          CHECK(trap_after_all, begun > promised);
          CHECK(rewound_in_vain, rewound == NONE || planted > rewound);
          decoded[me] = NOTHING; rewound = NONE; answer = NONE };
        // trapped: held here for as long as it likes
        answer_of(true, memory[0] == BREAKPOINT);
        if
        :: d_step { answer == REWIND -> REACHED(a handler that comes when the batch is over); answer = NONE };
           goto begins
        :: d_step { answer == FOREIGN -> CHECK(lost, false) }
        :: d_step { else ->
             REACHED(a thread goes on at the new instruction);
             if :: answer == 2 && promised == 0 -> REACHED(a handler finds the next batch) :: else fi;
             CHECK(stale, answer >= promised);
             CHECK(mixed, answer >= agreed_on);
             answer = NONE };
           break
        fi
     od;
     runs++
  :: else -> break
  od
}

inline plant() {
  d_step { memory[0] = BREAKPOINT; planted++ }
}

inline write_tail(n) {
  memory[1] = n;
#if TAIL == 2
  memory[2] = n
#endif
}

active proctype writer() {
  bit emptied[CORES];
  bit now;
  byte n = 1;
  d_step { empty_buffer(0);
#if CORES == 2
    empty_buffer(1);
#endif
    view[0].open = 1 }
  atomic {
    run fetcher(0); run core(0);
#if CORES == 2
    run fetcher(1); run core(1);
#endif
  }
  do
  :: n <= BATCHES ->
     begun = n;
#ifdef BREAKPOINT_BEFORE_SHOWN
     plant();
#endif
     show_batch(n);                        // step 1
#ifdef TAIL_BEFORE_BREAKPOINT
     write_tail(n);
#endif
#ifndef BREAKPOINT_BEFORE_SHOWN
     plant();                        // step 2
#endif
#ifndef SKIP_SERIALISATION_1
     serialise();
#endif
     agreed = n;
#if !defined TAIL_BEFORE_BREAKPOINT && !defined TAIL_WITH_FIRST_BYTE
     write_tail(n);                  // step 3
#endif
#ifndef SKIP_SERIALISATION_2
     serialise();
#endif
#ifdef TAIL_WITH_FIRST_BYTE
     write_tail(n);
#endif
#ifdef HIDE_BEFORE_FIRST_BYTE
     hide_batch();
#endif
     memory[0] = n;                  // step 4
#ifdef HIDE_BEFORE_SERIALISATION_3
     hide_batch();
#endif
#ifdef RETURN_BEFORE_SERIALISATION_3
     returned = n;
#endif
#ifndef SKIP_SERIALISATION_3
     serialise();
#endif
#if !defined HIDE_BEFORE_FIRST_BYTE && !defined HIDE_BEFORE_SERIALISATION_3
     hide_batch();                         // step 5
#endif
     freed[n] = 1;
     returned = n;
     n++
  :: else -> break
  od
}
