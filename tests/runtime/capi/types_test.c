/* Types and vectors: what is put in is what comes out, and each owner frees what it owns. */
#include "tests/runtime/capi/check.h"

static void value_types(void) {
  const wasm_valkind_t kinds[] = {WASM_I32, WASM_I64, WASM_F32, WASM_F64, WASM_EXTERNREF, WASM_FUNCREF};
  for (size_t i = 0; i < 6; ++i) {
    wasm_valtype_t* type = wasm_valtype_new(kinds[i]);
    wasm_valtype_t* copy = wasm_valtype_copy(type);
    CHECK(copy != type && wasm_valtype_kind(copy) == kinds[i]);
    CHECK(wasm_valtype_is_ref(type) == (i >= 4));
    wasm_valtype_delete(type);
    wasm_valtype_delete(copy);
  }
}

static void vectors(void) {
  wasm_valtype_vec_t empty;
  wasm_valtype_vec_new_empty(&empty);
  CHECK(empty.size == 0);
  wasm_valtype_vec_delete(&empty);

  wasm_valtype_t* types[] = {wasm_valtype_new_i32(), wasm_valtype_new_f64()};
  wasm_valtype_vec_t vec, copy;
  wasm_valtype_vec_new(&vec, 2, types);
  CHECK(vec.size == 2 && vec.data[1] == types[1]);
  wasm_valtype_vec_copy(&copy, &vec);
  CHECK(copy.size == 2 && copy.data[1] != vec.data[1] && wasm_valtype_kind(copy.data[1]) == WASM_F64);
  wasm_valtype_vec_delete(&vec);
  CHECK(wasm_valtype_kind(copy.data[0]) == WASM_I32);
  wasm_valtype_vec_delete(&copy);
  CHECK(copy.size == 0);

  wasm_valtype_vec_new_uninitialized(&vec, 3); /* some never filled */
  vec.data[1] = wasm_valtype_new_i64();
  wasm_valtype_vec_delete(&vec);

  wasm_name_t name, with_zero;
  wasm_name_new_from_string(&name, "four");
  wasm_name_new_from_string_nt(&with_zero, "four");
  CHECK(name.size == 4 && with_zero.size == 5 && memcmp(name.data, "four", 4) == 0);
  wasm_name_delete(&name);
  wasm_name_delete(&with_zero);
}

static void function_types(void) {
  wasm_functype_t* type =
      wasm_functype_new_3_2(wasm_valtype_new_i32(), wasm_valtype_new_funcref(), wasm_valtype_new_f32(),
                            wasm_valtype_new_i64(), wasm_valtype_new_externref());
  wasm_functype_t* copy = wasm_functype_copy(type);
  wasm_functype_delete(type);
  CHECK(wasm_functype_params(copy)->size == 3 && wasm_functype_results(copy)->size == 2);
  CHECK(wasm_valtype_kind(wasm_functype_params(copy)->data[1]) == WASM_FUNCREF);
  CHECK(wasm_valtype_kind(wasm_functype_results(copy)->data[1]) == WASM_EXTERNREF);
  wasm_externtype_t* as_extern = wasm_functype_as_externtype(copy);
  CHECK(wasm_externtype_kind(as_extern) == WASM_EXTERN_FUNC);
  CHECK(wasm_externtype_as_functype(as_extern) == copy);
  CHECK(wasm_externtype_as_globaltype(as_extern) == NULL && wasm_externtype_as_tabletype_const(as_extern) == NULL);
  wasm_externtype_delete(as_extern);
}

static void storage_types(void) {
  wasm_globaltype_t* global = wasm_globaltype_new(wasm_valtype_new_f32(), WASM_VAR);
  CHECK(wasm_globaltype_mutability(global) == WASM_VAR);
  CHECK(wasm_valtype_kind(wasm_globaltype_content(global)) == WASM_F32);
  const wasm_limits_t limits = {3, 7}, open = {1, wasm_limits_max_default};
  wasm_tabletype_t* table = wasm_tabletype_new(wasm_valtype_new_externref(), &limits);
  wasm_tabletype_t* table_copy = wasm_tabletype_copy(table);
  CHECK(wasm_tabletype_limits(table_copy)->min == 3 && wasm_tabletype_limits(table_copy)->max == 7);
  CHECK(wasm_valtype_kind(wasm_tabletype_element(table_copy)) == WASM_EXTERNREF);
  wasm_memorytype_t* memory = wasm_memorytype_new(&open);
  CHECK(wasm_memorytype_limits(memory)->max == wasm_limits_max_default);

  wasm_name_t module, name;
  wasm_name_new_from_string(&module, "env");
  wasm_name_new_from_string(&name, "g");
  wasm_importtype_t* import = wasm_importtype_new(&module, &name, wasm_globaltype_as_externtype(global));
  wasm_importtype_t* import_copy = wasm_importtype_copy(import);
  wasm_importtype_delete(import);
  CHECK(wasm_importtype_module(import_copy)->size == 3 && wasm_importtype_name(import_copy)->data[0] == 'g');
  CHECK(wasm_externtype_kind(wasm_importtype_type(import_copy)) == WASM_EXTERN_GLOBAL);
  wasm_name_new_from_string(&name, "memory");
  wasm_exporttype_t* item = wasm_exporttype_new(&name, wasm_memorytype_as_externtype(memory));
  wasm_exporttype_t* items[] = {item, wasm_exporttype_copy(item)};
  wasm_exporttype_vec_t vec, vec_copy;
  wasm_exporttype_vec_new(&vec, 2, items);
  wasm_exporttype_vec_copy(&vec_copy, &vec);
  CHECK(wasm_exporttype_name(vec_copy.data[1])->size == 6);
  wasm_exporttype_vec_delete(&vec);
  wasm_exporttype_vec_delete(&vec_copy);
  wasm_importtype_delete(import_copy);
  wasm_tabletype_delete(table);
  wasm_tabletype_delete(table_copy);
}

int main(void) {
  value_types();
  vectors();
  function_types();
  storage_types();
  return 0;
}
