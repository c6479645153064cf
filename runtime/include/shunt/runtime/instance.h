// Stores, linkers and instances: running a module.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shunt/error.h"
#include "shunt/runtime/interrupt.h"
#include "shunt/runtime/module.h"
#include "shunt/runtime/value.h"

namespace shunt::wasm {
struct StoreState;
struct InstanceState;
}  // namespace shunt::wasm

namespace shunt::runtime {

struct StoreOptions {
  std::size_t stack_bytes = std::size_t{1} << 20;           // of guest stack; overflow traps
  std::uint64_t max_memory_bytes = std::uint64_t{4} << 30;  // of each linear memory; growth beyond it fails
  std::uint64_t max_table_elements = 10'000'000;  // of all tables together, 8 bytes each; growth beyond it fails
};

// What instances that may call each other share: the guest stack, and the objects that they import from one another.
// One thread at a time; stores are independent of each other. Instances live as long as their store.
class Store {
 public:
  static Result<Store> create(const StoreOptions& options = {});
  ~Store();
  Store(Store&&) noexcept;
  Store& operator=(Store&&) noexcept;

  // To stop this store's guests from any thread (shunt/runtime/interrupt.h). The handle may be used from any thread.
  [[nodiscard]] InterruptHandle interrupt_handle() const;
  // What InterruptHandle::request_yield() has called; none: yields pass unnoticed. Not while a guest of the store runs.
  void on_yield(YieldFunction function);

  [[nodiscard]] wasm::StoreState& state() const { return *state_; }

 private:
  explicit Store(std::unique_ptr<wasm::StoreState> state);
  std::unique_ptr<wasm::StoreState> state_;
};

class Instance;

// A guest's linear memory as its host sees it. Every access is checked; views from bytes() end with the next growth.
class Memory {
 public:
  explicit Memory(wasm::InstanceState* instance = nullptr) : instance_(instance) {}
  [[nodiscard]] std::span<std::uint8_t> bytes() const;
  // Errors: InvalidArgument if the range is not inside the memory.
  Status read(std::uint64_t address, std::span<std::uint8_t> out) const;
  Status write(std::uint64_t address, std::span<const std::uint8_t> in) const;
  // address + length as a view; empty optional if not inside.
  [[nodiscard]] std::optional<std::span<std::uint8_t>> view(std::uint64_t address, std::uint64_t length) const;

 private:
  wasm::InstanceState* instance_;
};

// What a host function sees of its caller: of the instance that imported the function.
class Caller {
 public:
  explicit Caller(wasm::InstanceState* instance) : instance_(instance) {}
  [[nodiscard]] Memory memory() const { return Memory(instance_); }  // empty if the instance has none
  [[nodiscard]] Instance instance() const;

 private:
  wasm::InstanceState* instance_;
};

// Arguments in, results out (sized and typed as declared). An error ends the guest: it becomes the outcome of the
// export call that the host made. May call back into the guest. Exceptions that leave it are turned into a Trap with
// their message.
using HostFunction = std::function<Status(Caller, std::span<const Value> arguments, std::span<Value> results)>;

struct InstanceOptions {
  // The evaluation context of the instance's flags, a JSON object; empty: none of its own. As Instance::set_context(),
  // before anything of the instance runs.
  std::string_view context;
};

// Names that instances import. Not thread-safe; may be used for many instances of one store, and must not outlive it.
class Linker {
 public:
  explicit Linker(Store& store);
  ~Linker();
  Linker(Linker&&) noexcept;
  Linker& operator=(Linker&&) noexcept;

  // A later definition of the same name replaces the earlier one.
  void define_function(std::string_view module, std::string_view name, FunctionType type, HostFunction function);
  // All exports of an instance, under `module`.
  void define_instance(std::string_view module, const Instance& instance);
  // A host's memory, table or global.
  Status define_memory(std::string_view module, std::string_view name, MemoryType type);
  Status define_table(std::string_view module, std::string_view name, TableType type);
  Status define_global(std::string_view module, std::string_view name, GlobalType type, Value value);

  // Links, allocates, applies segments, runs the start function. Imports of module "flags" need no definition. Errors:
  // Unlinkable (message names the import, and both types), Uninstantiable, Trap, Interrupted; InvalidArgument if the
  // store has a module of another engine; those of Instance::set_context().
  Result<Instance> instantiate(const Module& module, const InstanceOptions& options = {});

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Handle to an instance that its store owns. Cheap to copy; ends with its store. One made by default refers to none and
// must not be used.
class Instance {
 public:
  explicit Instance(wasm::InstanceState* state = nullptr) : state_(state) {}

  // Calls an exported function. Host functions that the guest called may call, too; then the calls share the guest's
  // stack. Errors: InvalidArgument (no such export, wrong arguments), Trap or Interrupted (message: what, function,
  // byte offset in the module), or what a host function returned.
  Result<std::vector<Value>> call(std::string_view export_name, std::span<const Value> arguments = {});
  [[nodiscard]] std::optional<FunctionType> function_type(std::string_view export_name) const;

  // The memory exported as "memory", or the instance's only one.
  [[nodiscard]] Memory memory() const { return Memory(state_); }
  [[nodiscard]] Result<Value> global(std::string_view export_name) const;
  Status set_global(std::string_view export_name, Value value);

  // The evaluation context of the instance's flags: a JSON object whose members are put over those of the flag set's
  // context; empty text for none of its own. Every read of a flag by this instance that begins after this returned
  // gives what the definitions say for the new context; other instances are not affected. Errors: InvalidArgument (not
  // an object, its targetingKey no string, too large), or the engine's: then nothing has changed, except after
  // SerialisationFailed, when the context is in force and Engine::resynchronise() completes it. From any thread, also
  // while the instance runs, as long as its store lives; blocks.
  Status set_context(std::string_view json);

  [[nodiscard]] wasm::InstanceState* state() const { return state_; }

 private:
  wasm::InstanceState* state_;
};

}  // namespace shunt::runtime
