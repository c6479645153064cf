// Keeps what a reader delivers.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/wasm/module/function_body.h"

namespace shunt::test {

struct RecordedBody {
  std::uint32_t function = 0, offset = 0, size = 0;
  wasm::FunctionType type;
  std::vector<wasm::ValueType> locals;
  std::vector<wasm::Op> ops;
  std::vector<wasm::FunctionType> block_types;
  std::vector<std::uint32_t> br_targets;
};

class RecordingSink final : public wasm::FunctionSink {
 public:
  Status begin_code(const wasm::ModuleData& module) override {
    ++begun;
    seen = &module;
    if (fail_begin) return *fail_begin;
    return Ok{};
  }
  Status function(const wasm::FunctionBody& body) override {
    bodies.push_back({body.function,
                      body.offset,
                      body.size,
                      *body.type,
                      {body.locals.begin(), body.locals.end()},
                      {body.ops.begin(), body.ops.end()},
                      {body.block_types.begin(), body.block_types.end()},
                      {body.br_targets.begin(), body.br_targets.end()}});
    if (fail_function) return *fail_function;
    return Ok{};
  }

  int begun = 0;
  const wasm::ModuleData* seen = nullptr;
  std::vector<RecordedBody> bodies;
  std::optional<Error> fail_begin, fail_function;
};

}  // namespace shunt::test
