/* Globals, tables and memories: what the host writes the guest reads, and the other way. */
#include "tests/runtime/capi/check.h"

static wasm_global_t* new_global(wasm_store_t* store, wasm_valkind_t kind, wasm_mutability_t mutability,
                                 wasm_val_t value) {
  wasm_globaltype_t* type = wasm_globaltype_new(wasm_valtype_new(kind), mutability);
  wasm_global_t* global = wasm_global_new(store, type, &value);
  wasm_globaltype_delete(type);
  return global;
}

static wasm_val_t value_of(const wasm_global_t* global) {
  wasm_val_t value;
  wasm_global_get(global, &value);
  return value;
}

static void globals(wasm_store_t* store) {
  wasm_global_t* constant = new_global(store, WASM_F32, WASM_CONST, (wasm_val_t)WASM_F32_VAL(1.5f));
  wasm_global_t* variable = new_global(store, WASM_I64, WASM_VAR, (wasm_val_t)WASM_I64_VAL(-4));
  CHECK(constant != NULL && variable != NULL);
  wasm_extern_t* imports[] = {wasm_global_as_extern(constant), wasm_global_as_extern(variable)};
  wasm_extern_vec_t exports = exports_of_text(
      store,
      "(module (import \"\" \"c\" (global $c f32)) (import \"\" \"v\" (global $v (mut i64)))"
      " (global (export \"own\") (mut i32) (i32.const 9)) (export \"v\" (global $v))"
      " (func (export \"get_c\") (result f32) (global.get $c)) (func (export \"get_v\") (result i64) (global.get $v))"
      " (func (export \"set\") (global.set $v (i64.const 77))) (func (export \"get_own\") (result i32) (global.get "
      "2)))",
      imports, 2);
  wasm_global_t* own = wasm_extern_as_global(exports.data[0]);
  CHECK(own != NULL && value_of(own).of.i32 == 9);
  CHECK(wasm_global_same(wasm_extern_as_global(exports.data[1]), variable));
  CHECK(!wasm_global_same(own, variable));
  CHECK(call(func_at(&exports, 2), NULL, 0).of.f32 == 1.5f);
  CHECK(call(func_at(&exports, 3), NULL, 0).of.i64 == -4);

  const wasm_val_t five = WASM_I64_VAL(5), small = WASM_I32_VAL(3), real = WASM_F32_VAL(2);
  wasm_global_set(variable, &five);
  CHECK(call(func_at(&exports, 3), NULL, 0).of.i64 == 5);
  CHECK(wasm_func_call(func_at(&exports, 4), NULL, NULL) == NULL);
  CHECK(value_of(variable).of.i64 == 77);
  wasm_global_set(own, &small);
  CHECK(call(func_at(&exports, 5), NULL, 0).of.i32 == 3);
  wasm_global_set(variable, &small); /* of another type: nothing happens */
  CHECK(value_of(variable).of.i64 == 77);
  wasm_global_set(constant, &real);
  CHECK(value_of(constant).of.f32 == 1.5f);
  CHECK_CONTAINS(shunt_wasm_error_message(), "immutable");
  CHECK(new_global(store, WASM_I32, WASM_VAR, (wasm_val_t)WASM_F64_VAL(0)) == NULL);

  wasm_globaltype_t* type = wasm_global_type(variable);
  CHECK(wasm_globaltype_mutability(type) == WASM_VAR);
  CHECK(wasm_valtype_kind(wasm_globaltype_content(type)) == WASM_I64);
  wasm_globaltype_delete(type);
  wasm_global_delete(constant);
  wasm_global_delete(variable);
  wasm_extern_vec_delete(&exports);
}

static wasm_trap_t* negate(const wasm_val_vec_t* arguments, wasm_val_vec_t* results) {
  results->data[0].of.i32 = -arguments->data[0].of.i32;
  return NULL;
}

static bool is_set(const wasm_table_t* table, wasm_table_size_t index) {
  wasm_ref_t* ref = wasm_table_get(table, index);
  const bool set = ref != NULL;
  wasm_ref_delete(ref);
  return set;
}

static void tables(wasm_store_t* store) {
  const wasm_limits_t limits = {2, 6};
  wasm_tabletype_t* type = wasm_tabletype_new(wasm_valtype_new_funcref(), &limits);
  wasm_table_t* table = wasm_table_new(store, type, NULL);
  wasm_tabletype_delete(type);
  CHECK(table != NULL && wasm_table_size(table) == 2 && !is_set(table, 0));
  wasm_extern_t* imports[] = {wasm_table_as_extern(table)};
  wasm_extern_vec_t exports = exports_of_text(
      store,
      "(module (import \"\" \"t\" (table $t 2 6 funcref)) (export \"t\" (table $t))"
      " (func (export \"call\") (param i32 i32) (result i32)"
      "  (call_indirect (param i32) (result i32) (local.get 0) (local.get 1)))"
      " (func $same (export \"same\") (param i32) (result i32) (local.get 0)) (elem (i32.const 1) $same))",
      imports, 1);
  wasm_func_t* indirect = func_at(&exports, 1);
  wasm_func_t* same = func_at(&exports, 2);
  CHECK(wasm_table_same(wasm_extern_as_table(exports.data[0]), table));
  wasm_ref_t* found = wasm_table_get(table, 1);
  CHECK(found != NULL && wasm_ref_same(found, wasm_func_as_ref(same)) && wasm_ref_as_func(found) != NULL);
  CHECK(wasm_ref_as_table(found) == NULL);
  wasm_ref_delete(found);

  wasm_val_t at_0[] = {WASM_I32_VAL(7), WASM_I32_VAL(0)}, at_1[] = {WASM_I32_VAL(7), WASM_I32_VAL(1)},
             at_3[] = {WASM_I32_VAL(7), WASM_I32_VAL(3)};
  CHECK(call(indirect, at_1, 2).of.i32 == 7);
  check_trap(indirect, at_0, 2, "uninitialized element");
  check_trap(indirect, at_3, 2, "undefined element");

  wasm_functype_t* function_type = wasm_functype_new_1_1(wasm_valtype_new_i32(), wasm_valtype_new_i32());
  wasm_func_t* host = wasm_func_new(store, function_type, negate);
  wasm_functype_delete(function_type);
  CHECK(wasm_table_set(table, 0, wasm_func_as_ref(host)));
  CHECK(call(indirect, at_0, 2).of.i32 == -7);
  CHECK(wasm_table_set(table, 1, NULL) && !is_set(table, 1));
  CHECK(!wasm_table_set(table, 2, wasm_func_as_ref(host)));
  CHECK(!wasm_table_set(table, 0, wasm_table_as_ref(table))); /* no function */
  CHECK(wasm_table_get(table, 2) == NULL);

  CHECK(wasm_table_grow(table, 2, wasm_func_as_ref(same)) && wasm_table_size(table) == 4);
  CHECK(call(indirect, at_3, 2).of.i32 == 7);
  CHECK(!wasm_table_grow(table, 3, NULL) && wasm_table_size(table) == 4);
  CHECK(wasm_table_grow(table, 0, NULL));
  wasm_tabletype_t* now = wasm_table_type(table);
  CHECK(wasm_tabletype_limits(now)->min == 4 && wasm_tabletype_limits(now)->max == 6);
  wasm_tabletype_delete(now);
  wasm_func_delete(host); /* the table still holds it */
  CHECK(call(indirect, at_0, 2).of.i32 == -7);
  wasm_table_delete(table);
  wasm_extern_vec_delete(&exports);
}

static void memories(wasm_store_t* store) {
  const wasm_limits_t limits = {1, 3}, too_many = {70000, wasm_limits_max_default};
  wasm_memorytype_t* type = wasm_memorytype_new(&limits);
  wasm_memory_t* memory = wasm_memory_new(store, type);
  wasm_memorytype_delete(type);
  CHECK(memory != NULL && wasm_memory_size(memory) == 1 && wasm_memory_data_size(memory) == MEMORY_PAGE_SIZE);
  wasm_extern_t* imports[] = {wasm_memory_as_extern(memory)};
  wasm_extern_vec_t exports = exports_of_text(
      store,
      "(module (import \"\" \"m\" (memory 1 3)) (export \"m\" (memory 0)) (data (i32.const 16) \"\\01\\02\")"
      " (func (export \"load\") (param i32) (result i32) (i32.load8_u (local.get 0)))"
      " (func (export \"store\") (param i32) (result i32) (i32.store8 (local.get 0) (i32.const 99)) (i32.const 0))"
      " (func (export \"size\") (result i32) (memory.size)))",
      imports, 1);
  CHECK(wasm_memory_same(wasm_extern_as_memory(exports.data[0]), memory));
  byte_t* data = wasm_memory_data(memory);
  CHECK(data[16] == 1 && data[17] == 2 && data[18] == 0);
  data[18] = 3;
  CHECK(call_i32(func_at(&exports, 1), 18) == 3);
  call_i32(func_at(&exports, 2), 19);
  CHECK(data[19] == 99);
  wasm_val_t behind[] = {WASM_I32_VAL(65536)};
  check_trap(func_at(&exports, 1), behind, 1, "out of bounds memory access");
  CHECK(wasm_memory_grow(memory, 1));
  CHECK(wasm_memory_data(memory) == data && wasm_memory_size(memory) == 2);
  CHECK(call_i32(func_at(&exports, 1), 65536) == 0 && call_i32(func_at(&exports, 3), 0) == 2);
  CHECK(!wasm_memory_grow(memory, 2) && wasm_memory_grow(memory, 1));
  wasm_memorytype_t* now = wasm_memory_type(memory);
  CHECK(wasm_memorytype_limits(now)->min == 3 && wasm_memorytype_limits(now)->max == 3);
  wasm_memorytype_delete(now);
  type = wasm_memorytype_new(&too_many);
  CHECK(wasm_memory_new(store, type) == NULL);
  wasm_memorytype_delete(type);
  wasm_memory_delete(memory);
  wasm_extern_vec_delete(&exports);
}

/* Nothing of one store gets into another. */
static void two_stores(wasm_engine_t* engine, wasm_store_t* store) {
  wasm_store_t* other = wasm_store_new(engine);
  wasm_global_t* global = new_global(other, WASM_I32, WASM_CONST, (wasm_val_t)WASM_I32_VAL(1));
  wasm_module_t* module = module_of(store, "(module (import \"a\" \"b\" (global i32)))");
  wasm_extern_t* items[] = {wasm_global_as_extern(global)};
  wasm_extern_vec_t imports = WASM_ARRAY_VEC(items), none = WASM_EMPTY_VEC;
  CHECK(wasm_instance_new(store, module, &imports, NULL) == NULL);
  CHECK_CONTAINS(shunt_wasm_error_message(), "import \"a\" \"b\": what is given belongs to another store");
  CHECK(wasm_instance_new(store, module, &none, NULL) == NULL);
  wasm_foreign_t* foreign = wasm_foreign_new(other);
  wasm_val_t value = {.kind = WASM_EXTERNREF, .of = {.ref = wasm_foreign_as_ref(foreign)}};
  CHECK(new_global(store, WASM_EXTERNREF, WASM_CONST, value) == NULL);
  wasm_foreign_delete(foreign);
  wasm_module_delete(module);
  wasm_store_delete(other);
  CHECK(value_of(global).of.i32 == 1); /* a handle keeps its store */
  wasm_global_delete(global);
}

int main(void) {
  wasm_engine_t* engine = wasm_engine_new();
  wasm_store_t* store = wasm_store_new(engine);
  globals(store);
  tables(store);
  memories(store);
  two_stores(engine, store);
  wasm_store_delete(store);
  wasm_engine_delete(engine);
  return 0;
}
