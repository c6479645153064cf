// A function body as the reader hands it to a compiler: pre-decoded, validated operations.
#pragma once

#include <wabt/opcode.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "runtime/wasm/module/module_data.h"
#include "shunt/error.h"

namespace shunt::wasm {

// One operation. What `a`, `b` and `imm` hold:
//   block, loop, if          a: block type: index into FunctionBody::block_types
//   br, br_if                a: depth
//   br_table                 a: first index into FunctionBody::br_targets, b: number of targets without the default,
//   which follows
//                            them
//   call, ref.func           a: function index
//   call_indirect            a: type index, b: table index
//   local.*, global.*        a: index
//   table.*                  a: table index (table.init: a segment, b table; table.copy: a destination, b source;
//   elem.drop: a segment) memory.init, data.drop   a: segment loads, stores            imm: static offset (32 bits)
//   *.const                  imm: bits (i32 zero-extended, floats by bit pattern)
//   ref.null, select t       a: the ValueType
//
// Operations that cannot be reached are validated and delivered like all others.
struct Op {
  wabt::Opcode::Enum opcode;
  std::uint32_t offset = 0;  // of the operation in the module's bytes
  union {
    std::uint64_t imm = 0;
    __extension__ struct {  // an anonymous struct: GCC and clang accept it in C++, -Wpedantic wants to be told
      std::uint32_t a, b;
    };
  };
};
static_assert(sizeof(Op) == 16);

struct FunctionBody {
  std::uint32_t function = 0;  // in the function index space
  const FunctionType* type = nullptr;
  std::uint32_t offset = 0;           // of the body in the module's bytes
  std::uint32_t size = 0;             // in bytes
  std::span<const ValueType> locals;  // parameters first
  std::span<const Op> ops;            // ends with the function's own `end`
  std::span<const FunctionType> block_types;
  std::span<const std::uint32_t> br_targets;  // depths
};

// Called once per function, in order, as soon as a body has been validated; what it points to ends with the call. All
// sections before the code section are complete in ModuleData by then; data, names and the data count may not be.
class FunctionSink {
 public:
  virtual ~FunctionSink() = default;
  // Before the first body, also if there is none. `module` stays where it is: it is what read_module() returns.
  virtual Status begin_code(const ModuleData& module) = 0;
  virtual Status function(const FunctionBody& body) = 0;
};

// Decodes and validates with wabt's library: WebAssembly 2.0 without vector operations. Errors: BadModule, message
// "<name>: byte 0x1234: <what>"; LimitExceeded, likewise; OutOfMemory; what the sink returned. Thread-safe.
Result<std::unique_ptr<ModuleData>> read_module(std::span<const std::uint8_t> bytes, std::string_view source_name,
                                                FunctionSink& sink, const runtime::ModuleLimits& limits = {});

}  // namespace shunt::wasm
