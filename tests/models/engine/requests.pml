// Requests: wishes recorded without a lock, on any thread and in signal handlers that interrupt a leader, or another request, at any point;
// and the engine's own thread, which carries them out.
//
// Mirrors engine/patch/requests.cpp (record(): steps 1 to 3 of a request; take_all(), done(): steps a to d of a leader),
// engine/patch/group_commit.cpp (carry_out(), lead(), as far as a request is concerned) and engine/service/service_thread.{h,cpp} (wake():
// steps 2 and 3 of somebody who has work; work_until_stopped(): steps a to d), one step an atomic operation.
//
// A thread makes a commit and then a request of its own. A signal handler interrupts it before any of its steps, once, and makes a request:
// the thread stands still until the handler is done (`provided`). So the handler meets the leader with the lock held and without, and
// a request between any two of its steps. A second thread requests too. Two keys of two states.
//
// What is asked: when everybody is at rest, the key has the state of the last wish, and nothing is left (a wake-up that is lost
// leaves it); the handler never waits; a key is on the list once.
//
// Assumes sequential consistency. Weaker in the code: empty() is relaxed (who records one too late to be seen wakes the engine's own
// thread, by the sequentially consistent work_), the list's exchange acquires what the pushes released.
// Left out: batches that fail; the end of an engine and of a key.
//
// Mutants: WISH_TAKEN_LATE, LINK_READ_LATE, SKIP_WAKE, SLEEP_UNCHECKED, LOOK_BEFORE_WORK (the thread reads work_ after it looked at
// the list), PUSH_BY_STORE, REQUEST_BY_LOCK (the handler takes the commit lock).
#include "../checks.inc"
#define NO_KEY 9
#define NOBODY 9

byte wish[2];        // KeyBase::wish_: 0, or the state + 1
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
bit in_handler, handled;
byte threads_at_rest;

// Properties.
bit lost_wish;       // all is at rest, and a wish was not carried out
bit left_over;       // all is at rest, and something is still counted or listed
bit no_wish;         // a leader takes a key that has no wish

#define MAIN 0
#define OTHER 1
#define HANDLER 2
#define SERVICE 3

inline record(key, wanted) {
#ifdef REQUEST_BY_LOCK
  atomic { holder == NOBODY -> holder = _pid };
#endif
  d_step { had = wish[key]; wish[key] = wanted + 1; last_wish[key] = wanted + 1 };       // step 1
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

// lead(), with the lock held.
inline lead() {
  if
  :: d_step { latest == NO_KEY -> skip }
  :: atomic { latest != NO_KEY -> skip };
     d_step { taken = latest; latest = NO_KEY };                                         // step a
     do
     :: taken == NO_KEY -> break
     :: else ->
#ifndef LINK_READ_LATE
        following = link[taken];                                                         // step b
#endif
        d_step {
          CHECK(no_wish, wish[taken] != 0);
          wanted_state = wish[taken] - 1;
#ifndef WISH_TAKEN_LATE
          wish[taken] = 0
#endif
        };
#ifdef LINK_READ_LATE
        following = link[taken];
#endif
        d_step { todo[taken] = 1; goal[taken] = wanted_state; taken = following; following = 0; wanted_state = 0 }
     od;
     skip;
     d_step { i = 0; do :: i < 2 -> if :: todo[i] -> state[i] = goal[i] :: else fi; i++ :: else -> break od; i = 0 };  // step c
     do
     :: i < 2 ->
        if
        :: todo[i] ->
#ifdef WISH_TAKEN_LATE
           wish[i] = 0;
#endif
           d_step { pending[i]--; todo[i] = 0; goal[i] = 0 }                             // step d
        :: else
        fi;
        i++
     :: else -> break
     od;
     i = 0; taken = 0
  fi;
  holder = NOBODY
}

active proctype main_thread() provided (!in_handler) {
  byte had, head, taken, following, wanted_state, i;
  bit todo[2], goal[2];
  atomic { holder == NOBODY -> holder = _pid };
  lead();                         // of a commit that has nothing to do itself
  record(0, 1);
  threads_at_rest++
}

active proctype other_thread() {
  byte had, head;
  record(0, 0);
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
  byte seen, taken, following, wanted_state, i;
  bit todo[2], goal[2];
  do
  ::
#ifndef LOOK_BEFORE_WORK
     seen = work;                                                                        // step a
#endif
     if                                                                                  // step b
     :: atomic { latest == NO_KEY -> skip }
     :: atomic { latest != NO_KEY -> skip }; atomic { holder == NOBODY -> holder = _pid }; lead()
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
    CHECK(left_over, threads_at_rest == 3 && latest == NO_KEY && wish[0] == 0 && wish[1] == 0 && pending[0] == 0 && pending[1] == 0);
    CHECK(lost_wish, last_wish[0] == state[0] + 1 && (last_wish[1] == 0 || last_wish[1] == state[1] + 1));
    REACHED(all at rest) }
}
