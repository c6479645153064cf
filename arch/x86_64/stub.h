// x86-64: the short pieces of code around static calls.
//
//   veneer    E9 d0 d1 d2 d3                 jmp rel32             if that reaches
//             FF 25 00 00 00 00, a0 ... a7   jmp [rip], .quad a    else
//   return    C3                             ret
//
// A veneer changes no register and no flag.
#pragma once

#include <cstdint>

#include "arch/site.h"
#include "arch/x86_64/encode.h"

namespace shunt::arch::x86_64 {

// A piece of code at `address` that goes on at `target`, anywhere.
[[nodiscard]] constexpr SiteBytes veneer(std::uint64_t address, std::uint64_t target) noexcept {
  SiteBytes out;
  const auto append = [&out](std::uint64_t value, unsigned bytes) {
    for (unsigned i = 0; i < bytes; ++i) out.bytes[out.length++] = static_cast<std::uint8_t>(value >> (8 * i));
  };
  if (const auto near = displacement(address, target)) {
    append(opcode_jmp_rel32, 1);
    append(*near, 4);
  } else {
    append(0x25FF, 6);  // FF /4, mod 00, r/m 101: [rip + 0]
    append(target, 8);
  }
  return out;
}

[[nodiscard]] constexpr SiteBytes return_instruction() noexcept {
  return {{0xC3}, 1};
}

}  // namespace shunt::arch::x86_64
