/* shunt for C: switches in machine code, rewritten in batches under running threads.
 *
 * A patch site is one instruction, a no-op or a branch. A key owns many sites; a batch changes keys, and when its
 * commit returns, every execution of a site that starts later, on any thread, runs the new instruction.
 * docs/patching-protocol.md says what is promised, and the C++ headers beside this one what each call does in detail.
 *
 * Conventions. Handles are opaque; null handles are errors, except for the `destroy` functions, which then do nothing.
 * A call that can fail returns a shunt_status; on another than SHUNT_OK its results are untouched, nothing has changed
 * unless said, and shunt_error_message() has one line for people. Names, values and layouts stay as they are:
 * structures that may grow begin with `size`, which the caller sets to sizeof of it. Thread-safe unless said; whatever
 * writes code blocks (a lock, and a core serialisation of microseconds) and may not be called from signal handlers
 * unless said.
 */
#ifndef SHUNT_SHUNT_H
#define SHUNT_SHUNT_H

#include <stddef.h>
#include <stdint.h>

#define SHUNT_C_API __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif
/* This is C. NOLINTBEGIN(modernize-*) */

/* ------------------------------------------------------------------------------------------------------- errors */

typedef enum shunt_status {
  SHUNT_OK = 0,
  SHUNT_INVALID_ARGUMENT = 1,
  SHUNT_OUT_OF_MEMORY = 2,
  SHUNT_UNSUPPORTED = 3,
  SHUNT_EXPECTED_BYTES_MISMATCH = 4, /* a site does not hold what its record says; nothing was written */
  SHUNT_ILLEGAL_TRANSITION = 5,
  SHUNT_TARGET_OUT_OF_RANGE = 6,
  SHUNT_KEY_BELONGS_TO_OTHER_ENGINE = 7,
  SHUNT_KEY_HAS_SITES = 8,
  SHUNT_SERIALISATION_UNAVAILABLE = 9,
  SHUNT_SERIALISATION_FAILED = 10, /* written, but not promised; shunt_engine_resynchronise() tries again */
  SHUNT_CODE_MEMORY_UNAVAILABLE = 11,
  SHUNT_SYSTEM_CALL = 12,
  SHUNT_INSIDE_OLD_PATH = 13,
  SHUNT_TIMED_OUT = 14,
  SHUNT_INSIDE_COMMIT = 15, /* a signal handler interrupted a commit of this engine on this thread */
  SHUNT_KEY_HELD = 16,
  SHUNT_KEY_NOT_HELD = 17,
  SHUNT_KEY_COUNT_EXHAUSTED = 18,
  SHUNT_ASSUMPTION_BROKEN = 19,
  SHUNT_BREAKPOINTS_FORBIDDEN = 20,     /* a site of the host's text goes by breakpoints, which nobody has allowed */
  SHUNT_TRAP_HANDLER_REPLACED = 21,     /* SIGTRAP was set to its default action, or to be ignored */
  SHUNT_ALIAS_WRITES_NOT_EXECUTED = 22, /* an emulator; see allow_writable_code */
  SHUNT_OTHER = 99
} shunt_status;

/* The enumerator's name without its prefix, "ExpectedBytesMismatch" for instance. Never null. */
SHUNT_C_API const char* shunt_status_name(shunt_status status);

/* What was wrong with this thread's last call that did not return SHUNT_OK: the place and the remedy. Never null; valid
 * until this thread's next failing call. */
SHUNT_C_API const char* shunt_error_message(void);

/* ------------------------------------------------------------------------------------------------------- engine */

typedef struct shunt_engine shunt_engine;

typedef struct shunt_engine_options {
  size_t size;                  /* sizeof(shunt_engine_options) */
  size_t code_reservation;      /* bytes of address space; 64 KiB to 2 GiB; 0: as in <shunt/engine.h> */
  int anonymous_code;           /* code in anonymous memory, not in a memory file: what `perf` asks its map about */
  int strict;                   /* x86-64: every rewrite by breakpoints, as Intel's published text asks */
  int breakpoints_in_host_text; /* the embedder's word; see <shunt/engine.h> */
  uint32_t serialisation;       /* a shunt_serialisation */
  int serialisation_signal;     /* for signals: which one; 0: one that has no handler */
  uint32_t serialisation_timeout_ms; /* for signals; 0: the default */
  uint32_t flip_limit; /* a key that flips more often within a second thrashes, and is demoted if it can be; 0: none */
  int allow_writable_code; /* where nothing else works; gives up W^X; see <shunt/engine.h> */
} shunt_engine_options;

/* How other cores are made to fetch anew. */
typedef enum shunt_serialisation {
  SHUNT_SERIALISE_ANY = 0, /* membarrier, else signals */
  SHUNT_SERIALISE_MEMBARRIER = 1,
  SHUNT_SERIALISE_SIGNALS = 2
} shunt_serialisation;

/* The process's engine: made at first use, never destroyed. */
SHUNT_C_API shunt_status shunt_engine_process(shunt_engine** engine);

/* An engine of one's own. `options` may be null. All of its code must have ended before it is destroyed. */
SHUNT_C_API shunt_status shunt_engine_create(const shunt_engine_options* options, shunt_engine** engine);
SHUNT_C_API void shunt_engine_destroy(shunt_engine* engine);

typedef enum shunt_instruction_set { SHUNT_X86_64 = 0, SHUNT_ARM64 = 1 } shunt_instruction_set;

/* Of the code that this engine runs. */
SHUNT_C_API shunt_instruction_set shunt_engine_instruction_set(const shunt_engine* engine);

/* After SHUNT_SERIALISATION_FAILED: try again. Nothing to do is success. */
SHUNT_C_API shunt_status shunt_engine_resynchronise(shunt_engine* engine);

/* --------------------------------------------------------------------------------------------------------- keys */

typedef struct shunt_key shunt_key;

/* A boolean key (2 states) or a switch (up to 256), in state 0. The name is copied. A key belongs to the first engine
 * that it is used with. Destroying it leaves its sites as they are; no other thread may use it any more. */
SHUNT_C_API shunt_status shunt_key_create(const char* name, unsigned states, shunt_key** key);
SHUNT_C_API void shunt_key_destroy(shunt_key* key);

/* Counted references of a key of two states: the first switches it on, the last one off. While it has any, setting it
 * is refused (SHUNT_KEY_HELD). Between the first and the last: no lock. */
SHUNT_C_API shunt_status shunt_key_acquire(shunt_engine* engine, shunt_key* key);
SHUNT_C_API shunt_status shunt_key_release(shunt_engine* engine, shunt_key* key);

/* A fact that code depends on: sites of it fall through while it holds (state 0), and branch once it was invalidated,
 * for ever. Code with a site of a broken one is refused when it is published. */
SHUNT_C_API shunt_status shunt_assumption_create(const char* name, shunt_key** assumption);

/* A boolean key that is demoted while it is flipped more often than the engine's flip_limit: then its sites branch to
 * stubs of the embedder's, which load the word of the key, 0 or 1 (with acquire), and go where the site would. A flip
 * stores that word and rewrites nothing. Sites have three targets: on; the stub; the stub. The key ends after its code.
 * A calm key is promoted within two seconds or so, by the engine's own thread. */
SHUNT_C_API shunt_status shunt_demotable_key_create(const char* name, shunt_key** key);

/* The word that stubs load; null for another kind of key. */
SHUNT_C_API const uint32_t* shunt_demotable_key_word(const shunt_key* key);

/* Whether it is demoted now; 0 for another kind of key. Data, no synchronisation. */
SHUNT_C_API int shunt_key_demoted(const shunt_key* key);

/* Promotes now the demoted keys that had no flip for a second. */
SHUNT_C_API shunt_status shunt_promote_calm_keys(shunt_engine* engine);

/* A static call: a direct call whose function a batch replaces. Functions of any type, cast to this one; null: empty, a
 * no-op, only for calls without a result. */
typedef void (*shunt_function)(void);
SHUNT_C_API shunt_status shunt_call_create(const char* name, shunt_function function, shunt_key** call);

/* Where C calls go, after a cast back: once a batch has set another function than the first, a trampoline whose address
 * stays. */
SHUNT_C_API shunt_function shunt_call_entry(const shunt_key* call);

/* The state that the last completed batch gave to the sites: data, no synchronisation. Any thread, also signal
 * handlers. */
SHUNT_C_API unsigned shunt_key_state(const shunt_key* key);
SHUNT_C_API const char* shunt_key_name(const shunt_key* key);

/* ------------------------------------------------------------------------------------------------------ batches */

typedef struct shunt_batch shunt_batch;

typedef struct shunt_commit_report {
  size_t size; /* sizeof(shunt_commit_report) */
  uint64_t sites_written;
  uint64_t sites_unchanged; /* already as wanted */
  uint64_t generation;      /* counts the engine's commits that wrote something */
  uint32_t serialisations;
  const char* mechanism; /* of the core serialisation; "none" if nothing was written. A string literal */
  uint64_t check_ns, write_ns, maintenance_ns, serialise_ns;
  uint32_t batches; /* that shared this commit */
} shunt_commit_report;

/* One thread at a time. */
SHUNT_C_API shunt_status shunt_batch_create(shunt_engine* engine, shunt_batch** batch);
SHUNT_C_API void shunt_batch_destroy(shunt_batch* batch);

/* Queue; the last call for a key wins. */
SHUNT_C_API shunt_status shunt_batch_set(shunt_batch* batch, shunt_key* key, unsigned state);

/* Queue: the assumption breaks. */
SHUNT_C_API shunt_status shunt_batch_invalidate(shunt_batch* batch, shunt_key* assumption);

/* Queue: the call calls `function` from the commit on; null empties it. */
SHUNT_C_API shunt_status shunt_batch_set_call(shunt_batch* batch, shunt_key* call, shunt_function function);

/* Queue: from the commit on, state `state` (> 0) of the key's site at `site` branches to `target`. */
SHUNT_C_API shunt_status shunt_batch_retarget(shunt_batch* batch, shunt_key* key, const void* site, unsigned state,
                                              const void* target);

/* Rewrites all queued, all or nothing, and empties the batch. When it returns SHUNT_OK, no thread can start the old
 * path. `report` may be null. */
SHUNT_C_API shunt_status shunt_batch_commit(shunt_batch* batch, shunt_commit_report* report);

#define SHUNT_NO_LIMIT UINT64_MAX

/* What a commit promises, each more than the one before (docs/patching-protocol.md, docs/quiescence.md). */
typedef enum shunt_visibility {
  SHUNT_WRITTEN = 0,
  SHUNT_SYNCED = 1,  /* what shunt_batch_commit() gives */
  SHUNT_SETTLED = 2, /* and every attached thread has passed a safepoint since, or is away from guest code */
  SHUNT_DRAINED = 3  /* and none has a frame, a return address or a resume point in the old path */
} shunt_visibility;

/* The same, and waits until `wanted` holds: SHUNT_SYNCED, SHUNT_SETTLED or SHUNT_DRAINED. `limit_ns`: how long for,
 * SHUNT_NO_LIMIT, or SHUNT_TIMED_OUT comes after so many nanoseconds; the batch is committed then. */
SHUNT_C_API shunt_status shunt_batch_commit_until(shunt_batch* batch, shunt_visibility wanted, uint64_t limit_ns,
                                                  shunt_commit_report* report);

/* Queue: the old path that SHUNT_DRAINED waits for is what such calls name, and nothing else. Without them it is what
 * the keys' other states lead to. */
SHUNT_C_API shunt_status shunt_batch_old_path(shunt_batch* batch, const void* begin, size_t size);

/* A batch of one key. `report` may be null. */
SHUNT_C_API shunt_status shunt_set(shunt_engine* engine, shunt_key* key, unsigned state, shunt_commit_report* report);

/* ---------------------------------------------------------------------------- where a commit must not or cannot block
 */

typedef struct shunt_ticket shunt_ticket;

/* Queues the commit, for the engine's own thread or whoever commits next, and empties the batch. Does not block. Until
 * it is complete the keys must live. `ticket` may be null. */
SHUNT_C_API shunt_status shunt_batch_commit_async(shunt_batch* batch, shunt_visibility wanted, shunt_ticket** ticket);

/* Whether the commit is complete: what was asked for holds, or it failed. Does not block. */
SHUNT_C_API int shunt_ticket_is_complete(const shunt_ticket* ticket);

/* Blocks until it is; what shunt_batch_commit() would have returned. */
SHUNT_C_API shunt_status shunt_ticket_wait(const shunt_ticket* ticket, shunt_commit_report* report);

/* Calls `callback` once the commit is complete, on the engine's own thread, with no lock held; `report` is null unless
 * the status is SHUNT_OK, and shunt_error_message() then has the line. It may commit. */
SHUNT_C_API shunt_status shunt_ticket_then(const shunt_ticket* ticket,
                                           void (*callback)(void* argument, shunt_status status,
                                                            const shunt_commit_report* report),
                                           void* argument);
SHUNT_C_API void shunt_ticket_destroy(shunt_ticket* ticket); /* the commit is carried out all the same */

/* Records a wish, the last for a key wins: async-signal-safe, lock-free, from anywhere. The next commit, or the
 * engine's own thread if it runs, carries it out. 0 if the key belongs to another engine or has no such state. */
SHUNT_C_API int shunt_request(shunt_engine* engine, shunt_key* key, unsigned state);

/* Carries out now what was requested and what waits with a ticket. Blocks. Errors: the first of a request since the
 * last call. */
SHUNT_C_API shunt_status shunt_carry_out_requests(shunt_engine* engine);

/* Starts the engine's own thread. Nothing to do if it runs. */
SHUNT_C_API shunt_status shunt_start_service_thread(shunt_engine* engine);

/* --------------------------------------------------------------------------------------------------------- code */

typedef struct shunt_allocation {
  const uint8_t* rx; /* where the code will run */
  uint8_t* staging;  /* where to write it, until it is published or released */
  size_t size;
} shunt_allocation;

/* Code memory that nobody can reach yet: write the code to `staging`, then publish or release it. */
SHUNT_C_API shunt_status shunt_allocate(shunt_engine* engine, size_t size, shunt_allocation* allocation);
SHUNT_C_API void shunt_release_allocation(shunt_engine* engine, const shunt_allocation* allocation);

typedef enum shunt_site_form {
  SHUNT_TOGGLE = 0,       /* x86-64: test eax, imm32 <-> jmp rel32; clobbers the flags; one target */
  SHUNT_ALIGNED_WORD = 1, /* x86-64: NOP5 <-> JMP5 in one aligned word; arm64: NOP <-> B; any number of targets */
  SHUNT_UNALIGNED = 4     /* x86-64: NOP5 <-> JMP5 at any address, rewritten by breakpoints */
} shunt_site_form;

typedef struct shunt_site_bytes {
  uint8_t bytes[16];
  uint8_t length;
} shunt_site_bytes;

/* What a code generator writes where a site will be, `offset` bytes behind the code's first byte: the site in state 0.
 */
SHUNT_C_API shunt_site_bytes shunt_idle_site(const shunt_engine* engine, shunt_site_form form, uint32_t offset);

/* A site in code that is about to be published. Offsets count from the code's first byte. */
typedef struct shunt_new_site {
  shunt_key* key;
  uint32_t form; /* a shunt_site_form */
  uint32_t offset;
  const uint32_t* targets; /* one for each state above 0 */
  size_t target_count;
} shunt_new_site;

typedef struct shunt_code shunt_code;

/* Makes the written code reachable: its sites get their keys' current states, and when it returns, its address may be
 * handed to any thread. On error the allocation is released. Destroying code fills it with traps: no thread may be in
 * it. */
SHUNT_C_API shunt_status shunt_publish(shunt_engine* engine, const shunt_allocation* allocation,
                                       const shunt_new_site* sites, size_t site_count, shunt_code** code);
SHUNT_C_API void shunt_code_destroy(shunt_code* code);
SHUNT_C_API const void* shunt_code_address(const shunt_code* code, size_t offset);
SHUNT_C_API size_t shunt_code_size(const shunt_code* code);

/* -------------------------------------------------------------------------------------------- threads and waiting */

/* The attachment of the calling thread to an engine, for waiting until no thread is in old code. The same rules as in
 * <shunt/thread.h>: guest code passes safepoints, keeps frame pointers, and loads pointers into code that may be
 * retired only within a scope. To be detached by the same thread, outside of its scopes. `name` may be null. */
typedef struct shunt_thread shunt_thread;
SHUNT_C_API shunt_status shunt_thread_attach(shunt_engine* engine, const char* name, shunt_thread** thread);
SHUNT_C_API void shunt_thread_detach(shunt_thread* thread);

/* A scope lives in its function's frame and is ended there, in reverse order. */
typedef struct shunt_scope {
  uint64_t opaque[10];
} shunt_scope;

/* The thread may run guest code until the scope ends; its guest frames are those below `entry_mark`:
 * __builtin_frame_address(0). */
SHUNT_C_API void shunt_guest_begin(shunt_thread* thread, shunt_scope* scope, const void* entry_mark);
SHUNT_C_API void shunt_guest_end(shunt_scope* scope);

/* Where guest code stands still. */
typedef struct shunt_guest_frame {
  const void* resume_point;  /* where it goes on: in a function that it called, __builtin_return_address(0) */
  const void* stack_pointer; /* as it will be there */
  const void* frame_pointer; /* of the function that goes on there */
} shunt_guest_frame;

/* The thread is away from guest code, and may block, until the scope ends. */
SHUNT_C_API void shunt_host_begin(shunt_thread* thread, shunt_scope* scope, const shunt_guest_frame* frame);
SHUNT_C_API void shunt_host_end(shunt_scope* scope);

/* A safepoint of guest code in C. Emitted code has sites of the engine's safepoint key instead. */
SHUNT_C_API void shunt_safepoint(shunt_thread* thread, const shunt_guest_frame* frame);

typedef struct shunt_code_extent {
  const void* begin;
  size_t size; /* bytes */
} shunt_code_extent;

/* Blocks until every attached thread was seen at a safepoint or away from guest code (settle); and until none has a
 * frame, a return address or a resume point in the old path (drain). `limit_ns`: SHUNT_NO_LIMIT, or SHUNT_TIMED_OUT
 * comes after so many nanoseconds. Not in guest code: SHUNT_INSIDE_OLD_PATH or SHUNT_INVALID_ARGUMENT at once. */
SHUNT_C_API shunt_status shunt_settle(shunt_engine* engine, uint64_t limit_ns);
SHUNT_C_API shunt_status shunt_drain(shunt_engine* engine, const shunt_code_extent* old_path, size_t count,
                                     uint64_t limit_ns);

/* Frees code once it is drained, then calls `then(argument)` on a thread of the engine; `then` may be null. Nothing may
 * lead into the code any more. Does not wait. The handle ends with success; on error it is as it was. */
SHUNT_C_API shunt_status shunt_code_retire(shunt_engine* engine, shunt_code* code, void (*then)(void*), void* argument);

/* Blocks until everything retired before is freed. */
SHUNT_C_API shunt_status shunt_await_retired(shunt_engine* engine, uint64_t limit_ns);

/* ------------------------------------------------------------------------------------------------------- seeing */

typedef struct shunt_stats {
  size_t size;      /* sizeof(shunt_stats) */
  uint64_t commits; /* that succeeded and took the lock */
  uint64_t no_op_commits;
  uint64_t sites_written;
  uint64_t publications;
  uint64_t check_ns, write_ns, maintenance_ns, serialise_ns; /* of commits, by phase, summed up */
  uint64_t code_bytes_used, code_bytes_free;
  uint64_t keys, sites;     /* now */
  uint64_t times_thrashing; /* how often a key began to be flipped more often than flip_limit */
  uint64_t demotions, promotions;
  uint64_t data_flips; /* flips of demoted keys */
} shunt_stats;

SHUNT_C_API shunt_status shunt_engine_stats(const shunt_engine* engine, shunt_stats* stats);

/* The flip log: every site that commits write, in a ring of `capacity` records. Costs nothing while it is off. */
SHUNT_C_API shunt_status shunt_flip_log_start(shunt_engine* engine, size_t capacity);
SHUNT_C_API shunt_status shunt_flip_log_stop(shunt_engine* engine);

typedef struct shunt_flip_record {
  uint64_t number;     /* counts from 0 since the log was started */
  uint64_t time_ns;    /* CLOCK_MONOTONIC, when its batch began to write */
  uint64_t generation; /* of the commit, as in shunt_commit_report */
  const uint8_t* site;
  uint8_t length; /* bytes of the site's instruction */
  uint8_t before[15], after[15];
  char key[40]; /* its name, cut off if it is longer */
} shunt_flip_record;

/* Copies the log's latest records, at most `capacity`, in order. `count` becomes their number, `dropped` how many
 * earlier ones there were since the start; it may be null. */
SHUNT_C_API shunt_status shunt_flip_log_read(const shunt_engine* engine, shunt_flip_record* records, size_t capacity,
                                             size_t* count, uint64_t* dropped);

/* Who is told the names of code: perf, by a map (needs an engine with anonymous code) or by jitdump, and gdb.
 * Directories may be null: the defaults of <shunt/observe.h>. */
typedef struct shunt_observe_options {
  size_t size; /* sizeof(shunt_observe_options) */
  int perf_map, jitdump, gdb;
  const char* perf_map_directory;
  const char* jitdump_directory;
} shunt_observe_options;
SHUNT_C_API shunt_status shunt_observe(shunt_engine* engine, const shunt_observe_options* options);

/* Names `size` bytes of code from `offset`; a second call replaces the first. */
SHUNT_C_API shunt_status shunt_code_set_name(shunt_engine* engine, const shunt_code* code, uint32_t offset,
                                             uint32_t size, const char* name);

/* NOLINTEND(modernize-*) */
#ifdef __cplusplus
}
#endif

#endif
