#include "runtime/capi/store.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "runtime/capi/body_offset.h"
#include "runtime/capi/errors.h"

namespace shunt::wasmc {

using runtime::ValueType;

Result<std::shared_ptr<StoreObjects>> StoreObjects::create(std::shared_ptr<SharedEngine> engine) {
  Result<runtime::Store> store = runtime::Store::create(engine->config().store);
  if (!store) return std::move(store).error();
  return std::shared_ptr<StoreObjects>(new StoreObjects(std::move(engine), std::move(*store)));
}

HostInfo* StoreObjects::find_host_info(const void* object) {
  const auto found = infos_.find(object);
  return found == infos_.end() ? nullptr : &found->second;
}

std::uint64_t StoreObjects::word_of(const wasm_ref_t* ref) {
  if (ref == nullptr) return 0;
  std::unique_ptr<wasm_ref_t>& held = held_[ref->object];
  if (!held) {
    try {
      held.reset(ref->clone());
    } catch (...) {
      held_.erase(ref->object);
      throw;
    }
    held->store.reset();
  }
  return reinterpret_cast<std::uintptr_t>(held.get());
}

std::unique_ptr<wasm_ref_t> StoreObjects::reference_of(std::uint64_t word) {
  if (word == 0) return nullptr;
  std::unique_ptr<wasm_ref_t> ref(reinterpret_cast<const wasm_ref_t*>(static_cast<std::uintptr_t>(word))->clone());
  ref->store = shared_from_this();
  return ref;
}

void StoreObjects::tidy() {
  if (held_.size() < next_tidying_ || state().depth != 0) return;
  std::unordered_set<std::uint64_t> words;
  const auto see = [&words](const wasm::GlobalCell& cell, const runtime::GlobalType& type) {
    if (type.type == ValueType::ExternRef) words.insert(cell.bits[0]);
  };
  for (const wasm::ExternGlobal& global : host_globals_) see(*global.cell, global.type);
  for (const auto& instance : state().instances) {
    // One that could not be made may lack its globals.
    for (std::size_t i = 0; i < instance->globals.size(); ++i)
      see(*instance->globals[i], instance->data().globals[i].type);
  }
  for (const auto& table : state().owned_tables) {
    if (table->type().element != ValueType::ExternRef) continue;
    const wasm::TableView& view = table->view();
    words.insert(view.elements, view.elements + view.size);
  }
  // Ended below, when the map is in order again: the host's finalizers may call us.
  std::vector<std::unique_ptr<wasm_ref_t>> given_up;
  given_up.reserve(held_.size());
  for (auto one = held_.begin(); one != held_.end();) {
    if (words.contains(reinterpret_cast<std::uintptr_t>(one->second.get()))) {
      ++one;
      continue;
    }
    given_up.push_back(std::move(one->second));
    one = held_.erase(one);
  }
  next_tidying_ = std::max<std::size_t>(1024, 2 * held_.size());
}

std::optional<TrapFrame> StoreObjects::innermost_frame() const {
  const wasm::TrapPlace& place = state().stopped_at;
  if (place.module == nullptr || !place.function || !place.module_offset) return std::nullopt;
  TrapFrame frame{.instance = place.instance,
                  .function = *place.function,
                  .function_offset = 0,
                  .module_offset = *place.module_offset};
  if (const auto bytes = bytes_.find(place.module); bytes != bytes_.end()) {
    const std::uint32_t imported = place.module->data->imported_functions;
    if (const auto body = body_offset(*bytes->second, *place.function - imported))
      frame.function_offset = *place.module_offset - static_cast<std::uint32_t>(*body);
  }
  if (frame.instance != nullptr) return frame;
  // The only instance of the module, if there is but one.
  for (const auto& instance : state().instances) {
    if (instance->module.get() != place.module) continue;
    if (frame.instance != nullptr) {
      frame.instance = nullptr;
      break;
    }
    frame.instance = instance.get();
  }
  return frame;
}

std::shared_ptr<TrapObject> StoreObjects::trap_for(const Error& error) {
  std::shared_ptr<TrapObject> trap = std::exchange(pending_trap, nullptr);
  if (!trap || trap->message != error.message()) trap = std::make_shared<TrapObject>(error.message());
  trap->interrupted = trap->interrupted || error.code() == ErrorCode::Interrupted;
  if (trap->frames.empty()) {
    if (const std::optional<TrapFrame> frame = innermost_frame()) trap->frames.push_back(*frame);
  }
  return trap;
}

}  // namespace shunt::wasmc

using shunt::wasmc::guarded;
using shunt::wasmc::StoreObjects;

extern "C" {

wasm_store_t* wasm_store_new(wasm_engine_t* engine) {
  return guarded([&]() -> wasm_store_t* {
    shunt::Result<std::shared_ptr<StoreObjects>> objects = StoreObjects::create(engine->shared);
    if (objects) return new wasm_store_t{std::move(*objects)};
    shunt::wasmc::keep_error(objects.error());
    return nullptr;
  });
}
void wasm_store_delete(wasm_store_t* store) {
  delete store;
}

}  // extern "C"
