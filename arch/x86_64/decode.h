// x86-64: the inverse of encode.h. Decodes the instructions that patch sites consist of, and nothing else.
#pragma once

#include <cstdint>
#include <span>

#include "arch/site.h"
#include "arch/x86_64/encode.h"

namespace shunt::arch::x86_64 {

// The instruction that begins at code[0], which lies at `address`. Operation::Unknown with length 0 if it is none of
// ours or `code` is too short to tell.
[[nodiscard]] constexpr Decoded decode(std::span<const std::uint8_t> code, std::uint64_t address) noexcept {
  std::size_t at = 0;
  while (at < code.size() && at < max_site_length - core_length && code[at] == null_prefix) ++at;
  if (at == 0 && !code.empty() && code[0] == opcode_int3) return {Operation::Trap, 1, 0, 3};
  if (code.size() - at < core_length) return {};

  const auto length = static_cast<std::uint8_t>(at + core_length);
  std::uint64_t bits = 0;
  for (unsigned i = 0; i < core_length; ++i) bits |= static_cast<std::uint64_t>(code[at + i]) << (8 * i);
  if (bits == nop5_bits) return {Operation::Nop, length, 0, 0};

  const auto operand = static_cast<std::uint32_t>(bits >> 8);
  switch (static_cast<std::uint8_t>(bits)) {
    case opcode_jmp_rel32:
    case opcode_call_rel32: {
      const auto distance = static_cast<std::uint64_t>(static_cast<std::int64_t>(static_cast<std::int32_t>(operand)));
      const bool call = static_cast<std::uint8_t>(bits) == opcode_call_rel32;
      return {call ? Operation::Call : Operation::Jump, length, address + length + distance, 0};
    }
    case opcode_test_eax_imm32:
      if (at != 0) return {};
      return {Operation::Test, length, 0, operand};
    default:
      return {};
  }
}

// "nop", "jmp +0x1234" and "call -0x10" (distance from the instruction's first byte), "test eax, 0x1234", "int3",
// "(unknown)".
[[nodiscard]] constexpr Text text(const Decoded& instruction, std::uint64_t address) noexcept {
  Text out;
  switch (instruction.operation) {
    case Operation::Nop:
      out.append("nop");
      break;
    case Operation::Jump:
    case Operation::Call:
      out.append(instruction.operation == Operation::Jump ? "jmp " : "call ");
      out.append_distance(address, instruction.target);
      break;
    case Operation::Test:
      out.append("test eax, ");
      out.append_hex(instruction.immediate);
      break;
    case Operation::Trap:
      out.append("int3");
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

}  // namespace shunt::arch::x86_64
