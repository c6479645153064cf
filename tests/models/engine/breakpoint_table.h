// The table in which the SIGTRAP handler looks up the batch in flight: engine/trap/breakpoint_table.cpp, one slot of it, step
// by step: each atomic operation of the code is a step of its own; a compare-exchange loop is one step, because a failed
// exchange changes nothing and is tried again.
//
// An engine's batch is one site; which batch a view shows is its number, 0 is none. What the slot's second word (where code
// lies) says never changes here.
// asked_again(): and when it asks once more.
//
// Mutants: LEAVE_READERS (close_and_wait() does not wait), OPEN_BEFORE_FILLED, CLOSE_BEFORE_SHOWN, SKIP_ENTRY (a reader does not
// count itself), SKIP_REWIND, SKIP_STAYS (no second look at what is shown).

typedef View {
  byte batch;     // View::sites
  bit filling;    // the writer changes `batch` at this moment
  bit open;       // View::state_, its highest bit
  byte readers;   // and the rest
};
View view[2];
bit shown;        // Slot::shown
bit freed[BATCHES + 1];  // the memory of a batch's sites

// Properties.
bit freed_is_read;      // a reader looks at a batch whose memory is used again
bit half_filled;        // a reader looks at a view that is being filled in

// The writer: engine's commit lock held. `now` is local to it.
inline fill_in(v, n) {
  view[v].filling = 1;
  view[v].batch = n;
  view[v].filling = 0
}

inline close_and_wait(v) {
  view[v].open = 0;
#ifndef LEAVE_READERS
  view[v].readers == 0
#endif
}

// show_view()
inline show_view(v) {
#ifdef CLOSE_BEFORE_SHOWN
  close_and_wait(1 - (v));
#endif
#ifndef OPEN_BEFORE_FILLED
  view[v].open = 1;
#endif
  shown = v;
#ifndef CLOSE_BEFORE_SHOWN
  close_and_wait(1 - (v))
#endif
}

// BreakpointEntry::show()
inline show_batch(n) {
  now = shown;
#ifdef OPEN_BEFORE_FILLED
  view[1 - now].open = 1;
#endif
  fill_in(1 - now, n);
  show_view(1 - now);
  fill_in(now, 0)
}

// BreakpointEntry::hide()
inline hide_batch() {
  now = shown;
#ifdef OPEN_BEFORE_FILLED
  view[1 - now].open = 1;
#endif
  show_view(1 - now);
  fill_in(now, 0)
}

// A reader's answer: a batch's number is "resume at its new instruction".
#define FOREIGN 100
#define REWIND 101
#define NONE 102

// answer_of(). `which`, `found`, `answer` are local to the reader. `holds`: our site is at the address. `stands`: the byte at the
// address is INT3. note(): what the model notes when that byte was read.
inline answer_of(holds, stands) {
  do
  :: which = shown;
     if
     :: atomic { view[which].open -> 
#ifndef SKIP_ENTRY
          view[which].readers++
#endif
        };
        d_step {
          CHECK(half_filled, !view[which].filling);
          found = view[which].batch
        };
        if
        :: holds && found != 0 ->
           d_step {
             CHECK(freed_is_read, !freed[found]);   // site->resumption()
#ifdef RESUME_OLD
             answer = found - 1;
#else
             answer = found;
#endif
             found = 0
           }
        :: else ->
           found = 0;
           if
#ifndef SKIP_REWIND
           :: d_step { !(stands) -> answer = REWIND; note() }
#else
           :: d_step { !(stands) -> answer = FOREIGN }
#endif
           :: d_step { (stands) -> answer = FOREIGN };
#ifndef SKIP_STAYS
              if :: shown == which :: else -> answer = NONE fi
#endif
           fi
        fi;
#ifndef SKIP_ENTRY
        view[which].readers--;
#endif
        if :: answer != NONE -> break :: else -> asked_again() fi
     :: else -> REACHED(the view was closed before it was entered)
     fi
  od;
  which = 0
}
