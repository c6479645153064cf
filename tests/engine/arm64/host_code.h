// arm64 code for tests; see tests/engine/host_code.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>

#include "arch/arm64/encode.h"
#include "shunt/engine.h"

namespace shunt::test::arm64 {

inline constexpr InstructionSet host_set = InstructionSet::Arm64;

// There is one form of a branch.
inline constexpr SiteForm branch_forms[] = {SiteForm::AlignedWord};
inline constexpr SiteForm single_store_forms[] = {SiteForm::AlignedWord};
inline constexpr SiteForm toggle = SiteForm::AlignedWord;

inline constexpr std::uint32_t instruction_alignment = 4;
inline constexpr std::uint8_t trap_byte = 0;  // udf #0

inline std::uint8_t* write_words(std::uint8_t* at, std::initializer_list<std::uint32_t> words) {
  for (const std::uint32_t word : words) {
    std::memcpy(at, &word, sizeof word);
    at += sizeof word;
  }
  return at;
}

// Whether the instruction at `at` is what free code memory holds.
inline bool traps(const std::uint8_t* at) {
  std::uint32_t word;
  std::memcpy(&word, at, sizeof word);
  return word == arch::arm64::encode_brk(arch::arm64::trap_immediate);
}

// `size` is a multiple of 4.
inline void write_no_ops(std::uint8_t* at, std::size_t size) {
  for (std::size_t i = 0; i < size; i += 4) write_words(at + i, {arch::arm64::nop_word});
}

inline constexpr std::uint32_t ret = 0xD65F03C0;

// mov w0, #low; movk w0, #high, lsl #16
constexpr std::uint32_t mov_w0(std::uint32_t value) {
  return 0x52800000 | (value & 0xFFFF) << 5;
}
constexpr std::uint32_t movk_w0(std::uint32_t value) {
  return 0x72A00000 | value >> 16 << 5;
}

inline constexpr std::uint32_t answer_size = 12;
inline void write_answer(std::uint8_t* at, std::uint32_t value) {
  write_words(at, {mov_w0(value), movk_w0(value), ret});
}

// stp x29, x30, [sp, #-16]!; ldr x16, function; blr x16; mov w0, value; ldp x29, x30, [sp], #16; ret; the address of
// `function`: calls it, then returns `value`.
inline constexpr std::uint32_t call_and_answer_size = 36;
inline void write_call_and_answer(std::uint8_t* at, void (*function)(), std::uint32_t value) {
  constexpr std::uint32_t ldr_x16_24 = 0x58000000 | 24 / 4 << 5 | 16;
  at = write_words(at, {0xA9BF7BFD, ldr_x16_24, 0xD63F0200, mov_w0(value), movk_w0(value), 0xA8C17BFD, ret});
  const auto address = reinterpret_cast<std::uintptr_t>(function);
  std::memcpy(at, &address, sizeof address);
}

// What stands around a call site: a frame, and registers that a call may clobber.
//   stp x29, x30, [sp, #-16]!      and      mov x9, xzr; mov x17, xzr; ldp x29, x30, [sp], #16; ret
inline constexpr std::uint8_t enter_frame[] = {0xFD, 0x7B, 0xBF, 0xA9};
inline constexpr std::uint8_t leave_frame[] = {0xE9, 0x03, 0x1F, 0xAA, 0xF1, 0x03, 0x1F, 0xAA,
                                               0xFD, 0x7B, 0xC1, 0xA8, 0xC0, 0x03, 0x5F, 0xD6};

// add w0, w0, #value; ret: a function of an int.
inline constexpr std::uint32_t adder_size = 8;
inline void write_adder(std::uint8_t* at, std::uint8_t value) {
  write_words(at, {0x11000000U | std::uint32_t{value} << 10, ret});
}

}  // namespace shunt::test::arm64
