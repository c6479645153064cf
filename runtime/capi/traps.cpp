// wasm.h's traps and frames.
#include <string_view>

#include "runtime/capi/errors.h"
#include "runtime/capi/store.h"
#include "runtime/capi/types.h"
#include "runtime/capi/vectors.h"

using shunt::wasmc::guarded;
using shunt::wasmc::TrapFrame;
using shunt::wasmc::TrapObject;

struct wasm_frame_t {
  wasm_frame_t(const std::shared_ptr<shunt::wasmc::StoreObjects>& store, const TrapFrame& from) : frame(from) {
    if (frame.instance != nullptr) instance = std::make_unique<wasm_instance_t>(store, *frame.instance);
  }
  wasm_frame_t(const wasm_frame_t& other) : frame(other.frame) {
    if (other.instance) instance = std::make_unique<wasm_instance_t>(*other.instance);
  }
  wasm_frame_t& operator=(const wasm_frame_t&) = delete;

  const TrapFrame frame;
  std::unique_ptr<wasm_instance_t> instance;
};

extern "C" {

void wasm_frame_delete(wasm_frame_t* frame) {
  delete frame;
}
wasm_frame_t* wasm_frame_copy(const wasm_frame_t* frame) {
  return guarded([&] { return new wasm_frame_t(*frame); });
}
wasm_instance_t* wasm_frame_instance(const wasm_frame_t* frame) {
  return frame->instance.get();
}
uint32_t wasm_frame_func_index(const wasm_frame_t* frame) {
  return frame->frame.function;
}
size_t wasm_frame_func_offset(const wasm_frame_t* frame) {
  return frame->frame.function_offset;
}
size_t wasm_frame_module_offset(const wasm_frame_t* frame) {
  return frame->frame.module_offset;
}

wasm_trap_t* wasm_trap_new(wasm_store_t* store, const wasm_message_t* message) {
  return guarded([&] {
    std::string_view text(message->data, message->size);
    if (!text.empty() && text.back() == '\0') text.remove_suffix(1);
    return new wasm_trap_t(store->objects, std::make_shared<TrapObject>(std::string(text)));
  });
}

void wasm_trap_message(const wasm_trap_t* trap, wasm_message_t* out) {
  *out = {0, nullptr};
  const std::string& message = trap->counted->message;
  guarded([&] { *out = shunt::wasmc::name_of({message.c_str(), message.size() + 1}); });
}

wasm_frame_t* wasm_trap_origin(const wasm_trap_t* trap) {
  const std::vector<TrapFrame>& frames = trap->counted->frames;
  if (frames.empty()) return nullptr;
  return guarded([&] { return new wasm_frame_t(trap->store, frames.front()); });
}

void wasm_trap_trace(const wasm_trap_t* trap, wasm_frame_vec_t* out) {
  *out = {0, nullptr};
  const std::vector<TrapFrame>& frames = trap->counted->frames;
  guarded([&] {
    shunt::wasmc::allocate(*out, frames.size());
    for (std::size_t i = 0; i < frames.size(); ++i) {
      out->data[i] = guarded([&] { return new wasm_frame_t(trap->store, frames[i]); });
      if (out->data[i] != nullptr) continue;
      wasm_frame_vec_delete(out);  // all or none
      return;
    }
  });
}

}  // extern "C"
