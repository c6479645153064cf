/* Functions of the host and of guests call each other. */
#include "tests/runtime/capi/check.h"

static int calls = 0, finalized = 0;

static wasm_trap_t* count(const wasm_val_vec_t* arguments, wasm_val_vec_t* results) {
  CHECK(arguments->size == 0 && results->size == 0);
  ++calls;
  return NULL;
}

static wasm_trap_t* add_env(void* env, const wasm_val_vec_t* arguments, wasm_val_vec_t* results) {
  CHECK(arguments->data[0].kind == WASM_I32 && results->data[0].kind == WASM_I32);
  results->data[0].of.i32 = arguments->data[0].of.i32 + *(int*)env;
  return NULL;
}

static void finalize(void* env) {
  *(int*)env = 0;
  ++finalized;
}

static wasm_trap_t* reverse(const wasm_val_vec_t* arguments, wasm_val_vec_t* results) {
  CHECK(arguments->size == 4);
  for (size_t i = 0; i < 4; ++i) wasm_val_copy(&results->data[i], &arguments->data[3 - i]);
  return NULL;
}

static void hello(wasm_store_t* store) {
  wasm_functype_t* type = wasm_functype_new_0_0();
  wasm_func_t* func = wasm_func_new(store, type, count);
  wasm_functype_delete(type);
  wasm_extern_t* imports[] = {wasm_func_as_extern(func)};
  wasm_extern_vec_t exports = exports_of_text(
      store, "(module (import \"\" \"hello\" (func $f)) (func (export \"run\") (call $f) (call $f)))", imports, 1);
  wasm_func_delete(func);
  CHECK(wasm_func_call(func_at(&exports, 0), NULL, NULL) == NULL);
  CHECK(calls == 2);
  wasm_extern_vec_delete(&exports);
}

static void callbacks(wasm_store_t* store, int* env) {
  wasm_functype_t* type = wasm_functype_new_1_1(wasm_valtype_new_i32(), wasm_valtype_new_i32());
  wasm_func_t* func = wasm_func_new_with_env(store, type, add_env, env, finalize);
  wasm_functype_delete(type);
  wasm_extern_t* imports[] = {wasm_func_as_extern(func)};
  wasm_extern_vec_t exports = exports_of_text(store,
                                              "(module (import \"\" \"add\" (func $f (param i32) (result i32)))"
                                              " (func (export \"twice\") (param i32) (result i32)"
                                              "  (call $f (call $f (local.get 0)))) (export \"add\" (func $f)))",
                                              imports, 1);
  CHECK(call_i32(func_at(&exports, 0), 1) == 1 + 2 * *env);
  CHECK(call_i32(func, 5) == 5 + *env); /* the host calls its own function */
  CHECK(wasm_func_same(func, func_at(&exports, 1)));
  CHECK(!wasm_func_same(func, func_at(&exports, 0)));
  CHECK(wasm_func_param_arity(func) == 1 && wasm_func_result_arity(func) == 1);
  wasm_functype_t* found = wasm_func_type(func_at(&exports, 0));
  CHECK(wasm_valtype_kind(wasm_functype_params(found)->data[0]) == WASM_I32);
  wasm_functype_delete(found);
  wasm_func_delete(func);
  wasm_extern_vec_delete(&exports);
}

static void many_values(wasm_store_t* store) {
  wasm_valtype_t* kinds[] = {wasm_valtype_new_i32(), wasm_valtype_new_i64(), wasm_valtype_new_f32(),
                             wasm_valtype_new_f64()};
  wasm_valtype_t* reversed[] = {wasm_valtype_new_f64(), wasm_valtype_new_f32(), wasm_valtype_new_i64(),
                                wasm_valtype_new_i32()};
  wasm_valtype_vec_t params, results;
  wasm_valtype_vec_new(&params, 4, kinds);
  wasm_valtype_vec_new(&results, 4, reversed);
  wasm_functype_t* type = wasm_functype_new(&params, &results);
  wasm_func_t* func = wasm_func_new(store, type, reverse);
  wasm_functype_delete(type);
  wasm_extern_t* imports[] = {wasm_func_as_extern(func)};
  wasm_extern_vec_t exports =
      exports_of_text(store,
                      "(module (import \"\" \"f\" (func $f (param i32 i64 f32 f64) (result f64 f32 i64 i32)))"
                      " (func (export \"g\") (param i32 i64 f32 f64) (result f64 f32 i64 i32)"
                      "  (call $f (local.get 0) (local.get 1) (local.get 2) (local.get 3))))",
                      imports, 1);
  wasm_val_t in[] = {WASM_I32_VAL(-1), WASM_I64_VAL(INT64_MIN), WASM_F32_VAL(0.5f), WASM_F64_VAL(-2.25)};
  wasm_val_t out[] = {WASM_INIT_VAL, WASM_INIT_VAL, WASM_INIT_VAL, WASM_INIT_VAL};
  wasm_val_vec_t arguments = WASM_ARRAY_VEC(in), returned = WASM_ARRAY_VEC(out);
  CHECK(wasm_func_call(func_at(&exports, 0), &arguments, &returned) == NULL);
  CHECK(out[0].kind == WASM_F64 && out[0].of.f64 == -2.25);
  CHECK(out[1].kind == WASM_F32 && out[1].of.f32 == 0.5f);
  CHECK(out[2].kind == WASM_I64 && out[2].of.i64 == INT64_MIN);
  CHECK(out[3].kind == WASM_I32 && out[3].of.i32 == -1);
  wasm_func_delete(func);
  wasm_extern_vec_delete(&exports);
}

/* A callback calls the guest that called it. */
static wasm_trap_t* call_down(void* env, const wasm_val_vec_t* arguments, wasm_val_vec_t* results) {
  const wasm_extern_vec_t* exports = env;
  return wasm_func_call(func_at(exports, 0), arguments, results);
}

static void nested(wasm_store_t* store) {
  static wasm_extern_vec_t exports;
  wasm_functype_t* type = wasm_functype_new_1_1(wasm_valtype_new_i32(), wasm_valtype_new_i32());
  wasm_func_t* func = wasm_func_new_with_env(store, type, call_down, &exports, NULL);
  wasm_functype_delete(type);
  wasm_extern_t* imports[] = {wasm_func_as_extern(func)};
  exports = exports_of_text(store,
                            "(module (import \"\" \"down\" (func $down (param i32) (result i32)))"
                            " (func (export \"sum\") (param i32) (result i32)"
                            "  (if (result i32) (local.get 0)"
                            "   (then (i32.add (local.get 0) (call $down (i32.sub (local.get 0) (i32.const 1)))))"
                            "   (else (i32.const 0)))))",
                            imports, 1);
  CHECK(call_i32(func_at(&exports, 0), 40) == 820);
  wasm_func_delete(func);
  wasm_extern_vec_delete(&exports);
}

static void wrong_calls(wasm_store_t* store) {
  wasm_extern_vec_t exports =
      exports_of_text(store, "(module (func (export \"f\") (param i32) (result i32) (local.get 0)))", NULL, 0);
  wasm_func_t* func = func_at(&exports, 0);
  wasm_val_t wrong[] = {WASM_I64_VAL(1)};
  check_trap(func, wrong, 1, "argument 0: i64, where i32 is wanted");
  check_trap(func, NULL, 0, "called with 0 arguments");
  wasm_val_t right[] = {WASM_I32_VAL(1)};
  wasm_val_vec_t in = WASM_ARRAY_VEC(right), nowhere = WASM_EMPTY_VEC;
  wasm_trap_t* trap = wasm_func_call(func, &in, &nowhere);
  CHECK(trap != NULL);
  wasm_trap_delete(trap);
  wasm_extern_vec_delete(&exports);
}

int main(void) {
  wasm_engine_t* engine = wasm_engine_new();
  wasm_store_t* store = wasm_store_new(engine);
  int env = 7;
  hello(store);
  callbacks(store, &env);
  many_values(store);
  nested(store);
  wrong_calls(store);
  CHECK(finalized == 0);
  wasm_store_delete(store);
  CHECK(finalized == 1 && env == 0);
  wasm_engine_delete(engine);
  return 0;
}
