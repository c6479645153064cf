// What the host has to know of a function that was compiled to be looked at (debug_sites.h): where its sites are, and
// where its values are while a thread stands at one.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "runtime/wasm/module/module_data.h"
#include "shunt/static_key.h"

namespace shunt::wasm {
class Breakpoints;
}

namespace shunt::wasm::baseline {

struct DebugFunction;

// In front of an operation. Its address is in the code, so it never moves.
struct DebugSite {
  DebugSite(DebugFunction& of, std::uint32_t offset) : function(of), module_offset(offset) {}

  DebugFunction& function;
  StaticKey key{"shunt.breakpoint"};
  std::uint32_t module_offset;                    // of the operation, in the module's bytes
  std::uint32_t first_operand = 0, operands = 0;  // in DebugFunction::operand_types, from the bottom
};

// Ends after the code. Offsets in bytes, from the stack pointer at a site; values as 64-bit words, of which an i32 or
// f32 uses the low half.
struct DebugFunction {
  Breakpoints* owner = nullptr;
  std::uint32_t function = 0;  // index
  std::vector<ValueType> locals;
  std::vector<std::int32_t> homes;  // by local
  std::int32_t first_slot = 0;      // of the operand stack's bottom
  std::vector<ValueType> operand_types;
  std::deque<DebugSite> sites;  // ascending by module offset

  [[nodiscard]] std::int32_t slot(std::uint32_t position) const {
    return first_slot + 8 * static_cast<std::int32_t>(position);
  }
};

}  // namespace shunt::wasm::baseline
