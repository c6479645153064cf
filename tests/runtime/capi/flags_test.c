/* Flags of an engine, its configuration, and what is said when something is wrong. */
#include <shunt/shunt.h>
#include <stdatomic.h>
#include <unistd.h>

#include "tests/runtime/capi/check.h"

static const char* const reader =
    "(module (import \"flags\" \"on\" (func $on (result i32))) (import \"flags\" \"size\" (func $size (result i64)))"
    " (import \"flags\" \"ratio\" (func $ratio (result f64)))"
    " (import \"flags\" \"name\" (func $name (param i32 i32) (result i32)))"
    " (import \"env\" \"base\" (global $base i32)) (memory (export \"m\") 1)"
    " (func (export \"on\") (result i32) (if (result i32) (call $on) (then (global.get $base)) (else (i32.const -1))))"
    " (func (export \"size\") (result i64) (call $size)) (func (export \"ratio\") (result f64) (call $ratio))"
    " (func (export \"name\") (result i32) (call $name (i32.const 0) (i32.const 16))))";

static bool load(wasm_engine_t* engine, const char* json) {
  return shunt_wasm_flags_load(engine, json, strlen(json), "test.json");
}

static void values(wasm_engine_t* engine) {
  wasm_store_t* store = wasm_store_new(engine);
  wasm_globaltype_t* type = wasm_globaltype_new(wasm_valtype_new_i32(), WASM_CONST);
  wasm_val_t base = WASM_I32_VAL(30);
  wasm_global_t* global = wasm_global_new(store, type, &base);
  wasm_globaltype_delete(type);
  wasm_extern_t* imports[] = {wasm_global_as_extern(global)}; /* the one that is the host's to give */
  wasm_extern_vec_t exports = exports_of_text(store, reader, imports, 1);
  wasm_global_delete(global);
  CHECK(call_i32(func_at(&exports, 1), 0) == -1);

  CHECK(load(engine,
             "{\"flags\": {\"on\": {\"state\": \"ENABLED\", \"variants\": {\"yes\": true, \"no\": false},"
             " \"defaultVariant\": \"yes\"}}}"));
  CHECK(call_i32(func_at(&exports, 1), 0) == 30);
  CHECK(shunt_wasm_flag_set_bool(engine, "on", false) && call_i32(func_at(&exports, 1), 0) == -1);
  CHECK(shunt_wasm_flag_set_int(engine, "size", -5) && call(func_at(&exports, 2), NULL, 0).of.i64 == -5);
  CHECK(shunt_wasm_flag_set_double(engine, "ratio", 0.25) && call(func_at(&exports, 3), NULL, 0).of.f64 == 0.25);
  CHECK(shunt_wasm_flag_set_string(engine, "name", "blue") && call_i32(func_at(&exports, 4), 0) == 4);
  CHECK(memcmp(wasm_memory_data(wasm_extern_as_memory(exports.data[0])), "blue", 4) == 0);

  CHECK(!load(engine, "{\"flags\": {\"on\":"));
  CHECK_CONTAINS(shunt_wasm_error_message(), "test.json");
  CHECK(!shunt_wasm_flag_set_string(engine, "on", "text")); /* a reader asked for another type */
  CHECK(call_i32(func_at(&exports, 1), 0) == -1);
  wasm_extern_vec_delete(&exports);
  wasm_store_delete(store);
}

static atomic_int versions, errors;

static void changed(void* env, const char* error) {
  CHECK(env == &versions);
  atomic_fetch_add(error == NULL ? &versions : &errors, 1);
}

static void write_file(const char* path, const char* text) {
  char temporary[300];
  snprintf(temporary, sizeof temporary, "%s.new", path);
  FILE* file = fopen(temporary, "w");
  CHECK(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
  CHECK(rename(temporary, path) == 0);
}

static void files(wasm_engine_t* engine) {
  char path[] = "/tmp/shunt_wasm_flags_XXXXXX";
  const int descriptor = mkstemp(path);
  CHECK(descriptor >= 0 && close(descriptor) == 0);
  CHECK(!shunt_wasm_flags_load_file(engine, "/nonexistent/flags.json"));
  CHECK_CONTAINS(shunt_wasm_error_message(), "/nonexistent/flags.json");
  write_file(path, "{\"flags\": {}}");
  CHECK(shunt_wasm_flags_load_file(engine, path));
  CHECK(shunt_wasm_flags_watch_file(engine, path, changed, &versions));
  write_file(path,
             "{\"flags\": {\"x\": {\"state\": \"ENABLED\", \"variants\": {\"a\": 1}, \"defaultVariant\": \"a\"}}}");
  while (atomic_load(&versions) == 0) usleep(1000);
  write_file(path, "not JSON");
  while (atomic_load(&errors) == 0) usleep(1000);
  unlink(path);
}

static void configuration(void) {
  wasm_config_t* config = wasm_config_new();
  shunt_wasm_config_use_process_engine(config);
  shunt_wasm_config_set_interruptible(config, false);
  shunt_wasm_config_set_flip_limit(config, 10);
  shunt_wasm_config_set_stack_bytes(config, 128 << 10);
  shunt_wasm_config_set_max_memory_bytes(config, 3 << 16);
  shunt_wasm_config_set_max_table_elements(config, 10);
  if (shunt_wasm_has_tier(SHUNT_WASM_OPTIMISING)) shunt_wasm_config_set_tier(config, SHUNT_WASM_OPTIMISING);
  wasm_engine_t* engine = wasm_engine_new_with_config(config);
  CHECK(engine != NULL);
  wasm_store_t* store = wasm_store_new(engine);
  wasm_extern_vec_t exports = exports_of_text(
      store,
      "(module (memory 1) (table 9 funcref) (func (export \"memory\") (param i32) (result i32)"
      " (memory.grow (local.get 0)))"
      " (func (export \"table\") (param i32) (result i32) (table.grow 0 (ref.null func) (local.get 0))))",
      NULL, 0);
  CHECK(call_i32(func_at(&exports, 0), 3) == -1 && call_i32(func_at(&exports, 0), 2) == 1);
  CHECK(call_i32(func_at(&exports, 1), 2) == -1 && call_i32(func_at(&exports, 1), 1) == 9);
  wasm_extern_vec_delete(&exports);
  wasm_store_delete(store);
  wasm_engine_delete(engine);
  shunt_engine* process = NULL;
  CHECK(shunt_engine_process(&process) == SHUNT_OK); /* it is still there */

  config = wasm_config_new();
  wasm_config_delete(config);
  config = wasm_config_new();
  shunt_wasm_config_set_stack_bytes(config, 1);
  engine = wasm_engine_new_with_config(config);
  CHECK(wasm_store_new(engine) == NULL);
  CHECK(strlen(shunt_wasm_error_message()) > 0);
  wasm_engine_delete(engine);
}

int main(void) {
  CHECK(strcmp(shunt_wasm_error_message(), "") == 0);
  CHECK(shunt_wasm_has_tier(SHUNT_WASM_BASELINE));
  wasm_engine_t* engine = wasm_engine_new();
  values(engine);
  files(engine);
  wasm_engine_delete(engine);
  configuration();
  return 0;
}
