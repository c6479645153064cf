// Sites that one store rewrites, while other cores execute them: opcode toggle and aligned word.
//
// Mirrors engine/patch/commit.cpp, Engine::Impl::apply_plan(): step 2, the store (engine/patch/protocol.h, write());
// step 3 is empty on x86-64; step 4, the core serialisation; then commit() returns.
//
//   (nothing)     TOGGLE: one byte changes, the tail always stands in place
//   -DWORD        all bytes change by one store, which memory takes whole
//   -DWORD_IS_WHOLE   and each core fetches the word whole. Without it a word is torn: expected.txt says so, and that is
//                 why Strict engines write words by breakpoints
//
// Mutants: SKIP_SERIALISATION, SERIALISE_BEFORE_WRITE, EARLY_RETURN, STORE_IN_HALVES.
//
// Two batches follow one another at once. What a core executes: fetch.inc.
#define TAIL 2
#include "fetch.inc"
#include "../checks.inc"

#ifdef WORD
#define tail_of(n) (n)
#else
#define tail_of(n) 0
#endif

proctype core(byte me) {
  byte promised, runs = 0;
  do
  :: runs < 3 ->
     promised = returned;  // an execution begins
     do
     :: d_step { decoded[me] == NOTHING && whole(me) ->
          decoded[me] = buffer[me].piece[0];
          CHECK(torn, tail_is(me, tail_of(decoded[me]))) }
     :: d_step { decoded[me] != NOTHING ->
          CHECK(stale, decoded[me] >= promised);
          if :: decoded[me] == 2 && promised == 0 -> REACHED(new code while its batch was under way) :: else fi;
          if :: decoded[me] < begun -> REACHED(old code while a batch was under way) :: else fi;
          if :: promised == 2 -> REACHED(an execution after the last commit) :: else fi;
          decoded[me] = NOTHING };
        break
     od;
     runs++
  :: else -> break
  od
}

inline store(n) {
#ifdef WORD
#ifdef STORE_IN_HALVES
  memory[0] = n;
  d_step { memory[1] = n; memory[2] = n }
#else
  d_step { memory[0] = n; memory[1] = n; memory[2] = n }
#endif
#else
  memory[0] = n
#endif
}

active proctype writer() {
  bit emptied[CORES];
  byte n = 1;
  d_step { empty_buffer(0);
#if CORES == 2
    empty_buffer(1);
#endif
  }
  atomic {
    run fetcher(0); run core(0);
#if CORES == 2
    run fetcher(1); run core(1);
#endif
  }
  do
  :: n <= 2 ->
     begun = n;
#ifdef EARLY_RETURN
     returned = n;
#endif
#ifdef SERIALISE_BEFORE_WRITE
     serialise();
#endif
     store(n);                      // step 2
#if !defined SERIALISE_BEFORE_WRITE && !defined SKIP_SERIALISATION
     serialise();                   // step 4
#endif
     returned = n;
     n++
  :: else -> break
  od
}
