// How an x86-64 core fetches the bytes of one site, as weak as the manuals leave it and weaker.
//
//   - Each core has a fetch buffer. Any piece of it may be filled from memory, or filled anew, at any time: pieces of one
//     instruction may be of very different age (fetcher()).
//   - A single byte is always fetched whole. An aligned word is fetched whole too where WORD_IS_WHOLE is defined: AMD
//     promises it (APM vol. 2, "Cross-Modifying Code"), Intel does not.
//   - Nothing but a serialising event empties the buffer (empty_buffer()). Taking a trap and returning from it do not,
//     although IRET does: the protocol shall not need it.
//   - A decoded instruction may be held back for as long as it likes before it is executed. A serialising event sends the core
//     back to fetch it again, or comes after it (SDM vol. 3, "Serializing Instructions": all that came before is complete,
//     nothing that comes after was fetched).
//   - membarrier(SYNC_CORE) is a serialising event on each core, in any order, each at some moment between call and
//     return (serialise()).
//
// A thread is a core: what the kernel executes when it moves a thread to another core serialises, which only adds events.
// Memory is sequentially consistent. x86-64 lets a load overtake an older store, which no step here rests on: a writer's stores
// stay in order, and are visible before the call of membarrier returns.
//
// The instruction of the n-th batch has n in all its bytes, so bytes of two batches are never equal by chance, and a stale
// instruction cannot hide behind one that has come back.

#define BREAKPOINT 8  // the byte INT3
#define EMPTY 9       // a piece of a buffer
#define BYTES (1 + TAIL)

byte memory[BYTES];

typedef Buffer { byte piece[BYTES] };
Buffer buffer[CORES];

#define NOTHING 9
byte decoded[CORES] = NOTHING;  // the first byte of what is decoded and not yet executed

byte returned;  // commits that have returned
byte begun;     // batches that have begun

// Properties.
bit torn;   // somebody executed bytes of two instructions as one
bit stale;  // an execution that began after a commit returned ran an older instruction

inline fill(core, at) {
#ifdef WORD_IS_WHOLE
  d_step {
    i = 0;
    do :: i < BYTES -> buffer[core].piece[i] = memory[i]; i++ :: else -> break od;
    i = 0
  }
#else
  buffer[core].piece[at] = memory[at]
#endif
}

proctype fetcher(byte core) {
#ifdef WORD_IS_WHOLE
  byte i;
#endif
end:
  do
  :: fill(core, 0)
#ifndef WORD_IS_WHOLE
  :: fill(core, 1)
#if TAIL == 2
  :: fill(core, 2)
#endif
#endif
  od
}

inline empty_buffer(core) {
  buffer[core].piece[0] = EMPTY;
  buffer[core].piece[1] = EMPTY;
#if TAIL == 2
  buffer[core].piece[2] = EMPTY;
#endif
  decoded[core] = NOTHING
}

#if TAIL == 2
#define whole(core) (buffer[core].piece[0] != EMPTY && buffer[core].piece[1] != EMPTY && buffer[core].piece[2] != EMPTY)
#define tail_is(core, n) (buffer[core].piece[1] == (n) && buffer[core].piece[2] == (n))
#else
#define whole(core) (buffer[core].piece[0] != EMPTY && buffer[core].piece[1] != EMPTY)
#define tail_is(core, n) (buffer[core].piece[1] == (n))
#endif

// A core decodes INT3 from its first byte alone.
#define can_decode(core) (buffer[core].piece[0] == BREAKPOINT || whole(core))

// membarrier. The flags are local to the writer.
inline serialise() {
  emptied[0] = 0;
#if CORES == 2
  emptied[1] = 0;
#endif
  do
  :: atomic { !emptied[0] -> d_step { empty_buffer(0); emptied[0] = 1 } }
#if CORES == 2
  :: atomic { !emptied[1] -> d_step { empty_buffer(1); emptied[1] = 1 } }
  :: emptied[0] && emptied[1] -> break
#else
  :: emptied[0] -> break
#endif
  od
}
