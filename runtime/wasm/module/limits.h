// Sizes beyond which a module is refused, so that a hostile one cannot exhaust its host. Where the WebAssembly
// JavaScript interface names an implementation limit, these are its numbers.
#pragma once

#include <cstddef>
#include <cstdint>

namespace shunt::wasm::limits {

inline constexpr std::size_t module_bytes = std::size_t{1} << 30;
inline constexpr std::uint32_t types = 1'000'000;
inline constexpr std::uint32_t functions = 1'000'000;  // imports included; also of imports, exports and globals
inline constexpr std::uint32_t tables = 100'000;
inline constexpr std::uint32_t segment_elements = 10'000'000;
inline constexpr std::uint32_t element_segments = 10'000'000;
inline constexpr std::uint32_t data_segments = 100'000;
inline constexpr std::uint32_t parameters = 1'000;
inline constexpr std::uint32_t results = 1'000;
inline constexpr std::uint32_t locals = 50'000;  // of one function, parameters included
inline constexpr std::size_t body_bytes = 7'654'321;
inline constexpr std::uint32_t br_table_targets = 65'520;
inline constexpr std::size_t name_bytes = 100'000;

// A validator keeps every open block's signature and every operand's type; these bound its memory where the size of the
// body does not, because two bytes of code can push a thousand results.
//
// Together with `locals` they also bound a frame of the guest stack: 8 bytes for each local, operand, and outgoing
// argument or result stay below the stack's guard of 1 MiB, so that no frame steps over it.
inline constexpr std::size_t operands = 50'000;
inline constexpr std::size_t open_blocks = 100'000;
inline constexpr std::size_t open_block_types = 1'000'000;

}  // namespace shunt::wasm::limits
