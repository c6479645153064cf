/* Instances with evaluation contexts of their own. */
#include <pthread.h>
#include <stdatomic.h>

#include "tests/runtime/capi/check.h"

static const char* const guest =
    "(module (import \"flags\" \"on\" (func $on (result i32))) (import \"flags\" \"size\" (func $size (result i64)))"
    " (global $seen (mut i32) (i32.const -1)) (func $start (global.set $seen (call $on))) (start $start)"
    " (func (export \"on\") (result i32) (call $on)) (func (export \"size\") (result i64) (call $size))"
    " (func (export \"seen\") (result i32) (global.get $seen))"
    " (func (export \"wait\") (loop $l (br_if $l (i32.eqz (call $on))))))";

#define GOLD "{\"targetingKey\": \"a\", \"tier\": \"gold\"}"
#define IRON "{\"targetingKey\": \"b\", \"tier\": \"iron\"}"

static void load(wasm_engine_t* engine, const char* tier) {
  char json[600];
  snprintf(
      json, sizeof json,
      "{\"flags\": {\"on\": {\"state\": \"ENABLED\", \"variants\": {\"yes\": true, \"no\": false}, \"defaultVariant\":"
      " \"no\", \"targeting\": {\"if\": [{\"==\": [{\"var\": \"tier\"}, \"%s\"]}, \"yes\"]}}, \"size\": {\"state\":"
      " \"ENABLED\", \"variants\": {\"yes\": 70, \"no\": 7}, \"defaultVariant\": \"no\","
      " \"targeting\": {\"if\": [{\"==\": [{\"var\": \"tier\"}, \"%s\"]}, \"yes\"]}}}}",
      tier, tier);
  CHECK(shunt_wasm_flags_load(engine, json, strlen(json), "contexts.json"));
}

static wasm_instance_t* make(wasm_store_t* store, const wasm_module_t* module, const char* context) {
  wasm_trap_t* trap = NULL;
  wasm_instance_t* instance =
      shunt_wasm_instance_new_with_context(store, module, NULL, context, context == NULL ? 0 : strlen(context), &trap);
  CHECK(instance != NULL && trap == NULL);
  return instance;
}

static void expect(const wasm_instance_t* instance, bool yes) {
  wasm_extern_vec_t exports = exports_of(instance);
  CHECK(call_i32(func_at(&exports, 0), 0) == (yes ? 1 : 0));
  CHECK(call(func_at(&exports, 1), NULL, 0).of.i64 == (yes ? 70 : 7));
  wasm_extern_vec_delete(&exports);
}

static void* change(void* instance) {
  CHECK(shunt_wasm_instance_set_context(instance, GOLD, strlen(GOLD)));
  return NULL;
}

int main(void) {
  wasm_engine_t* engine = wasm_engine_new();
  wasm_store_t* store = wasm_store_new(engine);
  load(engine, "gold");
  wasm_module_t* module = module_of(store, guest);
  wasm_instance_t* gold = make(store, module, GOLD);
  wasm_instance_t* iron = make(store, module, IRON);
  wasm_instance_t* none = make(store, module, NULL);
  expect(gold, true);
  expect(iron, false);
  expect(none, false);
  wasm_extern_vec_t exports = exports_of(gold);
  CHECK(call_i32(func_at(&exports, 2), 0) == 1); /* as its start function saw it */
  wasm_extern_vec_delete(&exports);

  load(engine, "iron");
  expect(gold, false);
  expect(iron, true);
  CHECK(shunt_wasm_flags_set_context(engine, IRON, strlen(IRON)));
  expect(none, true);
  CHECK(shunt_wasm_flags_set_context(engine, NULL, 0));
  expect(none, false);

  /* Refused, and nothing has changed. */
  CHECK(!shunt_wasm_instance_set_context(iron, "[]", 2));
  CHECK_CONTAINS(shunt_wasm_error_message(), "not an object");
  expect(iron, true);
  wasm_trap_t* trap = NULL;
  CHECK(shunt_wasm_instance_new_with_context(store, module, NULL, "7", 1, &trap) == NULL);
  CHECK(trap != NULL);
  wasm_trap_delete(trap);

  /* The guest turns until another thread gives its instance a context for which the flag is on. */
  load(engine, "gold");
  CHECK(shunt_wasm_instance_set_context(gold, NULL, 0));
  exports = exports_of(gold);
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, change, gold) == 0);
  wasm_val_vec_t nothing = WASM_EMPTY_VEC;
  CHECK(wasm_func_call(func_at(&exports, 3), &nothing, &nothing) == NULL);
  CHECK(pthread_join(thread, NULL) == 0);
  wasm_extern_vec_delete(&exports);
  expect(gold, true);
  expect(none, false);

  wasm_instance_delete(gold);
  wasm_instance_delete(iron);
  wasm_instance_delete(none);
  wasm_module_delete(module);
  wasm_store_delete(store);
  wasm_engine_delete(engine);
  return 0;
}
