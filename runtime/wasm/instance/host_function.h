// Host functions as compiled code calls them.
#pragma once

#include <cstdint>
#include <memory>

#include "runtime/wasm/instance/vm_context.h"
#include "shunt/runtime/instance.h"

namespace shunt::wasm {

// A host function bound to the instance that imported it. Its address is stable: FuncRefs point to `context`, and
// `context.host` points back here. Owned by the store.
struct HostBinding {
  VmContext context{};
  const runtime::FunctionType* type = nullptr;  // of the importing module
  std::shared_ptr<const runtime::HostFunction> function;
  std::string name;          // of the import, for messages
  std::uint32_t import = 0;  // function index in the importing module
};

// The HostCallFunction of all host functions. Exceptions end here, as Trap errors.
std::uint32_t call_host_function(VmContext* host_context, std::uint64_t* slots);

// What slots, cells and table elements hold above a value's own width is not defined.
std::uint64_t significant_bits(runtime::ValueType type, std::uint64_t bits);

}  // namespace shunt::wasm
