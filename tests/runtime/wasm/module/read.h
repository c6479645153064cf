// Bytes, and what the reader makes of them.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "shunt/runtime/module_limits.h"
#include "tests/runtime/wasm/module/module_bytes.h"
#include "tests/runtime/wasm/module/recording_sink.h"

namespace shunt::test {

struct Read {
  RecordingSink sink;
  Result<std::unique_ptr<wasm::ModuleData>> module;

  explicit Read(std::span<const std::uint8_t> bytes, const runtime::ModuleLimits& limits = {})
      : module(wasm::read_module(bytes, "m.wasm", sink, limits)) {}
  explicit Read(const Bytes& bytes, const runtime::ModuleLimits& limits = {}) : Read(bytes.get(), limits) {}
  [[nodiscard]] std::string message() const { return module ? "read" : module.error().message(); }
};

}  // namespace shunt::test
