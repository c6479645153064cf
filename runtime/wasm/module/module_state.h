// What a loaded module is made of: its data, its machine code, and the flags that it reads.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "runtime/wasm/baseline/baseline.h"
#include "runtime/wasm/breakpoints/breakpoints.h"
#include "runtime/wasm/control/control_keys.h"
#include "runtime/wasm/module/module_data.h"
#include "runtime/wasm/speculation/module_assumptions.h"
#include "runtime/wasm/tiers/tiers.h"
#include "runtime/wasm/tracing/module_tracing.h"
#include "shunt/runtime/flag_view.h"

namespace shunt::wasm {

inline constexpr std::string_view flags_module = "flags";  // imports from here are reads of feature flags

// Immutable once loaded but for `tiers`, `tracing` and `breakpoints`, so instances on any thread share it. Its code's
// sites belong to keys of the flag set that it was loaded with, which must outlive it.
struct ModuleState {
  ModuleState() = default;
  ~ModuleState();
  ModuleState(const ModuleState&) = delete;
  ModuleState& operator=(const ModuleState&) = delete;

  std::unique_ptr<ModuleData> data;
  flags::FlagSet* flags = nullptr;
  std::vector<FlagImport> flag_imports;            // one per imported function
  flags::ViewedFlags viewed_flags;                 // what they read, by imported function
  std::unique_ptr<ControlKeys> control;            // ends after `code`, whose sites belong to them
  std::unique_ptr<ModuleTracing> tracing;          // ends after `code` likewise; null: it is not traceable
  std::unique_ptr<ModuleAssumptions> assumptions;  // ends after `tiers`, whose code has their sites; null like it
  std::unique_ptr<Tiers> tiers;  // ends after `code`, whose entries lead to it; null: the baseline tier alone
  std::unique_ptr<Breakpoints> breakpoints;  // likewise; null: the module is not debuggable
  std::unique_ptr<BaselineCode> code;
  std::vector<std::uint32_t> canonical_types;                         // by type index
  std::unordered_map<std::string_view, const ExportRecord*> exports;  // by name; points into `data`
  runtime::CompileStats stats;

  [[nodiscard]] const ExportRecord* find_export(std::string_view name) const;
  [[nodiscard]] const std::uint8_t* entry(std::uint32_t defined_function) const {
    return code->code.data() + code->entries[defined_function];
  }
  // The code of the baseline tier that holds `pc`: the module's, or a debug version's; or null. Async-signal-safe.
  [[nodiscard]] const BaselineCode* baseline_code_at(std::uintptr_t pc) const noexcept {
    if (pc - reinterpret_cast<std::uintptr_t>(code->code.data()) < code->code.size()) return code.get();
    return breakpoints ? breakpoints->find(pc) : nullptr;
  }
};

[[nodiscard]] inline std::uint32_t code_offset(const BaselineCode& code, std::uintptr_t pc) noexcept {
  return static_cast<std::uint32_t>(pc - reinterpret_cast<std::uintptr_t>(code.code.data()));
}

// The trap site at exactly this code offset, or null. Async-signal-safe.
const TrapSite* find_trap_site(const BaselineCode& code, std::uint32_t offset);

// The index of the function whose code holds this offset, or nothing (thunks, stubs).
std::optional<std::uint32_t> find_function(const BaselineCode& code, std::uint32_t offset);

// The type of an item, for messages and for linking.
runtime::ExternType extern_type(const ModuleData& module, ExternKind kind, std::uint32_t index);

}  // namespace shunt::wasm
