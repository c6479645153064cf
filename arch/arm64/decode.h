// arm64: the inverse of encode.h. Decodes the instructions that patch sites consist of, and nothing else.
#pragma once

#include <cstdint>
#include <span>

#include "arch/arm64/encode.h"
#include "arch/site.h"

namespace shunt::arch::arm64 {

[[nodiscard]] constexpr Decoded decode_word(std::uint32_t word, std::uint64_t address) noexcept {
  if (word == nop_word) return {Operation::Nop, site_bytes, 0, 0};
  if ((word & brk_opcode_mask) == brk_opcode) return {Operation::Trap, site_bytes, 0, word >> 5 & 0xFFFF};
  const std::uint32_t opcode = word & branch_opcode_mask;
  if (opcode != b_opcode && opcode != bl_opcode) return {};
  const std::int64_t words = static_cast<std::int32_t>(word << 6) >> 6;  // sign-extends imm26
  return {opcode == b_opcode ? Operation::Jump : Operation::Call, site_bytes,
          address + static_cast<std::uint64_t>(words * 4), 0};
}

// The instruction in code[0..3], which lies at `address`. Operation::Unknown with length 0 if it is none of ours or
// `code` is too short.
[[nodiscard]] constexpr Decoded decode(std::span<const std::uint8_t> code, std::uint64_t address) noexcept {
  if (code.size() < site_bytes) return {};
  std::uint32_t word = 0;
  for (unsigned i = 0; i < site_bytes; ++i) word |= std::uint32_t{code[i]} << (8 * i);
  return decode_word(word, address);
}

// "nop", "b +0x1234", "bl -0x10" (distance from the instruction), "brk 0x1", "(unknown)".
[[nodiscard]] constexpr Text text(const Decoded& instruction, std::uint64_t address) noexcept {
  Text out;
  switch (instruction.operation) {
    case Operation::Nop:
      out.append("nop");
      break;
    case Operation::Jump:
    case Operation::Call:
      out.append(instruction.operation == Operation::Jump ? "b " : "bl ");
      out.append_distance(address, instruction.target);
      break;
    case Operation::Trap:
      out.append("brk ");
      out.append_hex(instruction.immediate);
      break;
    default:
      out.append("(unknown)");
      break;
  }
  return out;
}

[[nodiscard]] constexpr Text disassemble(std::span<const std::uint8_t> code, std::uint64_t address) noexcept {
  return text(decode(code, address), address);
}

}  // namespace shunt::arch::arm64
