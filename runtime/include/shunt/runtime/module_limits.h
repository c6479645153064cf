// Sizes beyond which a module is refused, so that a hostile one cannot exhaust its host (docs/fuzzing.md). An embedder
// sets what suits its guests.
#pragma once

#include <cstdint>

namespace shunt::runtime {

// A module that is beyond one of them is refused with ErrorCode::LimitExceeded; the message names the limit. What the
// instances of a module may take is limited by their store (StoreOptions).
struct ModuleLimits {
  // What a module holds. The defaults are the most: a larger value counts as the default. Where the WebAssembly
  // JavaScript interface names an implementation limit, these are its numbers.
  std::uint64_t module_bytes = std::uint64_t{1} << 30;
  std::uint32_t types = 1'000'000;
  std::uint32_t functions = 1'000'000;  // imports included; also of imports, exports and globals
  std::uint32_t tables = 100'000;
  std::uint32_t segment_elements = 10'000'000;  // of one element segment
  std::uint32_t element_segments = 10'000'000;
  std::uint32_t data_segments = 100'000;
  std::uint32_t parameters = 1'000;  // of one type
  std::uint32_t results = 1'000;
  std::uint32_t locals = 50'000;  // of one function, parameters included
  std::uint32_t body_bytes = 7'654'321;
  std::uint32_t br_table_targets = 65'520;
  std::uint32_t name_bytes = 100'000;
  // A validator keeps every open block's signature and every operand's type; these bound its memory where the size of
  // the body does not, because two bytes of code can push a thousand results. Together with `locals` they also bound a
  // frame of the guest stack.
  std::uint32_t operands = 50'000;
  std::uint32_t open_blocks = 100'000;
  std::uint32_t open_block_types = 1'000'000;  // parameters and results of all open blocks

  // What it makes its host do. Any value.
  std::uint64_t all_locals = 20'000'000;  // of all functions together, parameters included
  // Parameters and results of all calls, blocks and branches together, each target of a br_table counted: what
  // validating and compiling cost that is not in proportion to the module's bytes.
  std::uint64_t values_passed = 200'000'000;
  std::uint64_t machine_code_bytes = std::uint64_t{256} << 20;  // of the baseline's code
  std::uint64_t memory_pages = 65'536;                          // of 64 KiB, that its memory begins with
  std::uint64_t table_elements = 0xffff'ffff;                   // that one of its tables begins with
  // These refuse nothing: a function that is beyond one of them stays in the baseline.
  std::uint32_t optimised_body_bytes = 200'000;
  std::uint64_t optimised_values =
      2'000'000;  // locals times blocks, which is what the SSA form of a function grows with
};

}  // namespace shunt::runtime
