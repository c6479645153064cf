/* Traps say what happened and where, whoever made them. */
#include "tests/runtime/capi/check.h"

static wasm_trap_t* fail(void* env, const wasm_val_vec_t* arguments, wasm_val_vec_t* results) {
  (void)arguments;
  (void)results;
  wasm_message_t message;
  wasm_name_new_from_string_nt(&message, "the host says no");
  wasm_trap_t* trap = wasm_trap_new(env, &message);
  wasm_trap_set_host_info(trap, env);
  wasm_name_delete(&message);
  return trap;
}

static wasm_trap_t* return_wrong(const wasm_val_vec_t* arguments, wasm_val_vec_t* results) {
  (void)arguments;
  results->data[0].kind = WASM_F64;
  return NULL;
}

static const char* const guest =
    "(module (import \"\" \"fail\" (func $fail (result i32))) (import \"\" \"wrong\" (func $wrong (result i32)))"
    " (memory 1)"
    " (func (export \"host\") (result i32) (call $fail))"
    " (func (export \"unreachable\") (result i32) nop nop unreachable)"
    " (func (export \"memory\") (result i32) (i32.load (i32.const 65536)))"
    " (func (export \"divide\") (param i32) (result i32) (i32.div_s (i32.const 1) (local.get 0)))"
    " (func $deep (export \"deep\") (result i32) (i32.add (call $deep) (i32.const 1)))"
    " (func (export \"wrong\") (result i32) (call $wrong)))";

/* The two frames of an instance's function, at the same place. */
static void check_origin(const wasm_trap_t* trap, const wasm_instance_t* instance, uint32_t function,
                         size_t function_offset) {
  wasm_frame_t* origin = wasm_trap_origin(trap);
  CHECK(origin != NULL);
  CHECK(wasm_frame_func_index(origin) == function);
  CHECK(wasm_frame_func_offset(origin) == function_offset);
  CHECK(wasm_frame_module_offset(origin) > function_offset);
  CHECK(wasm_instance_same(wasm_frame_instance(origin), instance));
  wasm_frame_t* copy = wasm_frame_copy(origin);
  wasm_frame_delete(origin);
  CHECK(wasm_instance_same(wasm_frame_instance(copy), instance));
  wasm_frame_vec_t trace, trace_copy;
  wasm_trap_trace(trap, &trace);
  CHECK(trace.size >= 1 && wasm_frame_module_offset(trace.data[0]) == wasm_frame_module_offset(copy));
  wasm_frame_vec_copy(&trace_copy, &trace);
  wasm_frame_vec_delete(&trace);
  wasm_frame_vec_delete(&trace_copy);
  wasm_frame_delete(copy);
}

static void in_guests(wasm_store_t* store, const wasm_instance_t* instance) {
  wasm_extern_vec_t exports = exports_of(instance);
  wasm_trap_t* trap;

  char* text = call_trapped(func_at(&exports, 0), NULL, 0, &trap);
  CHECK(strcmp(text, "the host says no") == 0);
  CHECK(strcmp(shunt_wasm_error_message(), text) == 0);
  CHECK(wasm_trap_get_host_info(trap) == store); /* it is the trap that the callback made */
  CHECK(!shunt_wasm_trap_is_interrupt(trap));
  check_origin(trap, instance, 2, 1); /* behind the count of locals */
  free(text);
  wasm_trap_t* copy = wasm_trap_copy(trap);
  CHECK(wasm_trap_same(trap, copy));
  wasm_trap_delete(trap);
  wasm_trap_delete(copy);

  text = call_trapped(func_at(&exports, 1), NULL, 0, &trap);
  CHECK_CONTAINS(text, "unreachable in function unreachable at byte 0x");
  check_origin(trap, instance, 3, 3);
  free(text);
  wasm_trap_delete(trap);

  check_trap(func_at(&exports, 2), NULL, 0, "out of bounds memory access");
  wasm_val_t zero[] = {WASM_I32_VAL(0)};
  check_trap(func_at(&exports, 3), zero, 1, "integer divide by zero");
  CHECK(call_i32(func_at(&exports, 3), 1) == 1);
  check_trap(func_at(&exports, 4), NULL, 0, "call stack exhausted");
  check_trap(func_at(&exports, 5), NULL, 0, "result 0 of a function of the host: f64, where i32 is wanted");
  wasm_extern_vec_delete(&exports);
}

/* Which of two instances of one module trapped is known where an instruction of its own did. */
static void twins(wasm_store_t* store) {
  wasm_module_t* module = module_of(store, "(module (func (export \"f\") (result i32) unreachable))");
  wasm_instance_t* instances[2];
  for (int i = 0; i < 2; ++i) {
    wasm_extern_vec_t none = WASM_EMPTY_VEC;
    instances[i] = wasm_instance_new(store, module, &none, NULL);
    CHECK(instances[i] != NULL);
  }
  for (int i = 0; i < 2; ++i) {
    wasm_extern_vec_t exports = exports_of(instances[i]);
    wasm_trap_t* trap;
    free(call_trapped(func_at(&exports, 0), NULL, 0, &trap));
    wasm_frame_t* origin = wasm_trap_origin(trap);
    CHECK(wasm_instance_same(wasm_frame_instance(origin), instances[i]));
    wasm_frame_delete(origin);
    wasm_trap_delete(trap);
    wasm_extern_vec_delete(&exports);
  }
  wasm_instance_delete(instances[0]);
  wasm_instance_delete(instances[1]);
  wasm_module_delete(module);
}

static void in_start_functions(wasm_store_t* store) {
  wasm_module_t* module = module_of(store, "(module (func $start unreachable) (start $start))");
  wasm_extern_vec_t none = WASM_EMPTY_VEC;
  wasm_trap_t* trap = NULL;
  CHECK(wasm_instance_new(store, module, &none, &trap) == NULL && trap != NULL);
  wasm_message_t message;
  wasm_trap_message(trap, &message);
  CHECK_CONTAINS(message.data, "unreachable in function start");
  wasm_frame_t* origin = wasm_trap_origin(trap);
  CHECK(origin != NULL && wasm_frame_func_index(origin) == 0);
  wasm_frame_delete(origin);
  wasm_byte_vec_delete(&message);
  wasm_trap_delete(trap);
  CHECK(wasm_instance_new(store, module, &none, NULL) == NULL); /* nobody asks why */
  wasm_module_delete(module);
}

int main(void) {
  wasm_engine_t* engine = wasm_engine_new();
  wasm_store_t* store = wasm_store_new(engine);
  wasm_functype_t* type = wasm_functype_new_0_1(wasm_valtype_new_i32());
  wasm_func_t* failing = wasm_func_new_with_env(store, type, fail, store, NULL);
  wasm_func_t* wrong = wasm_func_new(store, type, return_wrong);
  wasm_functype_delete(type);
  wasm_extern_t* imports[] = {wasm_func_as_extern(failing), wasm_func_as_extern(wrong)};
  wasm_instance_t* instance = instance_of(store, guest, imports, 2);
  in_guests(store, instance);
  check_trap(failing, NULL, 0, "the host says no"); /* no guest between */
  twins(store);
  in_start_functions(store);
  wasm_func_delete(failing);
  wasm_func_delete(wrong);
  wasm_instance_delete(instance);
  wasm_store_delete(store);
  wasm_engine_delete(engine);
  return 0;
}
