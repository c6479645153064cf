/* One module in a store of each thread, while flags change under all of them; and guests stopped from outside. */
#include <pthread.h>
#include <stdatomic.h>

#include "tests/runtime/capi/check.h"

enum { threads = 4, rounds = 25 };

static const char* const counter =
    "(module (import \"\" \"seen\" (func $seen (param i32))) (import \"\" \"id\" (global $id i32))"
    " (import \"flags\" \"bonus\" (func $bonus (result i32)))"
    " (func (export \"run\") (result i32) (call $seen (global.get $id))"
    "  (i32.add (global.get $id) (call $bonus))))";

typedef struct worker {
  wasm_engine_t* engine;
  const wasm_shared_module_t* module;
  int id, seen;
} worker;

static wasm_trap_t* see(void* env, const wasm_val_vec_t* arguments, wasm_val_vec_t* results) {
  (void)results;
  worker* self = env;
  CHECK(arguments->data[0].of.i32 == self->id);
  ++self->seen;
  return NULL;
}

static void* work(void* argument) {
  worker* self = argument;
  wasm_store_t* store = wasm_store_new(self->engine);
  wasm_module_t* module = wasm_module_obtain(store, self->module);
  for (int i = 0; i < rounds; ++i) {
    wasm_functype_t* type = wasm_functype_new_1_0(wasm_valtype_new_i32());
    wasm_func_t* func = wasm_func_new_with_env(store, type, see, self, NULL);
    wasm_functype_delete(type);
    wasm_globaltype_t* global_type = wasm_globaltype_new(wasm_valtype_new_i32(), WASM_CONST);
    wasm_val_t id = WASM_I32_VAL(self->id);
    wasm_global_t* global = wasm_global_new(store, global_type, &id);
    wasm_globaltype_delete(global_type);
    wasm_extern_t* items[] = {wasm_func_as_extern(func), wasm_global_as_extern(global)};
    wasm_extern_vec_t imports = WASM_ARRAY_VEC(items);
    wasm_instance_t* instance = wasm_instance_new(store, module, &imports, NULL);
    CHECK(instance != NULL);
    wasm_extern_vec_t exports = exports_of(instance);
    const int32_t result = call_i32(func_at(&exports, 0), 0);
    CHECK(result == self->id || result == self->id + 1000);
    wasm_extern_vec_delete(&exports);
    wasm_instance_delete(instance);
    wasm_func_delete(func);
    wasm_global_delete(global);
  }
  wasm_module_delete(module);
  wasm_store_delete(store);
  return NULL;
}

static void shared_code(wasm_engine_t* engine) {
  wasm_store_t* store = wasm_store_new(engine);
  wasm_module_t* module = module_of(store, counter);
  wasm_shared_module_t* shared = wasm_module_share(module);
  wasm_module_delete(module);
  wasm_store_delete(store);
  pthread_t running[threads];
  worker workers[threads];
  for (int i = 0; i < threads; ++i) {
    workers[i] = (worker){.engine = engine, .module = shared, .id = i, .seen = 0};
    CHECK(pthread_create(&running[i], NULL, work, &workers[i]) == 0);
  }
  for (int i = 0; i < 20; ++i) CHECK(shunt_wasm_flag_set_int(engine, "bonus", i % 2 == 0 ? 1000 : 0));
  for (int i = 0; i < threads; ++i) {
    CHECK(pthread_join(running[i], NULL) == 0);
    CHECK(workers[i].seen == rounds);
  }
  wasm_shared_module_delete(shared);
}

/* A guest without end, in two blocks: an emulator never leaves a loop that is one. */
static const char* const endless =
    "(module (import \"\" \"begun\" (func $begun)) (global $n (mut i32) (i32.const 0))"
    " (func (export \"run\") (result i32) (call $begun)"
    "  (loop $l (if (global.get $n) (then (global.set $n (i32.const 0))) (else (global.set $n (i32.const 1)))) (br $l))"
    "  (i32.const 0))"
    " (func (export \"short\") (result i32) (i32.const 5)))";

static atomic_bool begun;

static wasm_trap_t* tell(const wasm_val_vec_t* arguments, wasm_val_vec_t* results) {
  (void)arguments;
  (void)results;
  atomic_store(&begun, true);
  return NULL;
}

static void* cancel_when_begun(void* interrupt) {
  while (!atomic_load(&begun)) sched_yield();
  CHECK(shunt_wasm_interrupt_cancel(interrupt, "the user went away"));
  return NULL;
}

static void* yield_when_begun(void* interrupt) {
  while (!atomic_load(&begun)) sched_yield();
  CHECK(shunt_wasm_interrupt_request_yield(interrupt));
  return NULL;
}

typedef struct yielding {
  wasm_store_t* store;
  int yields, finalized;
} yielding;

static wasm_trap_t* stop_at_yield(void* env) {
  yielding* self = env;
  ++self->yields;
  wasm_message_t message;
  wasm_name_new_from_string_nt(&message, "enough");
  wasm_trap_t* trap = wasm_trap_new(self->store, &message);
  wasm_name_delete(&message);
  return trap;
}

static void yield_ended(void* env) {
  ++((yielding*)env)->finalized;
}

static void interruption(wasm_engine_t* engine) {
  wasm_store_t* store = wasm_store_new(engine);
  wasm_functype_t* type = wasm_functype_new_0_0();
  wasm_func_t* func = wasm_func_new(store, type, tell);
  wasm_functype_delete(type);
  wasm_extern_t* imports[] = {wasm_func_as_extern(func)};
  wasm_extern_vec_t exports = exports_of_text(store, endless, imports, 1);
  wasm_func_delete(func);
  shunt_wasm_interrupt_t* interrupt = shunt_wasm_interrupt_new(store);
  pthread_t other;
  wasm_trap_t* trap;

  CHECK(pthread_create(&other, NULL, cancel_when_begun, interrupt) == 0);
  char* text = call_trapped(func_at(&exports, 0), NULL, 0, &trap);
  CHECK_CONTAINS(text, "interrupted: the user went away");
  CHECK(shunt_wasm_trap_is_interrupt(trap));
  CHECK(pthread_join(other, NULL) == 0);
  free(text);
  wasm_trap_delete(trap);
  check_trap(func_at(&exports, 1), NULL, 0, "the user went away"); /* until cleared */
  CHECK(shunt_wasm_interrupt_clear(interrupt));
  CHECK(call_i32(func_at(&exports, 1), 0) == 5);

  CHECK(shunt_wasm_interrupt_set_deadline(interrupt, 1000000));
  free(call_trapped(func_at(&exports, 0), NULL, 0, &trap));
  CHECK(shunt_wasm_trap_is_interrupt(trap));
  wasm_trap_delete(trap);
  CHECK(shunt_wasm_interrupt_clear(interrupt));
  CHECK(shunt_wasm_interrupt_set_deadline(interrupt, UINT64_MAX)); /* never */
  CHECK(shunt_wasm_interrupt_clear(interrupt));
  CHECK(shunt_wasm_interrupt_stops(interrupt) >= 2);

  yielding state = {.store = store, .yields = 0, .finalized = 0};
  shunt_wasm_store_on_yield(store, stop_at_yield, &state, yield_ended);
  atomic_store(&begun, false);
  CHECK(pthread_create(&other, NULL, yield_when_begun, interrupt) == 0);
  check_trap(func_at(&exports, 0), NULL, 0, "enough");
  CHECK(pthread_join(other, NULL) == 0);
  CHECK(state.yields == 1 && shunt_wasm_interrupt_yields(interrupt) == 1);

  wasm_extern_vec_delete(&exports);
  wasm_store_delete(store);
  CHECK(state.finalized == 1);
  CHECK(shunt_wasm_interrupt_cancel(interrupt, NULL)); /* nobody is left */
  shunt_wasm_interrupt_delete(interrupt);
}

int main(void) {
  wasm_engine_t* engine = wasm_engine_new();
  shared_code(engine);
  interruption(engine);
  wasm_engine_delete(engine);
  return 0;
}
