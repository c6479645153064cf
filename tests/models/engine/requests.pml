// Requests: wishes recorded without a lock, on any thread and in signal handlers that interrupt a leader, or another request, at any point;
// and the engine's own thread, which carries them out.
//
// Mirrors engine/patch/requests.cpp (record(): steps 1 to 3 of a request; take_all(), done(): steps a to e of a leader),
// engine/patch/group_commit.cpp (is_complete(), carry_out(), lead(), as far as a request is concerned) and
// engine/service/service_thread.{h,cpp} (wake(): steps 2 and 3 of somebody who has work; work_until_stopped(): steps a to d), one step an
// atomic operation.
//
// A thread makes a commit and then a request of its own. A signal handler interrupts it before any of its steps, once, and makes a request:
// the thread stands still until the handler is done (`provided`). So the handler meets the leader with the lock held and without, and
// a request between any two of its steps. A second thread requests too, and then commits the same key. Two keys of two states.
//
// What is asked: when everybody is at rest, the key has the state of what came last, wish or commit, and nothing is left (a wake-up that
// is lost leaves it); a wish is not carried out after a commit that began after it; the handler never waits; a key is on the list once.
//
// Assumes sequential consistency. Weaker in the code: empty() is relaxed (who records one too late to be seen wakes the engine's own
// thread, by the sequentially consistent work_), the list's exchange acquires what the pushes released.
// Left out: batches that fail; the end of an engine and of a key; a commit that waits for a leader leads itself here.
//
// Mutants: WISH_TAKEN_LATE, LINK_READ_LATE, SKIP_WAKE, SLEEP_UNCHECKED, LOOK_BEFORE_WORK (the thread reads work_ after it looked at
// the list), PUSH_BY_STORE, REQUEST_BY_LOCK (the handler takes the commit lock), LEAVE_UNLISTED_WISH (no step c),
// OVERLOOK_UNLISTED_WISH (a commit without lock looks at pending_ alone), TAKE_MARK (step c takes the mark too).
#include "../checks.inc"
#define NO_KEY 9
#define NOBODY 9

byte wish[2];        // KeyBase::wish_: 0, or the state + 1;
bit mark[2];         // and wish_is_listed, which changes in the same step
byte pending[2];     // KeyBase::pending_
byte link[2];        // KeyBase::next_wish_
bit state[2];
byte latest = NO_KEY;
byte holder = NOBODY;
byte work;
bit sleeping;
bit asleep;

// What the model notes.
byte last_wish[2];   // the state + 1 that was wished last
byte phase;          // of OTHER's commit of key 0: to come, under way, over
byte wished_in;      // the phase in which key 0 was last requested
bit in_handler, handled;
byte threads_at_rest;

// Properties.
bit lost_wish;       // all is at rest, and a wish was not carried out
bit left_over;       // all is at rest, and something is still counted or listed
bit no_wish;         // a key is on the list that nobody marked
bit overtaken;       // a wish is carried out after a commit that began later

#define MAIN 0
#define OTHER 1
#define HANDLER 2
#define SERVICE 3

inline record(key, wanted) {
#ifdef REQUEST_BY_LOCK
  atomic { holder == NOBODY -> holder = _pid };
#endif
  d_step { had = mark[key]; mark[key] = 1; wish[key] = wanted + 1; last_wish[key] = wanted + 1;  // step 1
    if :: key == 0 -> wished_in = phase :: else -> skip fi };
  if
  :: had != 0 -> REACHED(there was a wish)
  :: else ->
     pending[key]++;
     do                                                                                  // step 2
     :: head = latest; link[key] = head;
#ifdef PUSH_BY_STORE
        latest = key; break
#else
        if
        :: d_step { latest == head -> latest = key }; break
        :: atomic { latest != head -> REACHED(a push is tried again) }
        fi
#endif
     od
  fi;
  had = 0; head = 0;
#ifdef REQUEST_BY_LOCK
  holder = NOBODY;
#endif
#ifndef SKIP_WAKE
  work++;                                                                                // step 3
  if :: atomic { sleeping -> asleep = 0 } :: atomic { !sleeping -> skip } fi
#endif
}

// Step c, for a key of the leader's batch.
inline take_unlisted(key) {
  if
  :: d_step { wish[key] == 0 -> skip }
  :: atomic { wish[key] != 0 -> REACHED(a wish that is not listed) };
     pending[key]++;
     d_step {
#ifdef TAKE_MARK
       mark[key] = 0;
#endif
       goal[key] = wish[key]; todo[key]++; wish[key] = 0; if :: key == 0 -> taken_in = wished_in :: else -> skip fi }
  fi
}

// lead(), with the lock held. `own`: with a batch that sets key 0 to 1.
inline lead(own) {
  d_step { taken = latest; latest = NO_KEY };                                         // step a
  do
  :: taken == NO_KEY -> break
  :: else ->
#ifndef LINK_READ_LATE
     following = link[taken];                                                         // step b
#endif
     d_step {
       CHECK(no_wish, mark[taken]);
       wanted_state = wish[taken];
       if :: taken == 0 && wanted_state != 0 -> taken_in = wished_in :: else fi;
#ifndef WISH_TAKEN_LATE
       wish[taken] = 0; mark[taken] = 0
#endif
     };
#ifdef LINK_READ_LATE
     following = link[taken];
#endif
     d_step {
       todo[taken]++;
       if :: wanted_state == 0 -> REACHED(a listed key whose wish was taken) :: else -> goal[taken] = wanted_state fi;
       taken = following; following = 0; wanted_state = 0 }
  od;
  skip;
#ifndef LEAVE_UNLISTED_WISH
  if :: own -> take_unlisted(0) :: else -> skip fi;                                              // step c
#endif
  d_step {                                                                               // step d
    CHECK(overtaken, goal[0] == 0 || taken_in != 0 || phase != 2);
    do :: i < 2 -> if :: goal[i] != 0 -> state[i] = goal[i] - 1 :: else fi; i++ :: else -> break od;
    i = 0; taken = 0; taken_in = 0;
    if :: own -> state[0] = 1 :: else fi };
  do
  :: i < 2 ->
     if
     :: todo[i] != 0 ->
#ifdef WISH_TAKEN_LATE
        d_step { wish[i] = 0; mark[i] = 0 };
#endif
        d_step { pending[i] = pending[i] - todo[i]; todo[i] = 0; goal[i] = 0 }           // step e
     :: else
     fi;
     i++
  :: else -> break
  od;
  i = 0;
  holder = NOBODY
}

active proctype main_thread() provided (!in_handler) {
  byte had, head, taken, following, wanted_state, taken_in, i;
  byte todo[2], goal[2];
  atomic { holder == NOBODY -> holder = _pid };
  lead(0);                        // of a commit that has nothing to do itself
  record(0, 1);
  threads_at_rest++
}

active proctype other_thread() {
  byte had, head, taken, following, wanted_state, taken_in, i;
  byte todo[2], goal[2];
  record(0, 0);
  phase = 1;
  if
#ifndef OVERLOOK_UNLISTED_WISH
  :: atomic { wish[0] != 0 -> wanted_state = 1 }
  :: d_step { wish[0] == 0 -> skip }
#else
  :: true
#endif
  fi;
  if
  :: d_step { wanted_state == 0 && pending[0] == 0 -> skip };
     if :: d_step { state[0] == 1 -> phase = 2; REACHED(a commit without lock) } :: d_step { state[0] != 1 -> skip } fi
  :: d_step { wanted_state != 0 || pending[0] != 0 -> skip }
  fi;
  wanted_state = 0;
  if
  :: d_step { phase == 2 -> skip }
  :: d_step { phase != 2 -> skip };
     atomic { holder == NOBODY -> holder = _pid };
     lead(1);
     phase = 2
  fi;
  threads_at_rest++
}

active proctype handler() {
  byte had, head;
  d_step { in_handler = 1; if :: holder == MAIN -> REACHED(interrupts the leader) :: else fi };
  if
  :: record(0, 0)
  :: record(1, 1)
  fi;
  in_handler = 0;
  threads_at_rest++
}

active proctype service() {
  byte seen, taken, following, wanted_state, taken_in, i;
  byte todo[2], goal[2];
  do
  ::
#ifndef LOOK_BEFORE_WORK
     seen = work;                                                                        // step a
#endif
     if                                                                                  // step b
     :: atomic { latest == NO_KEY -> skip }
     :: atomic { latest != NO_KEY -> skip }; atomic { holder == NOBODY -> holder = _pid }; lead(0)
     fi;
#ifdef LOOK_BEFORE_WORK
     seen = work;
#endif
     sleeping = 1;                                                                       // step c
     if                                                                                  // step d
#ifdef SLEEP_UNCHECKED
     :: true -> asleep = 1;
#else
     :: d_step { work == seen -> asleep = 1; REACHED(sleeps) };
#endif
end:    !asleep
#ifndef SLEEP_UNCHECKED
     :: atomic { work != seen -> REACHED(does not sleep) }
#endif
     fi;
     sleeping = 0
  od
}

// When nobody can do anything any more.
active proctype at_rest() {
  timeout ->
  d_step {
    CHECK(left_over, threads_at_rest == 3 && latest == NO_KEY && wish[0] == 0 && wish[1] == 0 && pending[0] == 0 && pending[1] == 0 &&
                     mark[0] == 0 && mark[1] == 0);
    CHECK(lost_wish, (wished_in == 1 || state[0] + 1 == (wished_in == 0 -> 2 : last_wish[0])) && (last_wish[1] == 0 || last_wish[1] == state[1] + 1));
    REACHED(all at rest) }
}
