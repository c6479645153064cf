// Function bodies that outlive the reader: for compiling functions again, long after the module was loaded.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "runtime/wasm/module/function_body.h"

namespace shunt::wasm {

class ModuleBodies {
 public:
  // Reads the module again, which costs its decoding and validation, and keeps the bodies of the functions with these
  // indices (ascending); of all, if `wanted` is null. `module` is what the first reading of the same bytes returned; it
  // must outlive the bodies. Errors: those of read_module().
  static Result<ModuleBodies> read(std::span<const std::uint8_t> bytes, const ModuleData& module,
                                   const std::vector<std::uint32_t>* wanted);

  [[nodiscard]] std::span<const FunctionBody> all() const { return bodies_; }  // by function index

 private:
  class Sink;
  struct Storage {  // what a body points to
    std::vector<ValueType> locals;
    std::vector<Op> ops;
    std::vector<FunctionType> block_types;
    std::vector<std::uint32_t> br_targets;
  };
  std::vector<std::unique_ptr<Storage>> storage_;
  std::vector<FunctionBody> bodies_;
};

}  // namespace shunt::wasm
