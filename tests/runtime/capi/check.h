/* What the C programs here share: checks that end the program, and guests from text. */
#ifndef SHUNT_TESTS_RUNTIME_CAPI_CHECK_H
#define SHUNT_TESTS_RUNTIME_CAPI_CHECK_H

#include <shunt/runtime/c/shunt_wasm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wasm.h>

#define CHECK(condition)                                                                      \
  do {                                                                                        \
    if (!(condition)) {                                                                       \
      fprintf(stderr, "%s:%d: not so: %s (last error: %s)\n", __FILE__, __LINE__, #condition, \
              shunt_wasm_error_message());                                                    \
      exit(1);                                                                                \
    }                                                                                         \
  } while (0)

#define CHECK_CONTAINS(text, part)                                                         \
  do {                                                                                     \
    if (strstr(text, part) == NULL) {                                                      \
      fprintf(stderr, "%s:%d: \"%s\" is not in \"%s\"\n", __FILE__, __LINE__, part, text); \
      exit(1);                                                                             \
    }                                                                                      \
  } while (0)

static inline wasm_byte_vec_t binary_of(const char* text) {
  wasm_byte_vec_t bytes;
  CHECK(shunt_wasm_assemble(text, strlen(text), &bytes));
  return bytes;
}

static inline wasm_module_t* module_of(wasm_store_t* store, const char* text) {
  wasm_byte_vec_t bytes = binary_of(text);
  wasm_module_t* module = wasm_module_new(store, &bytes);
  wasm_byte_vec_delete(&bytes);
  CHECK(module != NULL);
  return module;
}

/* An instance of the text; imports are the caller's. */
static inline wasm_instance_t* instance_of(wasm_store_t* store, const char* text, wasm_extern_t** imports,
                                           size_t count) {
  wasm_module_t* module = module_of(store, text);
  wasm_extern_vec_t vec = {count, imports};
  wasm_trap_t* trap = NULL;
  wasm_instance_t* instance = wasm_instance_new(store, module, &vec, &trap);
  CHECK(instance != NULL);
  CHECK(trap == NULL);
  wasm_module_delete(module);
  return instance;
}

static inline wasm_extern_vec_t exports_of(const wasm_instance_t* instance) {
  wasm_extern_vec_t exports;
  wasm_instance_exports(instance, &exports);
  return exports;
}

/* The exports of an instance of the text, which is itself given up: they keep it. */
static inline wasm_extern_vec_t exports_of_text(wasm_store_t* store, const char* text, wasm_extern_t** imports,
                                                size_t count) {
  wasm_instance_t* instance = instance_of(store, text, imports, count);
  wasm_extern_vec_t exports = exports_of(instance);
  wasm_instance_delete(instance);
  return exports;
}

static inline wasm_func_t* func_at(const wasm_extern_vec_t* exports, size_t index) {
  CHECK(index < exports->size);
  wasm_func_t* func = wasm_extern_as_func(exports->data[index]);
  CHECK(func != NULL);
  return func;
}

/* Calls that return. */
static inline wasm_val_t call(const wasm_func_t* func, wasm_val_t* arguments, size_t count) {
  wasm_val_t result = WASM_INIT_VAL;
  wasm_val_vec_t in = {count, arguments};
  wasm_val_vec_t out = {1, &result};
  wasm_trap_t* trap = wasm_func_call(func, &in, &out);
  CHECK(trap == NULL);
  return result;
}

static inline int32_t call_i32(const wasm_func_t* func, int32_t argument) {
  wasm_val_t arguments[] = {WASM_I32_VAL(argument)};
  return call(func, arguments, wasm_func_param_arity(func)).of.i32;
}

/* A call that does not return. The message is the caller's to free. */
static inline char* call_trapped(const wasm_func_t* func, wasm_val_t* arguments, size_t count, wasm_trap_t** trap_out) {
  wasm_val_t result = WASM_INIT_VAL;
  wasm_val_vec_t in = {count, arguments};
  wasm_val_vec_t out = {1, &result};
  wasm_trap_t* trap = wasm_func_call(func, &in, &out);
  CHECK(trap != NULL);
  wasm_message_t message;
  wasm_trap_message(trap, &message);
  CHECK(message.size > 0 && message.data[message.size - 1] == '\0');
  char* text = malloc(message.size);
  CHECK(text != NULL);
  memcpy(text, message.data, message.size);
  wasm_byte_vec_delete(&message);
  if (trap_out != NULL) {
    *trap_out = trap;
  } else {
    wasm_trap_delete(trap);
  }
  return text;
}

static inline void check_trap(const wasm_func_t* func, wasm_val_t* arguments, size_t count, const char* part) {
  char* text = call_trapped(func, arguments, count, NULL);
  CHECK_CONTAINS(text, part);
  free(text);
}

#endif
