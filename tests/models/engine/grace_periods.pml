// Grace periods: two pieces of code are retired, one after the other's request or at the same time, while attached threads execute them.
//
// Mirrors engine/quiesce/thread_record.{h,cpp} (enter(), leave(), claim(), release_claim(), walk()) and
// engine/quiesce/{quiescence,driver}.cpp in the numbering of quiescence.h: register_request() (1), look() (2), want_unseen() and round()
// (3a to 3d), apply(), forget(), reached(), attach(), detach(). State is one atomic word: each of its operations is a step; what is
// done with Quiescence::lock_ held is one step, because nothing else is (no look and no commit is made with it held).
//
// A thread attaches, enters guest code, enters a piece whose site is not flipped, calls the host or passes a safepoint, returns (one thread
// does this twice), and detaches.
// A thread in guest code may go on for ever without coming to anything but a safepoint: so it waits for the safepoint key there.
// A piece's request comes when its flip is Synced: nobody enters it any more (../x86_64 is about that).
//
// Assumes sequential consistency. Weaker in the code: `wanted` and `state` where they are relaxed (a safepoint that misses `wanted` is
// passed again; the lock orders the rest). A driver's poll that would find nothing new is no step, so a wait for ever is seen.
// Left out: time limits, circles of waiters, threads that cannot be walked, fork. Tests: Quiescence suites under ThreadSanitizer.
//
// Mutants: SETTLED_IS_DRAINED, SKIP_HOST_FRAMES, SKIP_GUEST_THREADS, KEEP_ENDED_THREADS, SKIP_SAFEPOINT_FLIP, FLIP_AFTER_REQUEST,
// CLAIM_RELEASED_EARLY, RECORD_BY_LOAD (claim() by a load and a store), FREE_AT_ONCE.
#include "../checks.inc"
#define THREADS 2
#define AWAY 0
#define GUEST 1
#define CLAIMED 2
#define ENDED 3

byte where[THREADS];       // ThreadRecord::state
bit attached[THREADS];     // in Quiescence::threads_
bit wanted[THREADS];
byte frames[THREADS];      // the pieces in which the thread has a frame: bits 1 and 2
bit flipped[2];            // no site leads to the piece any more
bit requested[2];             // a request for it is registered
byte unseen[2];            // its threads, by bit
bit freed[2];
bit safepoint_key;

// Properties.
bit freed_under;           // a piece is freed while a thread has a frame in it
bit looked_at_moving;      // the frames of a thread are walked while it is in guest code

#define bit_of(n) (1 << (n))

// Lock held.
inline finish_if_seen(p) {
  if
  :: requested[p] && unseen[p] == 0 ->
     requested[p] = 0;
     freed[p] = 1;
     CHECK(freed_under, (frames[0] & bit_of(p)) == 0 && (frames[1] & bit_of(p)) == 0)
  :: else
  fi
}

// apply(record), with what walk() found.
inline apply(t, found) {
  wanted[t] = 0;
#ifdef SETTLED_IS_DRAINED
  unseen[0] = unseen[0] & (3 - bit_of(t)); unseen[1] = unseen[1] & (3 - bit_of(t));
#else
  if :: ((found) & 1) == 0 -> unseen[0] = unseen[0] & (3 - bit_of(t)) :: else -> REACHED(a frame in the old path) fi;
  if :: ((found) & 2) == 0 -> unseen[1] = unseen[1] & (3 - bit_of(t)) :: else fi;
#endif
  finish_if_seen(0);
  finish_if_seen(1)
}

// look(record)
inline look(t) {
  if
#ifdef RECORD_BY_LOAD
  :: where[t] == AWAY -> where[t] = CLAIMED;
#else
  :: d_step { where[t] == AWAY -> where[t] = CLAIMED };
#endif
     d_step {
       CHECK(looked_at_moving, where[t] == CLAIMED);
#ifdef SKIP_HOST_FRAMES
       walked = 0
#else
       walked = frames[t]
#endif
     };
#ifdef CLAIM_RELEASED_EARLY
     where[t] = AWAY;
#endif
     d_step { apply(t, walked); walked = 0 };
#ifndef CLAIM_RELEASED_EARLY
     where[t] = AWAY
#endif
  :: atomic { where[t] == GUEST || where[t] == ENDED ->
#ifdef SKIP_GUEST_THREADS
       d_step { apply(t, 0) }
#else
       skip
#endif
     }
  fi                               // CLAIMED: waits while somebody else looks
}

inline enter(t) {
  atomic { where[t] == AWAY -> where[t] = GUEST }
}

active [THREADS] proctype thread() {
  byte pieces = 0, p;
  attached[_pid] = 1;
  enter(_pid);
  do
  :: pieces < 2 - _pid ->                            // to a piece by its site, if that is not flipped
     pieces++;
     if
     :: d_step { !flipped[0] -> frames[_pid] = frames[_pid] | 1 }; p = 0
     :: d_step { !flipped[1] -> frames[_pid] = frames[_pid] | 2 }; p = 1
     :: true -> p = 2
     fi;
     if
     :: true -> where[_pid] = AWAY;                  // HostScope: blocks there
        enter(_pid)
     :: atomic { safepoint_key -> REACHED(a safepoint) };
        if                                           // reached()
        :: d_step { wanted[_pid] -> apply(_pid, frames[_pid]); REACHED(a thread looks at itself) }
        :: atomic { !wanted[_pid] -> skip }
        fi
     :: true
     fi;
     d_step {                                        // returns into the piece, and out of it
       if
       :: p < 2 -> CHECK(freed_under, !freed[p]); frames[_pid] = frames[_pid] & (3 - bit_of(p))
       :: else
       fi;
       p = 0 }
  :: pieces == 2 - _pid -> break
  od;
  if
  :: true -> skip;                                   // a loop that comes to safepoints alone
end: safepoint_key;
     if :: d_step { wanted[_pid] -> apply(_pid, frames[_pid]) } :: atomic { !wanted[_pid] -> skip } fi
  :: true
  fi;
  where[_pid] = ENDED;                               // detach(), in guest code already
  d_step {
#ifndef KEEP_ENDED_THREADS
    apply(_pid, 0);
#endif
    attached[_pid] = 0 }
}

inline retire(p) {
#ifndef FLIP_AFTER_REQUEST
  flipped[p] = 1;                                    // Synced
#endif
  d_step {                                           // step 1
    requested[p] = 1;
    if :: attached[0] && where[0] != ENDED -> unseen[p] = unseen[p] | 1 :: else fi;
    if :: attached[1] && where[1] != ENDED -> unseen[p] = unseen[p] | 2 :: else fi;
#ifdef FREE_AT_ONCE
    unseen[p] = 0;
#endif
    finish_if_seen(p) };
#ifdef FLIP_AFTER_REQUEST
  flipped[p] = 1;
#endif
  look(0);                                           // step 2
  look(1)
}

active proctype retires_first() { byte walked; retire(0) }
active proctype retires_second() { byte walked; retire(1) }

#define waits (requested[0] || requested[1])
#define is_unseen(t) (((requested[0] && (unseen[0] & bit_of(t))) || (requested[1] && (unseen[1] & bit_of(t)))))
#define can_poll(t) (wanted[t] && is_unseen(t) && where[t] == AWAY)
#define left(t) (wanted[t] && is_unseen(t))

active proctype driver() {
  byte walked;
  byte rounds = 0;
  do
  :: d_step { waits ->                               // step 3a
       wanted[0] = (is_unseen(0) -> 1 : wanted[0]);
       wanted[1] = (is_unseen(1) -> 1 : wanted[1]) };
     if :: atomic { can_poll(0) -> skip }; look(0) :: else fi;
     if :: atomic { can_poll(1) -> skip }; look(1) :: else fi;
     if
     :: left(0) || left(1) ->
#ifndef SKIP_SAFEPOINT_FLIP
        safepoint_key = 1;                           // step 3b
#endif
        do                                           // step 3c
        :: atomic { can_poll(0) -> skip }; look(0)
        :: atomic { can_poll(1) -> skip }; look(1)
        :: atomic { !left(0) && !left(1) -> skip }; break
        od;
        safepoint_key = 0;                           // step 3d
        REACHED(a round ends)
     :: else
     fi
  :: atomic { freed[0] && freed[1] -> REACHED(both are freed) }; break
  od
}
