// arm64: the short pieces of code around static calls.
//
//   veneer    B target                               if that reaches
//             LDR X16, #8; BR X16; .quad target      else
//   return    RET
//
// A veneer changes X16 at most, which the procedure call standard leaves to veneers (AAPCS64, 6.1.1: IP0).
#pragma once

#include <cstdint>

#include "arch/arm64/encode.h"
#include "arch/site.h"

namespace shunt::arch::arm64 {

// A piece of code at `address` that goes on at `target`, anywhere. Precondition: `address` is a multiple of 4.
[[nodiscard]] constexpr SiteBytes veneer(std::uint64_t address, std::uint64_t target) noexcept {
  SiteBytes out;
  const auto append = [&out](std::uint64_t value, unsigned bytes) {
    for (unsigned i = 0; i < bytes; ++i) out.bytes[out.length++] = static_cast<std::uint8_t>(value >> (8 * i));
  };
  if (const auto branch = encode_b(address, target)) {
    append(*branch, 4);
  } else {
    append(0x58000050, 4);  // ldr x16, #8
    append(0xD61F0200, 4);  // br x16
    append(target, 8);
  }
  return out;
}

[[nodiscard]] constexpr SiteBytes return_instruction() noexcept {
  return {{0xC0, 0x03, 0x5F, 0xD6}, 4};
}

}  // namespace shunt::arch::arm64
