// What an import can be given: an exported item of an instance, or one of the host's.
#pragma once

#include <memory>
#include <string>
#include <variant>

#include "runtime/wasm/instance/instance_state.h"

namespace shunt::wasm {

struct HostDefinition {
  FunctionType type;
  std::shared_ptr<const runtime::HostFunction> function;
};
struct ExportedFunction {
  FuncRef reference;
  FunctionType type;
};
struct ExternGlobal {
  GlobalCell* cell;
  GlobalType type;
};
// Pointers into the store.
using Extern = std::variant<HostDefinition, ExportedFunction, Table*, LinearMemory*, ExternGlobal>;

// The item that an instance exports.
Extern exported(const InstanceState& instance, const ExportRecord& record);

// The owner of a function, and its reference there: the same for all references to one function.
InstanceState& owner_of(const FuncRef& reference);
FuncRef& owners_reference(const FuncRef& reference);

// Any function, whichever instance it came from, to be imported.
ExportedFunction as_import(const FuncRef& reference);

// For messages and matching; tables and memories with their present size for the minimum.
runtime::ExternType type_of(const Extern& item);

// Whether `found` may be given where `wanted` is imported (WebAssembly 2.0, 4.5.4 import matching: limits may be
// tighter, everything else is equal).
bool matches(const runtime::ExternType& wanted, const runtime::ExternType& found);

// Makes an instance of `module` from the values of its imports, in the order of ModuleData::imports, already matched;
// values of flag imports are ignored. `context`: InstanceOptions::context. Errors: those of FlagView::set_context(),
// Uninstantiable, OutOfMemory, Trap, or what a host function returned. The instance stays alive in its store even then:
// a segment may have put its functions into another instance's table.
Result<InstanceState*> make_instance(StoreState& store, std::shared_ptr<const ModuleState> module,
                                     std::span<const Extern* const> imports, std::string_view context = {});

}  // namespace shunt::wasm
