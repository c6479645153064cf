// The functions of wasi_snapshot_preview1 by name, in the form in which a linker takes them.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "runtime/wasm/wasi/functions.h"
#include "shunt/runtime/value.h"

namespace shunt::wasi {

struct Binding {
  std::string_view name;
  runtime::FunctionType (*type)();
  // Calls the function with the guest's arguments, which are of `type`; `results` takes the Errno if there is one.
  void (*invoke)(Call call, std::span<const runtime::Value> arguments, std::span<runtime::Value> results);
};

// All of them, by name.
[[nodiscard]] std::span<const Binding> bindings();

}  // namespace shunt::wasi
