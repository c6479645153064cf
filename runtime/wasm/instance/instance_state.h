// An instance: a module's code with its own memory, tables and globals, or those that it imports.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "runtime/wasm/instance/store_state.h"
#include "runtime/wasm/module/module_state.h"
#include "shunt/runtime/flag_view.h"

namespace shunt::wasm {

// A VmContext with its own globals and the cells of flags behind it, zeroed.
class ContextBlock {
 public:
  ContextBlock(std::size_t own_globals, std::size_t flag_cells);
  [[nodiscard]] VmContext& context() const { return *reinterpret_cast<VmContext*>(block_.get()); }
  [[nodiscard]] GlobalCell& own_global(std::size_t index) const {
    return reinterpret_cast<GlobalCell*>(block_.get() + own_globals_offset)[index];
  }
  // As many as there are.
  [[nodiscard]] std::atomic<std::uint64_t>* flag_cells() const { return flag_cells_; }

 private:
  struct Free {
    void operator()(std::uint8_t* block) const;
  };
  std::unique_ptr<std::uint8_t[], Free> block_;
  std::atomic<std::uint64_t>* flag_cells_;
};

// Owned by its store; never moves. The index spaces are those of the module.
struct InstanceState {
  InstanceState(StoreState& owner, std::shared_ptr<const ModuleState> loaded);
  ~InstanceState();
  InstanceState(const InstanceState&) = delete;
  InstanceState& operator=(const InstanceState&) = delete;

  StoreState& store;
  std::shared_ptr<const ModuleState> module;
  ContextBlock block;
  std::vector<FuncRef> functions;
  std::vector<Table*> tables;
  std::vector<TableView*> table_views;
  LinearMemory* memory = nullptr;
  std::vector<GlobalCell*> globals;
  std::vector<bool> dropped_data;      // by segment
  std::vector<bool> dropped_elements;  // by segment
  flags::FlagView flags;               // the module's flags as the instance's evaluation context has them; any thread

  [[nodiscard]] const ModuleData& data() const { return *module->data; }
  // Without those that are imported.
  [[nodiscard]] std::span<FuncRef> own_functions() { return std::span(functions).subspan(data().imported_functions); }
  [[nodiscard]] std::uint64_t evaluate(const ConstExpr& expression) const;

  // The parts of memory.init and table.init that instantiation shares with compiled code. False: out of bounds, nothing
  // changed.
  bool init_memory(std::uint32_t segment, std::uint64_t to, std::uint64_t from, std::uint64_t count);
  bool init_table(std::uint32_t table, std::uint32_t segment, std::uint64_t to, std::uint64_t from,
                  std::uint64_t count);
};

// Calls a function of the instance's index space: `slots` holds the arguments and takes the results, each as one word.
// Errors: Trap, or what a host function returned.
Status call_function(InstanceState& instance, std::uint32_t function, std::uint64_t* slots);

// Indexed by Builtin.
extern const BuiltinFunction builtins[static_cast<std::size_t>(Builtin::Count_)];

}  // namespace shunt::wasm
