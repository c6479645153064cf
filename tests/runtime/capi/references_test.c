/* References to the host's objects: guests hold them, and finalizers run once, when nobody does. */
#include "tests/runtime/capi/check.h"

static int finalized = 0;

static void finalize(void* data) {
  finalized += data != NULL;
}

static wasm_trap_t* pass(const wasm_val_vec_t* arguments, wasm_val_vec_t* results) {
  wasm_val_copy(&results->data[0], &arguments->data[0]);
  return NULL;
}

static const char* const guest =
    "(module (import \"\" \"pass\" (func $pass (param externref) (result externref)))"
    " (global (export \"g\") (mut externref) (ref.null extern)) (table (export \"t\") 4 externref)"
    " (func (export \"pass\") (param externref) (result externref) (call $pass (local.get 0)))"
    " (func (export \"keep\") (param externref) (result externref) (global.set 0 (local.get 0)) (global.get 0))"
    " (func (export \"funcref\") (param funcref) (result funcref) (local.get 0)))";

static wasm_val_t ref_value(wasm_ref_t* ref) {
  return (wasm_val_t)WASM_REF_VAL(ref);
}

/* The guest returns what it was given. */
static void round_trip(const wasm_func_t* func, wasm_ref_t* ref) {
  wasm_val_t in[] = {ref_value(ref)};
  wasm_val_t out = call(func, in, 1);
  CHECK(out.kind == WASM_EXTERNREF || out.kind == WASM_FUNCREF);
  CHECK(wasm_ref_same(out.of.ref, ref));
  if (ref != NULL) CHECK(wasm_ref_get_host_info(out.of.ref) == wasm_ref_get_host_info(ref));
  wasm_val_delete(&out);
}

static void guests_hold(wasm_store_t* store, const wasm_extern_vec_t* exports) {
  wasm_global_t* global = wasm_extern_as_global(exports->data[0]);
  wasm_table_t* table = wasm_extern_as_table(exports->data[1]);
  wasm_ref_t* one = wasm_foreign_as_ref(wasm_foreign_new(store));
  wasm_ref_t* two = wasm_foreign_as_ref(wasm_foreign_new(store));
  CHECK(!wasm_ref_same(one, two) && !wasm_ref_same(one, NULL));
  wasm_ref_set_host_info(one, &finalized);
  for (size_t i = 2; i < 4; ++i) {
    round_trip(func_at(exports, i), NULL);
    round_trip(func_at(exports, i), one);
    round_trip(func_at(exports, i), two);
    round_trip(func_at(exports, i), wasm_func_as_ref(func_at(exports, 2))); /* any object may be an externref */
  }
  round_trip(func_at(exports, 4), wasm_func_as_ref(func_at(exports, 2)));
  wasm_val_t wrong[] = {ref_value(one)};
  check_trap(func_at(exports, 4), wrong, 1, "no function");

  wasm_val_t value = ref_value(two);
  wasm_global_set(global, &value);
  wasm_global_get(global, &value);
  CHECK(wasm_ref_same(value.of.ref, two));
  wasm_val_delete(&value);
  CHECK(wasm_table_set(table, 3, one));
  wasm_ref_t* found = wasm_table_get(table, 3);
  CHECK(wasm_ref_same(found, one) && wasm_ref_get_host_info(found) == &finalized);
  wasm_ref_delete(found);
  wasm_ref_delete(one);
  wasm_ref_delete(two);
}

/* Objects end with the last handle, or when no guest holds them any more. */
static void objects_end(wasm_store_t* store, const wasm_extern_vec_t* exports) {
  finalized = 0;
  wasm_foreign_t* alone = wasm_foreign_new(store);
  wasm_foreign_set_host_info_with_finalizer(alone, store, finalize);
  wasm_foreign_t* copy = wasm_foreign_copy(alone);
  wasm_foreign_delete(alone);
  CHECK(finalized == 0 && wasm_foreign_get_host_info(copy) == store);
  wasm_foreign_set_host_info_with_finalizer(copy, exports->data, finalize); /* the earlier information ends */
  CHECK(finalized == 1);
  wasm_foreign_delete(copy);
  CHECK(finalized == 2);

  finalized = 0;
  enum { passed = 5000 };
  wasm_table_t* table = wasm_extern_as_table(exports->data[1]);
  for (int i = 0; i < passed; ++i) {
    wasm_foreign_t* foreign = wasm_foreign_new(store);
    wasm_foreign_set_host_info_with_finalizer(foreign, store, finalize);
    if (i == 0) CHECK(wasm_table_set(table, 0, wasm_foreign_as_ref(foreign)));
    round_trip(func_at(exports, i % 2 == 0 ? 2 : 3), wasm_foreign_as_ref(foreign));
    wasm_foreign_delete(foreign);
  }
  CHECK(finalized > passed / 2 && finalized < passed); /* most were given up while the store lives */
  wasm_ref_t* kept = wasm_table_get(table, 0);
  CHECK(kept != NULL && wasm_ref_get_host_info(kept) == store); /* not this one */
  wasm_ref_delete(kept);
  wasm_val_t last;
  wasm_global_get(wasm_extern_as_global(exports->data[0]), &last);
  CHECK(last.of.ref != NULL && wasm_ref_get_host_info(last.of.ref) == store); /* nor this */
  wasm_val_delete(&last);
}

/* Instances, and what they export, end with their store. */
static void instances_end(wasm_engine_t* engine) {
  finalized = 0;
  wasm_store_t* store = wasm_store_new(engine);
  enum { made = 200 };
  wasm_module_t* module = module_of(store, "(module (func (export \"f\")) (memory (export \"m\") 1))");
  wasm_module_set_host_info_with_finalizer(module, store, finalize);
  for (int i = 0; i < made; ++i) {
    wasm_extern_vec_t none = WASM_EMPTY_VEC;
    wasm_instance_t* instance = wasm_instance_new(store, module, &none, NULL);
    CHECK(instance != NULL);
    wasm_instance_set_host_info_with_finalizer(instance, store, finalize);
    wasm_extern_vec_t exports = exports_of(instance);
    wasm_extern_set_host_info_with_finalizer(exports.data[0], store, finalize);
    CHECK(wasm_func_get_host_info(func_at(&exports, 0)) == store);
    CHECK(wasm_extern_get_host_info(exports.data[1]) == NULL);
    wasm_extern_vec_delete(&exports);
    wasm_instance_delete(instance);
  }
  CHECK(finalized == 0);
  wasm_module_delete(module);
  CHECK(finalized == 1);
  wasm_store_delete(store);
  CHECK(finalized == 1 + 2 * made);
}

int main(void) {
  wasm_engine_t* engine = wasm_engine_new();
  wasm_store_t* store = wasm_store_new(engine);
  wasm_functype_t* type = wasm_functype_new_1_1(wasm_valtype_new_externref(), wasm_valtype_new_externref());
  wasm_func_t* func = wasm_func_new(store, type, pass);
  wasm_functype_delete(type);
  wasm_extern_t* imports[] = {wasm_func_as_extern(func)};
  wasm_extern_vec_t exports = exports_of_text(store, guest, imports, 1);
  wasm_func_delete(func);
  guests_hold(store, &exports);
  objects_end(store, &exports);
  instances_end(engine);
  wasm_extern_vec_delete(&exports);
  const int before = finalized;
  wasm_store_delete(store);
  CHECK(finalized > before); /* what its guests still held */
  wasm_engine_delete(engine);
  return 0;
}
