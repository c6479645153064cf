/* A WebAssembly guest with a live flag, in C by the standard wasm.h; shunt_wasm.h adds the flag and the deadline.
 * Builds against the installed library alone: cc 09_wasm_in_c.c $(pkg-config --cflags --libs shunt-wasm-c) */
#include <shunt/runtime/c/shunt_wasm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wasm.h>

static const char* const guest =
    "(module"
    "  (import \"host\" \"print\" (func $print (param i32)))"
    "  (import \"flags\" \"discount\" (func $discount (result i32)))" /* a patch site, not a call */
    "  (func (export \"price\") (param i32)"
    "    (call $print (i32.sub (local.get 0) (call $discount))))"
    "  (func (export \"spin\") (local i32) (loop $l (local.set 0 (i32.eqz (local.get 0))) (br_if $l (local.get 0)) (br "
    "$l))))";

static void fail(const char* what) {
  fprintf(stderr, "%s: %s\n", what, shunt_wasm_error_message());
  exit(1);
}

static wasm_trap_t* print(void* env, const wasm_val_vec_t* arguments, wasm_val_vec_t* results) {
  (void)results;
  *(int32_t*)env = arguments->data[0].of.i32;
  printf("the guest says %d\n", *(int32_t*)env);
  return NULL;
}

int main(void) {
  wasm_engine_t* engine = wasm_engine_new();
  if (engine == NULL) fail("engine");
  wasm_store_t* store = wasm_store_new(engine);
  if (store == NULL) fail("store");

  wasm_byte_vec_t bytes;
  if (!shunt_wasm_assemble(guest, strlen(guest), &bytes)) fail("guest");
  wasm_module_t* module = wasm_module_new(store, &bytes);
  wasm_byte_vec_delete(&bytes);
  if (module == NULL) fail("module");

  /* One import is ours to give; the flag takes no place. */
  int32_t said = 0;
  wasm_functype_t* type = wasm_functype_new_1_0(wasm_valtype_new_i32());
  wasm_func_t* function = wasm_func_new_with_env(store, type, print, &said, NULL);
  wasm_functype_delete(type);
  wasm_extern_t* items[] = {wasm_func_as_extern(function)};
  wasm_extern_vec_t imports = WASM_ARRAY_VEC(items);
  wasm_instance_t* instance = wasm_instance_new(store, module, &imports, NULL);
  if (instance == NULL) fail("instance");
  wasm_extern_vec_t exports;
  wasm_instance_exports(instance, &exports);
  const wasm_func_t* price = wasm_extern_as_func(exports.data[0]);
  const wasm_func_t* spin = wasm_extern_as_func(exports.data[1]);

  /* The flag is flipped while the code stays where it is. */
  wasm_val_t hundred[] = {WASM_I32_VAL(100)};
  wasm_val_vec_t arguments = WASM_ARRAY_VEC(hundred), none = WASM_EMPTY_VEC;
  for (int32_t discount = 0; discount <= 20; discount += 20) {
    if (!shunt_wasm_flag_set_int(engine, "discount", discount)) fail("flag");
    if (wasm_func_call(price, &arguments, &none) != NULL) fail("price");
    if (said != 100 - discount) return 1;
  }

  /* A guest that does not end is ended. */
  shunt_wasm_interrupt_t* interrupt = shunt_wasm_interrupt_new(store);
  if (!shunt_wasm_interrupt_set_deadline(interrupt, 10 * 1000 * 1000)) fail("deadline");
  wasm_trap_t* trap = wasm_func_call(spin, &none, &none);
  if (trap == NULL || !shunt_wasm_trap_is_interrupt(trap)) return 1;
  printf("stopped: %s\n", shunt_wasm_error_message());

  wasm_trap_delete(trap);
  shunt_wasm_interrupt_delete(interrupt);
  wasm_extern_vec_delete(&exports);
  wasm_instance_delete(instance);
  wasm_func_delete(function);
  wasm_module_delete(module);
  wasm_store_delete(store);
  wasm_engine_delete(engine);
  return 0;
}
