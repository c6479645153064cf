// x86-64 code for tests; see tests/engine/host_code.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "shunt/engine.h"

namespace shunt::test::x86_64 {

inline constexpr InstructionSet host_set = InstructionSet::X86_64;

// Every form of a key's branch; the first one is what generators choose where flags are dead.
inline constexpr SiteForm branch_forms[] = {SiteForm::Toggle, SiteForm::AlignedWord, SiteForm::Unaligned};
// Those that one store rewrites.
inline constexpr SiteForm single_store_forms[] = {SiteForm::Toggle, SiteForm::AlignedWord};
inline constexpr SiteForm toggle = SiteForm::Toggle;

inline constexpr std::uint32_t instruction_alignment = 1;
inline constexpr std::uint8_t trap_byte = 0xCC;  // code of this byte alone traps

// Whether the instruction at `at` is what free code memory holds.
inline bool traps(const std::uint8_t* at) {
  return *at == 0xCC;
}

inline void write_no_ops(std::uint8_t* at, std::size_t size) {
  std::memset(at, 0x90, size);
}

// mov eax, value; ret
inline constexpr std::uint32_t answer_size = 6;
inline void write_answer(std::uint8_t* at, std::uint32_t value) {
  *at = 0xB8;
  std::memcpy(at + 1, &value, sizeof value);
  at[5] = 0xC3;
}

// push rbx; mov rax, function; call rax; mov eax, value; pop rbx; ret: calls `function`, then returns `value`.
inline constexpr std::uint32_t call_and_answer_size = 20;
inline void write_call_and_answer(std::uint8_t* at, void (*function)(), std::uint32_t value) {
  const std::uint8_t begin[] = {0x53, 0x48, 0xB8};
  const auto address = reinterpret_cast<std::uintptr_t>(function);
  const std::uint8_t call[] = {0xFF, 0xD0, 0xB8};
  const std::uint8_t end[] = {0x5B, 0xC3};
  const auto append = [&at](const void* bytes, std::size_t size) {
    std::memcpy(at, bytes, size);
    at += size;
  };
  append(begin, sizeof begin);
  append(&address, sizeof address);
  append(call, sizeof call);
  append(&value, sizeof value);
  append(end, sizeof end);
}

// What stands around a call site: a frame, and registers that a call may clobber.
//   sub rsp, 8      and      xor ecx, ecx; xor edx, edx; add rsp, 8; ret
inline constexpr std::uint8_t enter_frame[] = {0x48, 0x83, 0xEC, 0x08};
inline constexpr std::uint8_t leave_frame[] = {0x31, 0xC9, 0x31, 0xD2, 0x48, 0x83, 0xC4, 0x08, 0xC3};

// lea eax, [rdi + value]; ret: a function of an int.
inline constexpr std::uint32_t adder_size = 4;
inline void write_adder(std::uint8_t* at, std::uint8_t value) {
  const std::uint8_t bytes[] = {0x8D, 0x47, value, 0xC3};
  std::memcpy(at, bytes, sizeof bytes);
}

}  // namespace shunt::test::x86_64
