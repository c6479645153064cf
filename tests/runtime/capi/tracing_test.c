/* Traces of guests' functions. */
#include <unistd.h>

#include "tests/runtime/capi/check.h"

static const char* const guest =
    "(module (func $leaf (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))"
    " (func $other (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))"
    " (func (export \"run\") (param i32) (result i32) (call $other (call $leaf (local.get 0)))))";

static size_t occurrences(const char* text, const char* part) {
  size_t count = 0;
  for (const char* at = strstr(text, part); at != NULL; at = strstr(at + 1, part)) ++count;
  return count;
}

/* The trace as text, which is the caller's to free. */
static char* written(const shunt_wasm_trace_t* trace) {
  wasm_byte_vec_t bytes;
  CHECK(shunt_wasm_trace_write(trace, &bytes));
  char* text = calloc(bytes.size + 1, 1);
  CHECK(text != NULL);
  memcpy(text, bytes.data, bytes.size);
  wasm_byte_vec_delete(&bytes);
  return text;
}

int main(void) {
  wasm_config_t* config = wasm_config_new();
  shunt_wasm_config_set_traceable(config, true);
  wasm_engine_t* engine = wasm_engine_new_with_config(config);
  wasm_store_t* store = wasm_store_new(engine);
  wasm_module_t* module = module_of(store, guest);
  wasm_instance_t* instance = wasm_instance_new(store, module, NULL, NULL);
  CHECK(instance != NULL);
  wasm_extern_vec_t exports = exports_of(instance);
  const wasm_func_t* run = func_at(&exports, 0);

  shunt_wasm_trace_t* trace = shunt_wasm_trace_new(engine, 0);
  CHECK(trace != NULL);
  CHECK(call_i32(run, 1) == 4); /* before it begins */
  const char* patterns[] = {"leaf", "r?n"};
  size_t functions = 0;
  CHECK(shunt_wasm_trace_begin(trace, module, patterns, 2, &functions));
  CHECK(functions == 2);
  for (int32_t i = 0; i < 3; ++i) CHECK(call_i32(run, i) == 2 * (i + 1));
  const char* missing[] = {"nobody"};
  CHECK(!shunt_wasm_trace_begin(trace, module, missing, 1, NULL));
  CHECK_CONTAINS(shunt_wasm_error_message(), "nobody");
  CHECK(shunt_wasm_trace_stop(trace));
  CHECK(call_i32(run, 1) == 4); /* after it has stopped */
  CHECK(shunt_wasm_trace_events(trace) == 12 && shunt_wasm_trace_lost(trace) == 0);

  char* text = written(trace);
  CHECK_CONTAINS(text, "traceEvents");
  CHECK(occurrences(text, "\"leaf\"") == 3);
  CHECK(occurrences(text, "\"run\"") == 3);
  CHECK(occurrences(text, "\"other\"") == 0);

  char path[] = "/tmp/shunt_wasm_trace_XXXXXX";
  const int descriptor = mkstemp(path);
  CHECK(descriptor >= 0 && close(descriptor) == 0);
  CHECK(shunt_wasm_trace_write_file(trace, path));
  FILE* file = fopen(path, "r");
  CHECK(file != NULL);
  char* from_file = calloc(strlen(text) + 2, 1);
  CHECK(from_file != NULL);
  CHECK(fread(from_file, 1, strlen(text) + 1, file) == strlen(text));
  CHECK(fclose(file) == 0 && strcmp(text, from_file) == 0);
  unlink(path);
  free(from_file);
  free(text);
  CHECK(!shunt_wasm_trace_write_file(trace, "/nonexistent/trace.json"));
  CHECK_CONTAINS(shunt_wasm_error_message(), "/nonexistent/trace.json");

  /* A module of an engine that was not configured for it. */
  wasm_engine_t* plain = wasm_engine_new();
  wasm_store_t* plain_store = wasm_store_new(plain);
  wasm_module_t* plain_module = module_of(plain_store, guest);
  shunt_wasm_trace_t* plain_trace = shunt_wasm_trace_new(plain, 1 << 20);
  CHECK(!shunt_wasm_trace_begin(plain_trace, plain_module, patterns, 2, NULL));
  CHECK(!shunt_wasm_trace_begin(trace, plain_module, patterns, 2, NULL));
  CHECK_CONTAINS(shunt_wasm_error_message(), "another engine");
  shunt_wasm_trace_delete(plain_trace);
  wasm_module_delete(plain_module);
  wasm_store_delete(plain_store);
  wasm_engine_delete(plain);

  wasm_extern_vec_delete(&exports);
  wasm_instance_delete(instance);
  wasm_module_delete(module);
  wasm_store_delete(store);
  wasm_engine_delete(engine);
  shunt_wasm_trace_delete(trace); /* it keeps the engine */
  return 0;
}
