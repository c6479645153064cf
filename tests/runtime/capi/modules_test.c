/* Modules: what they import and export, and the ways from one store to another. */
#include "tests/runtime/capi/check.h"

static const char* const guest =
    "(module (import \"env\" \"f\" (func $f (param f32))) (import \"env\" \"m\" (memory 1 5))"
    " (import \"flags\" \"ready\" (func $flag (result i32)))"
    " (func (export \"run\") (param i32 f64) (result i64) (i64.const 42))"
    " (global (export \"g\") (mut f64) (f64.const 0)) (table (export \"t\") 3 50 funcref) (export \"f\" (func $f)))";

static bool is_name(const wasm_name_t* name, const char* text) {
  return name->size == strlen(text) && memcmp(name->data, text, name->size) == 0;
}

static void reflect(wasm_store_t* store) {
  wasm_module_t* module = module_of(store, guest);
  wasm_importtype_vec_t imports;
  wasm_module_imports(module, &imports);
  CHECK(imports.size == 2); /* reads of flags are not the host's to give */
  CHECK(is_name(wasm_importtype_module(imports.data[0]), "env") && is_name(wasm_importtype_name(imports.data[1]), "m"));
  const wasm_memorytype_t* memory = wasm_externtype_as_memorytype_const(wasm_importtype_type(imports.data[1]));
  CHECK(memory != NULL && wasm_memorytype_limits(memory)->max == 5);
  wasm_importtype_vec_delete(&imports);

  wasm_exporttype_vec_t exports;
  wasm_module_exports(module, &exports);
  CHECK(exports.size == 4);
  const char* const names[] = {"run", "g", "t", "f"};
  const wasm_externkind_t kinds[] = {WASM_EXTERN_FUNC, WASM_EXTERN_GLOBAL, WASM_EXTERN_TABLE, WASM_EXTERN_FUNC};
  for (size_t i = 0; i < 4; ++i) {
    CHECK(is_name(wasm_exporttype_name(exports.data[i]), names[i]));
    CHECK(wasm_externtype_kind(wasm_exporttype_type(exports.data[i])) == kinds[i]);
  }
  const wasm_functype_t* run = wasm_externtype_as_functype_const(wasm_exporttype_type(exports.data[0]));
  CHECK(wasm_functype_params(run)->size == 2 && wasm_functype_results(run)->size == 1);
  wasm_exporttype_vec_delete(&exports);
  wasm_module_delete(module);
}

static void validate(wasm_store_t* store) {
  wasm_byte_vec_t good = binary_of("(module (func (result i32) (i32.const 1)))");
  CHECK(wasm_module_validate(store, &good));
  wasm_byte_vec_t bad;
  wasm_byte_vec_copy(&bad, &good);
  byte_t* code = bad.data;
  while (memcmp(code, "\x41\x01\x0b", 3) != 0) ++code; /* i32.const 1, end */
  *code = 0x42;                                        /* i64.const, whose value is no i32 */
  CHECK(!wasm_module_validate(store, &bad));
  CHECK_CONTAINS(shunt_wasm_error_message(), "type mismatch");
  CHECK(wasm_module_new(store, &bad) == NULL);
  bad.size = 5;
  CHECK(!wasm_module_validate(store, &bad) && wasm_module_new(store, &bad) == NULL);
  bad.size = 0;
  CHECK(!wasm_module_validate(store, &bad));
  wasm_byte_vec_delete(&good);
  wasm_byte_vec_delete(&bad);
  CHECK(!shunt_wasm_assemble("(module (func", 13, &bad) && bad.data == NULL);
}

static void check_runs(wasm_store_t* store, wasm_module_t* module) {
  wasm_extern_vec_t none = WASM_EMPTY_VEC;
  wasm_instance_t* instance = wasm_instance_new(store, module, &none, NULL);
  CHECK(instance != NULL);
  wasm_extern_vec_t exports = exports_of(instance);
  CHECK(call_i32(func_at(&exports, 0), 41) == 42);
  wasm_extern_vec_delete(&exports);
  wasm_instance_delete(instance);
}

static const char* const increment =
    "(module (func (export \"f\") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1))))";

static void serialize(wasm_store_t* store) {
  wasm_module_t* module = module_of(store, increment);
  wasm_byte_vec_t bytes;
  wasm_module_serialize(module, &bytes);
  wasm_module_delete(module);
  CHECK(bytes.size > 32);
  module = wasm_module_deserialize(store, &bytes);
  CHECK(module != NULL);
  check_runs(store, module);
  wasm_module_delete(module);

  for (size_t i = 0; i < bytes.size; ++i) { /* no byte can be another */
    bytes.data[i] ^= 1;
    CHECK(wasm_module_deserialize(store, &bytes) == NULL);
    CHECK_CONTAINS(shunt_wasm_error_message(), "wasm_module_deserialize");
    bytes.data[i] ^= 1;
  }
  for (size_t size = 0; size < bytes.size; ++size) {
    const wasm_byte_vec_t cut = {size, bytes.data};
    CHECK(wasm_module_deserialize(store, &cut) == NULL);
  }
  wasm_byte_vec_delete(&bytes);
}

static void share(wasm_engine_t* engine, wasm_store_t* store) {
  wasm_module_t* module = module_of(store, increment);
  wasm_shared_module_t* shared = wasm_module_share(module);
  wasm_module_delete(module);
  wasm_store_t* second = wasm_store_new(engine);
  wasm_module_t* obtained = wasm_module_obtain(second, shared);
  check_runs(second, obtained);
  CHECK(wasm_module_same(obtained, obtained));
  wasm_module_delete(obtained);
  wasm_store_delete(second);

  wasm_engine_t* other = wasm_engine_new();
  wasm_store_t* foreign = wasm_store_new(other);
  CHECK(wasm_module_obtain(foreign, shared) == NULL);
  CHECK_CONTAINS(shunt_wasm_error_message(), "another engine");
  wasm_module_t* not_its = module_of(store, increment);
  wasm_extern_vec_t none = WASM_EMPTY_VEC;
  CHECK(wasm_instance_new(foreign, not_its, &none, NULL) == NULL);
  CHECK_CONTAINS(shunt_wasm_error_message(), "another engine");
  wasm_module_delete(not_its);
  wasm_store_delete(foreign);
  wasm_engine_delete(other);
  wasm_shared_module_delete(shared);
}

static void unlinkable(wasm_store_t* store) {
  wasm_module_t* module = module_of(store, "(module (import \"env\" \"m\" (memory 2)))");
  const wasm_limits_t limits = {1, 1};
  wasm_memorytype_t* type = wasm_memorytype_new(&limits);
  wasm_memory_t* memory = wasm_memory_new(store, type);
  wasm_extern_t* items[] = {wasm_memory_as_extern(memory)};
  wasm_extern_vec_t imports = WASM_ARRAY_VEC(items);
  wasm_trap_t* trap = NULL;
  CHECK(wasm_instance_new(store, module, &imports, &trap) == NULL && trap != NULL);
  CHECK_CONTAINS(shunt_wasm_error_message(), "incompatible import type");
  CHECK(wasm_trap_origin(trap) == NULL);
  wasm_trap_delete(trap);
  wasm_memory_delete(memory);
  wasm_memorytype_delete(type);
  wasm_module_delete(module);
}

int main(void) {
  wasm_engine_t* engine = wasm_engine_new();
  wasm_store_t* store = wasm_store_new(engine);
  reflect(store);
  validate(store);
  serialize(store);
  share(engine, store);
  unlinkable(store);
  wasm_store_delete(store);
  wasm_engine_delete(engine);
  return 0;
}
