// shunt_wasm.h: configuration, and modules from text.
#include <algorithm>
#include <string>

#include "runtime/capi/engine.h"
#include "runtime/capi/errors.h"
#include "runtime/capi/vectors.h"
#include "shunt/runtime/c/shunt_wasm.h"
#include "shunt/runtime/module_file.h"

namespace {

shunt::runtime::Tier tier_of(shunt_wasm_tier tier) {
  switch (tier) {
    case SHUNT_WASM_OPTIMISING:
      return shunt::runtime::Tier::Optimising;
    case SHUNT_WASM_AUTO:
      return shunt::runtime::Tier::Auto;
    case SHUNT_WASM_BASELINE:
      break;
  }
  return shunt::runtime::Tier::Baseline;
}

}  // namespace

extern "C" {

bool shunt_wasm_has_tier(shunt_wasm_tier tier) {
  return tier == SHUNT_WASM_BASELINE || shunt::runtime::has_optimising_tier();
}
void shunt_wasm_config_set_tier(wasm_config_t* config, shunt_wasm_tier tier) {
  config->module.tier = tier_of(tier);
}
void shunt_wasm_config_set_interruptible(wasm_config_t* config, bool interruptible) {
  config->module.interruptible = interruptible;
}
void shunt_wasm_config_set_traceable(wasm_config_t* config, bool traceable) {
  config->module.traceable = traceable;
}
void shunt_wasm_config_use_process_engine(wasm_config_t* config) {
  config->process_engine = true;
}
void shunt_wasm_config_set_flip_limit(wasm_config_t* config, uint32_t changes) {
  config->engine.flip_limit = changes;
}
void shunt_wasm_config_set_stack_bytes(wasm_config_t* config, size_t bytes) {
  config->store.stack_bytes = bytes;
}
void shunt_wasm_config_set_max_memory_bytes(wasm_config_t* config, uint64_t bytes) {
  config->store.max_memory_bytes = bytes;
}
void shunt_wasm_config_set_max_table_elements(wasm_config_t* config, uint64_t elements) {
  config->store.max_table_elements = elements;
}

bool shunt_wasm_assemble(const char* text, size_t length, wasm_byte_vec_t* out) {
  *out = {0, nullptr};
  return shunt::wasmc::guarded([&] {
    const auto bytes = shunt::runtime::assemble({text, length}, "<text>");
    if (!bytes) {
      shunt::wasmc::keep_error(bytes.error());
      return false;
    }
    shunt::wasmc::allocate(*out, bytes->size());
    std::copy(bytes->begin(), bytes->end(), reinterpret_cast<std::uint8_t*>(out->data));
    return true;
  });
}

}  // extern "C"
