/* What shunt adds to wasm.h, the C API of the WebAssembly community group: configuration, messages, feature flags,
 * evaluation contexts, interruption, tracing.
 *
 * Programs that use wasm.h alone need nothing of this. Conventions are wasm.h's; besides: a function that returns a
 * bool says with false that nothing has happened, and why by shunt_wasm_error_message(); where that is that cores could
 * not be serialised, a change of flags or contexts is in force, and the next one completes it. Engines may be used by
 * many threads at once, and so may what is declared so here; everything of a store belongs to one thread at a time.
 * docs/c-api.md.
 */
#ifndef SHUNT_RUNTIME_C_SHUNT_WASM_H
#define SHUNT_RUNTIME_C_SHUNT_WASM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wasm.h>

#ifdef __cplusplus
extern "C" {
#endif
/* This is C. NOLINTBEGIN(modernize-*) */

/* ----------------------------------------------------------------------------------------------------- messages */

/* Why this thread's last call of wasm.h or of this header failed: a null result, a trap, false. One line that names the
 * place and the remedy; "" if none has. Valid until this thread's next call that fails. */
const char* shunt_wasm_error_message(void);

/* Whether a guest was stopped from outside, and did not trap by itself. */
bool shunt_wasm_trap_is_interrupt(const wasm_trap_t* trap);

/* ------------------------------------------------------------------------------------------------ configuration */

/* What compiles functions; docs/tiers.md. */
typedef enum shunt_wasm_tier {
  SHUNT_WASM_BASELINE = 0,   /* the default: one pass, code at once */
  SHUNT_WASM_OPTIMISING = 1, /* all functions a second time, by LLVM, before wasm_module_new() returns */
  SHUNT_WASM_AUTO = 2        /* the functions that become hot, in the background */
} shunt_wasm_tier;

/* Whether this build has the tier. Without, modules cannot be loaded with it. */
bool shunt_wasm_has_tier(shunt_wasm_tier tier);

void shunt_wasm_config_set_tier(wasm_config_t* config, shunt_wasm_tier tier);

/* Whether guests can be interrupted while they compute (default: yes): a no-op at every loop's head and function's
 * entry. */
void shunt_wasm_config_set_interruptible(wasm_config_t* config, bool interruptible);

/* Whether calls of guests' functions can be traced (default: no): a no-op where a function is entered, and one in front
 * of each return. */
void shunt_wasm_config_set_traceable(wasm_config_t* config, bool traceable);

/* The process's engine, which <shunt/shunt.h> has by shunt_engine_process(), instead of one of its own. */
void shunt_wasm_config_use_process_engine(wasm_config_t* config);

/* How often a flag may change within a second before its sites load it as data instead (docs/flags.md). 0, the default:
 * as often as it likes. */
void shunt_wasm_config_set_flip_limit(wasm_config_t* config, uint32_t changes);

/* Of each store: bytes of guest stack (default 1 MiB), most bytes of each memory (4 GiB), most elements of all tables
 * together (10 million). */
void shunt_wasm_config_set_stack_bytes(wasm_config_t* config, size_t bytes);
void shunt_wasm_config_set_max_memory_bytes(wasm_config_t* config, uint64_t bytes);
void shunt_wasm_config_set_max_table_elements(wasm_config_t* config, uint64_t elements);

/* -------------------------------------------------------------------------------------------------- text format */

/* A module in the text format as its bytes, which `out` owns; empty on failure. */
bool shunt_wasm_assemble(const char* text, size_t length, wasm_byte_vec_t* out);

/* -------------------------------------------------------------------------------------------------------- flags */

/* Functions that a guest imports from the module "flags" are reads of the engine's feature flags; docs/flags.md says
 * how. They are patch sites, are not listed by wasm_module_imports(), and take no place in the imports that
 * wasm_instance_new() is given. When a call below has returned true, every guest of the engine on every thread sees the
 * new value at its next read. All are thread-safe, block for a commit, and may be called from callbacks. */

/* Replaces all definitions by those of a flagd document. `source` names it in messages. */
bool shunt_wasm_flags_load(wasm_engine_t* engine, const char* json, size_t length, const char* source);

/* The same from a file. */
bool shunt_wasm_flags_load_file(wasm_engine_t* engine, const char* path);

/* The same, and again for each new version of the file, until another one is watched or the engine ends. `changed`, if
 * not null, is called after each version but the first, on a thread of the library: with null, or with what is wrong
 * with it; the last good flags stay in force then. It must not watch, or delete the engine. */
typedef void (*shunt_wasm_flags_changed_t)(void* env, const char* error);
bool shunt_wasm_flags_watch_file(wasm_engine_t* engine, const char* path, shunt_wasm_flags_changed_t changed,
                                 void* env);

/* One flag's value, until definitions are loaded again. */
bool shunt_wasm_flag_set_bool(wasm_engine_t* engine, const char* key, bool value);
bool shunt_wasm_flag_set_int(wasm_engine_t* engine, const char* key, int64_t value);
bool shunt_wasm_flag_set_double(wasm_engine_t* engine, const char* key, double value);
bool shunt_wasm_flag_set_string(wasm_engine_t* engine, const char* key, const char* value);

/* -------------------------------------------------------------------------------------------- evaluation contexts */

/* Flags may have rules ("targeting") that decide for an evaluation context: a JSON object (docs/targeting.md).
 * `context` may be null, and `length` 0: none. */

/* The context of all guests of the engine. */
bool shunt_wasm_flags_set_context(wasm_engine_t* engine, const char* context, size_t length);

/* An instance whose own context has its members put over those of the engine's, from before its start function runs.
 * The rest as wasm_instance_new(). */
wasm_instance_t* shunt_wasm_instance_new_with_context(wasm_store_t* store, const wasm_module_t* module,
                                                      const wasm_extern_vec_t* imports, const char* context,
                                                      size_t length, wasm_trap_t** trap);

/* Another context for an instance. When it has returned true, every read of a flag by this instance that begins later
 * gives what the rules say for the new one; other instances are not affected. Any thread may call it, also while the
 * instance runs, as long as it has a handle. */
bool shunt_wasm_instance_set_context(wasm_instance_t* instance, const char* context, size_t length);

/* ------------------------------------------------------------------------------------------------- interruption */

/* Stops the guests of one store (docs/interruption.md). Any thread may use a handle, also after its store has ended:
 * then nothing happens. The functions that return bool may block for a commit; on false the request is made
 * nevertheless, and is seen by a guest at the latest when a callback returns. Not for signal handlers. */
typedef struct shunt_wasm_interrupt_t shunt_wasm_interrupt_t;
shunt_wasm_interrupt_t* shunt_wasm_interrupt_new(wasm_store_t* store); /* on the store's thread */
void shunt_wasm_interrupt_delete(shunt_wasm_interrupt_t* interrupt);

/* From now on guests of the store stop, with a trap whose message holds `reason` (null: "cancelled"): a call in
 * progress, and later ones, until cleared. */
bool shunt_wasm_interrupt_cancel(shunt_wasm_interrupt_t* interrupt, const char* reason);

/* Guests may run again; withdraws the deadline, too. */
bool shunt_wasm_interrupt_clear(shunt_wasm_interrupt_t* interrupt);

/* The same as to cancel, that many nanoseconds from now. One a store: a later one replaces the earlier. */
bool shunt_wasm_interrupt_set_deadline(shunt_wasm_interrupt_t* interrupt, uint64_t nanoseconds);

/* The store's yield function is called once at its guest's next site; if no guest runs, when the next call begins. */
bool shunt_wasm_interrupt_request_yield(shunt_wasm_interrupt_t* interrupt);

/* Calls that were stopped, and yields that were served, since the store was made. */
uint64_t shunt_wasm_interrupt_stops(const shunt_wasm_interrupt_t* interrupt);
uint64_t shunt_wasm_interrupt_yields(const shunt_wasm_interrupt_t* interrupt);

/* What a yield does, on the guest's thread; may call guests of the store. A trap, which the library then owns, stops
 * the guest. Null: nothing is called. Not while a guest of the store runs. `finalizer`, if not null, is called with
 * `env` when the function is replaced or the store ends. */
typedef wasm_trap_t* (*shunt_wasm_yield_t)(void* env);
void shunt_wasm_store_on_yield(wasm_store_t* store, shunt_wasm_yield_t function, void* env, void (*finalizer)(void*));

/* ------------------------------------------------------------------------------------------------------ tracing */

/* Records which functions of guests are called, when, and on which thread (docs/tracing.md). Modules are traceable if
 * their engine's configuration said so. A trace is thread-safe, except for its end; its functions block for up to two
 * commits. It keeps the modules' engine. `max_bytes` of recorded events are kept, 24 bytes each, two a call; then new
 * ones take the place of the oldest. 0: 64 MiB. */
typedef struct shunt_wasm_trace_t shunt_wasm_trace_t;
shunt_wasm_trace_t* shunt_wasm_trace_new(wasm_engine_t* engine, size_t max_bytes);
void shunt_wasm_trace_delete(shunt_wasm_trace_t* trace); /* stops it */

/* From now on the functions of the module that match one of the `count` patterns are traced, and no others of it: names
 * that the module gives them, of their exports or their import, or func[12]; * stands for any characters, ? for one.
 * `functions`, if not null, gets their number. False if a pattern matches none; without patterns nothing of the module
 * is traced. */
bool shunt_wasm_trace_begin(shunt_wasm_trace_t* trace, const wasm_module_t* module, const char* const* patterns,
                            size_t count, size_t* functions);

/* From now on nothing is traced; what was recorded is kept. */
bool shunt_wasm_trace_stop(shunt_wasm_trace_t* trace);

/* Writes what was recorded as JSON in Chrome's trace event format, for Perfetto (ui.perfetto.dev) and chrome://tracing:
 * to a file, or into a vector that the caller owns. May be called while guests run, and again. */
bool shunt_wasm_trace_write_file(const shunt_wasm_trace_t* trace, const char* path);
bool shunt_wasm_trace_write(const shunt_wasm_trace_t* trace, wasm_byte_vec_t* out);

/* What is recorded: events that are kept, and that were given up or had no room. */
uint64_t shunt_wasm_trace_events(const shunt_wasm_trace_t* trace);
uint64_t shunt_wasm_trace_lost(const shunt_wasm_trace_t* trace);

/* NOLINTEND(modernize-*) */
#ifdef __cplusplus
}
#endif
#endif
