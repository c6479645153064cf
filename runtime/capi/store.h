// A store of wasm.h: the runtime's store, what hosts attached to its objects, and the references that its guests hold.
//
// A guest holds a reference to a host's object as a word. Behind each word stands a handle of the store's own; words
// are equal if and only if the objects are. The handles whose words no table and no global holds are given up from time
// to time, between calls, when no frame of a guest can hold one.
//
// One thread at a time, as everything of a store.
#pragma once

#include <wasm.h>

#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "runtime/capi/references.h"

namespace shunt::wasmc {

class StoreObjects : public std::enable_shared_from_this<StoreObjects> {
 public:
  // Errors: those of Store::create().
  static Result<std::shared_ptr<StoreObjects>> create(std::shared_ptr<SharedEngine> engine);

  ~StoreObjects() {
    store_.on_yield({});
  }  // handles of interruption may outlive the store, what a yield calls does not
  StoreObjects(const StoreObjects&) = delete;
  StoreObjects& operator=(const StoreObjects&) = delete;

  [[nodiscard]] SharedEngine& engine() const { return *engine_; }
  [[nodiscard]] const std::shared_ptr<SharedEngine>& shared_engine() const { return engine_; }
  [[nodiscard]] wasm::StoreState& state() const { return store_.state(); }
  [[nodiscard]] runtime::Store& runtime_store() { return store_; }

  HostInfo& host_info(const void* object) { return infos_[object]; }
  // Null if there is none.
  HostInfo* find_host_info(const void* object);

  // A handle as the word that guests hold, and back. Null is zero.
  std::uint64_t word_of(const wasm_ref_t* ref);
  std::unique_ptr<wasm_ref_t> reference_of(std::uint64_t word);

  // Whose words are searched, beside those of instances.
  void add_host_global(const wasm::ExternGlobal& global) { host_globals_.push_back(global); }

  // Before it is instantiated here: to say where in a function a guest stopped.
  void note(const ModuleObject& module) { bytes_.insert_or_assign(module.module.state().get(), module.bytes); }

  // Gives up what no guest holds, if there is reason to, and no call is in progress.
  void tidy();
  [[nodiscard]] std::size_t references_held() const { return held_.size(); }

  // What a callback returned, until the call of the guest returns it.
  std::shared_ptr<TrapObject> pending_trap;

  // The trap for an error; with the place where the guest stopped if it comes from a call.
  std::shared_ptr<TrapObject> trap_for(const Error& error);

 private:
  StoreObjects(std::shared_ptr<SharedEngine> engine, runtime::Store store)
      : engine_(std::move(engine)), store_(std::move(store)) {}

  [[nodiscard]] std::optional<TrapFrame> innermost_frame() const;

  // In the order in which they may end: what is called when objects end comes last.
  std::shared_ptr<SharedEngine> engine_;
  std::unordered_map<const void*, HostInfo> infos_;                    // of objects that live as long as the store
  std::unordered_map<const void*, std::unique_ptr<wasm_ref_t>> held_;  // by object; without a reference to the store
  std::unordered_map<const wasm::ModuleState*, std::shared_ptr<const std::vector<std::uint8_t>>> bytes_;
  std::vector<wasm::ExternGlobal> host_globals_;
  std::size_t next_tidying_ = 1024;  // when there are as many
  runtime::Store store_;
};

}  // namespace shunt::wasmc

struct wasm_store_t {
  std::shared_ptr<shunt::wasmc::StoreObjects> objects;
};
