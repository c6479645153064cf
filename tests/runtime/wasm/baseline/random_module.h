// Valid modules made at random, for comparing what they compute on two machines.
//
// Every function ends: loops count down, and a global bounds the sum of all steps. What WebAssembly leaves open is
// avoided: every NaN that an operation may give is replaced by one bit pattern at once.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/wasm/module/module_data.h"

namespace shunt::test {

class Choices;

inline constexpr std::uint32_t most_random_steps = 2000;  // that a module makes before it traps

struct RandomModule {
  std::vector<std::uint8_t> bytes;
  // The same module, except that what `bytes` imports as flags are functions which return globals of their own, behind
  // the others: for machines without flags.
  std::vector<std::uint8_t> without_imports;
  std::vector<wasm::FunctionType> functions;  // exported as "f0", "f1", …; numbered behind the flags
  std::uint32_t globals = 0;                  // exported as "g0", "g1", …
  std::uint32_t flags = 0;                    // imported as "flags" "flag0", "flag1", …: i32
};

struct RandomModuleOptions {
  unsigned functions = 4;
  unsigned body_size = 60;  // roughly, in operations
  unsigned expression_depth = 6;
  unsigned max_locals = 12;
  unsigned max_params = 9;
  unsigned max_results = 3;
  bool floats = true;
  bool table_writes = false;  // else nobody writes the table
  bool segments = false;      // passive ones; and memories and tables that grow
  unsigned flags = 0;
};

RandomModule make_random_module(Choices& random, const RandomModuleOptions& options);

}  // namespace shunt::test
