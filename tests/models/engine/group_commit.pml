// Group commit: three threads commit one key at the same time, each a wanted state of its own.
//
// Mirrors engine/patch/group_commit.cpp (commit(), lead(), steps 1 to 3), engine/patch/commit_lock.{h,cpp} (steps 1 to 5 of a
// committer, a to c of a leader), engine/patch/queued_batch.h (push(), take_all()) and engine/patch/commit.cpp (commit_group(): plan,
// write, serialise, states, verdicts), one step an atomic operation. A batch lies on its thread's stack and ends when commit()
// returns. One core serialisation of all fails, if it likes (-DMAY_FAIL).
//
// What is asked of a commit that returned: a leader carried its batch out, once, after all earlier tickets, and from that moment
// no execution runs another state than the one that the group left; or, where it found nothing to do, the wanted state stood at
// a moment of the call, or another commit was complete during the call, before which this one is ordered. A state stands from the
// store to state_ that follows its core serialisation, until the next one, or until unserialised_ is set (docs/concurrency.md, "A
// commit without a lock").
//
// Assumes sequential consistency. Weaker than that in the code: the list's empty() and the guess of push() (the exchange checks
// it; a batch pushed too late to be seen finds a leader by the lock), waiting_ -= 1 (too high costs a wake-up), done and state_
// (release and acquire: one word, and what was written before it). GroupCommit.*, GroupStress.* under ThreadSanitizer are for those.
// Left out: tickets, several keys, failing plans. futex_wait() returns only when woken: more wake-ups only repeat steps.
//
// Mutants: LOSE_PUSH, NEXT_AFTER_DONE, LATEST_BATCH_FIRST, STATE_TOO_EARLY, IGNORE_UNSERIALISED, BLAME_ONE_BATCH,
// SKIP_SERIALISATION, LEAD_UNTIL_NONE_WAITS, WAKE_BEFORE_RELEASE, LOOK_BEFORE_COUNTING, REMEMBER_AFTER_LOOKING, SKIP_WAKE.
#include "../checks.inc"
#define COMMITTERS 3
#define NOBODY 9

// CommitLock
byte holder = NOBODY;
byte waiting;
byte releases;
bit asleep[COMMITTERS];
// WaitingBatches and QueuedBatch
byte last = NOBODY;
byte next[COMMITTERS];
bit done[COMMITTERS];
bit failed[COMMITTERS];       // the verdict
bit wanted[COMMITTERS];
// the key, its sites
bit state;
bit unserialised;
bit written;
// What executions that begin now may run: bit 0, old state 0; bit 1, state 1.
byte may_run = 1;
byte stands;                  // the state that stands; 2: none, a core serialisation failed
bit failures_left;

// What the model notes.
bit alive[COMMITTERS];        // the batch exists
bit looking[COMMITTERS];      // a commit in step 1
bit was_so[COMMITTERS];       // see above; of a batch that was carried out: its verdict holds
bit carried_out[COMMITTERS];
byte ticket[COMMITTERS];
byte tickets;

// Properties.
bit dead_batch;      // a leader looks at a batch that has ended
bit not_synced;      // commit() returned, and it does not hold what it promises
bit lost_batch;      // commit() returned and nobody has carried it out, or somebody twice
bit out_of_order;    // against ticket order
bit leads_again;     // a leader whose batch is done carries out another group

inline complete() {
  k = 0;
  do :: k < COMMITTERS -> if :: looking[k] -> was_so[k] = 1 :: else fi; k++ :: else -> break od;
  k = 0
}

// lock_unless(&done): `locked` says how it ended.
inline lock_unless_done() {
#ifndef LOOK_BEFORE_COUNTING
  waiting++;                                            // step 2
#endif
  do
  ::
#ifndef REMEMBER_AFTER_LOOKING
     seen = releases;                                   // step 3
#endif
     if :: done[_pid] -> break :: else fi;              // step 4
     if
     :: atomic { holder == NOBODY -> holder = _pid; locked = 1 }; break
     :: atomic { holder != NOBODY -> skip }
     fi;
#ifdef LOOK_BEFORE_COUNTING
     waiting++;
#endif
#ifdef REMEMBER_AFTER_LOOKING
     seen = releases;
#endif
     if                                                 // step 5
     :: d_step { releases == seen -> asleep[_pid] = 1; REACHED(sleeps) }; !asleep[_pid]; REACHED(woken)
     :: atomic { releases != seen -> skip }
     fi
  od;
  seen = 0;
  waiting--
}

inline unlock() {
#ifdef WAKE_BEFORE_RELEASE
  other = waiting;
  holder = NOBODY;                                      // step b
#else
  holder = NOBODY;
  other = waiting;                                      // step c
#endif
  if
  :: other != 0 ->
     releases++;
#ifndef SKIP_WAKE
     d_step { asleep[0] = 0; asleep[1] = 0; asleep[2] = 0 }
#endif
  :: else
  fi;
  other = 0
}

// lead(): `group` is this thread's batch, or NOBODY.
inline lead() {
  skip;
leads:
  if :: d_step { last == NOBODY -> batch = NOBODY }
#ifdef LOSE_PUSH
     :: last != NOBODY -> batch = last; last = NOBODY
#else
     :: d_step { last != NOBODY -> batch = last; last = NOBODY }
#endif
  fi;
#ifdef LATEST_BATCH_FIRST
  if :: batch != NOBODY && group == NOBODY -> group = batch; batch = NOBODY :: else fi;
#endif
  d_step { if :: group != NOBODY && ticket[group] == 0 -> tickets++; ticket[group] = tickets :: else fi };  // behind them
  do
  :: batch == NOBODY -> break
  :: else -> d_step { other = next[batch]; next[batch] = group; group = batch; batch = other; other = 0 }
  od;
  if
  :: group == NOBODY -> REACHED(leads when all is done)
  :: else -> commit_group()
  fi;
  batch = group;
  do
  :: batch == NOBODY -> break
  :: else ->
#ifndef NEXT_AFTER_DONE
     d_step { CHECK(dead_batch, alive[batch]); other = next[batch] };
     done[batch] = 1;
#else
     done[batch] = 1;
     d_step { CHECK(dead_batch, alive[batch]); other = next[batch] };
#endif
     batch = other; other = 0
  od;
  group = NOBODY;
#ifdef LEAD_UNTIL_NONE_WAITS
  if :: last != NOBODY -> goto leads :: else fi;
#endif
  unlock()
}

inline commit_group() {
  d_step {                                              // plan: in ticket order, the last one counts
    CHECK(leads_again, !led); led = 1;
    batch = group; other = 0;
    do
    :: batch != NOBODY ->
       CHECK(dead_batch, alive[batch]);
       CHECK(out_of_order, other < ticket[batch]); other = ticket[batch];
       CHECK(lost_batch, !carried_out[batch]); carried_out[batch] = 1;
       to = wanted[batch];
       if :: batch != group -> REACHED(a group of more than one) :: else fi;
       batch = next[batch]
    :: else -> break
    od;
    batch = NOBODY; other = 0; writes = (to != written) };
#ifdef STATE_TOO_EARLY
  state = to;
#endif
  d_step { written = to; may_run = may_run | (1 + to) };  // step 2
  if
  :: !writes && !unserialised -> skip
  :: else ->                                            // step 4
     if
     :: d_step { failures_left > 0 -> failures_left--; REACHED(a core serialisation fails) };
        d_step { unserialised = 1; stands = 2 };
        batch = group;
        do
        :: batch == NOBODY -> break
        :: else -> failed[batch] = 1;
#ifdef BLAME_ONE_BATCH
           break
#endif
           batch = next[batch]
        od;
        goto verdicts
     :: d_step { true ->
#ifndef SKIP_SERIALISATION
          may_run = 1 + written;
#endif
          CHECK(not_synced, may_run == 1 + written);
          skip }
     fi
  fi;
  d_step { state = to; stands = to; complete() };        // step 5
  unserialised = 0;
verdicts:
  skip;
  d_step {                                              // what a batch that succeeded may say from here on
    batch = group;
    do
    :: batch != NOBODY ->
       if :: !failed[batch] && stands == to -> was_so[batch] = 1 :: else fi;
       batch = next[batch]
    :: else -> break
    od;
    batch = NOBODY; to = 0; writes = 0 }
}

active [COMMITTERS] proctype committer() {
  byte k, seen, other, group = NOBODY, batch = NOBODY;
  bit locked, led, to, writes;
  if                              // threads are alike: one of each, and one that may be either
  :: _pid != 2 -> wanted[_pid] = 1 - _pid
  :: _pid == 2 -> wanted[_pid] = 0
  :: _pid == 2 -> wanted[_pid] = 1
  fi;
#ifdef MAY_FAIL
  if :: d_step { _pid == 0 -> failures_left = 1 } :: else fi;
#endif
  d_step { alive[_pid] = 1; looking[_pid] = 1; was_so[_pid] = (stands == wanted[_pid]) };
  if                                                    // step 1: is_complete()
  :: atomic { state == wanted[_pid] -> skip };
#ifdef IGNORE_UNSERIALISED
     if :: true ->
#else
     if :: !unserialised ->
#endif
           REACHED(nothing to do); goto returns
     :: else fi
  :: atomic { state != wanted[_pid] -> skip }
  fi;
  d_step { looking[_pid] = 0; was_so[_pid] = 0 };
  if
  :: d_step { holder == NOBODY -> holder = _pid; next[_pid] = NOBODY };  // step 2
     group = _pid
  :: atomic { holder != NOBODY -> skip };               // step 3
     do
     :: next[_pid] = last;
        if
        :: d_step { last == next[_pid] -> last = _pid; tickets++; ticket[_pid] = tickets }; break
        :: atomic { last != next[_pid] -> skip }
        fi
     od;
     lock_unless_done();
     if :: locked -> REACHED(a thread that waited leads) :: else -> REACHED(somebody else has done it); goto has_verdict fi
  fi;
  lead();
has_verdict:
  skip;
  d_step {
    CHECK(lost_batch, carried_out[_pid]);
    if :: failed[_pid] -> REACHED(a commit fails) :: else fi };
returns:
  skip;
  d_step {
    CHECK(not_synced, failed[_pid] || was_so[_pid]);
    alive[_pid] = 0; looking[_pid] = 0 }
}
