// x86-64: rewriting a site that no single store can rewrite, by a breakpoint in its first byte.
//
//   before    0F 1F 44 00 00   nop
//   step 1    CC 1F 44 00 00   int3      one byte: whoever comes now traps, and goes on as the new instruction would
//   step 2    CC d0 d1 d2 d3   int3      the tail, by any number of stores: behind an INT3 nobody decodes it
//   step 3    E9 d0 d1 d2 d3   jmp       one byte
//
// After each step comes a core serialisation: no core decodes what it fetched before it. So no core ever combines bytes
// of two steps. Intel confirmed this order to the authors of the Linux kernel's text patching, who rely on it; its
// published text (SDM vol. 3A, 9.1.3 "Handling Self- and Cross-Modifying Code") asks for a serialising instruction on
// every processor between the modification and the execution of the modified code, which the three make. AMD documents
// it for one byte at a time and more (AMD64 APM vol. 2, 7.6.1, "Cross-Modifying Code").
//
// What was fetched as one instruction starts at the site's first byte: no branch may lead into a site.
#pragma once

#include <cstdint>
#include <optional>

#include "arch/site.h"
#include "arch/x86_64/encode.h"

namespace shunt::arch::x86_64 {

// What stands in a site's first byte meanwhile. It is one byte long, and the trap's address is that of the byte behind.
inline constexpr std::optional<std::uint8_t> breakpoint_byte = opcode_int3;

// Whether sites of this form cannot be rewritten otherwise.
[[nodiscard]] constexpr bool needs_breakpoint(SiteForm form) noexcept {
  return is_unaligned(form);
}

// What a thread does that ran into the breakpoint at the site at `address`, which is to become `to`.
[[nodiscard]] constexpr Resumption resumption(SiteForm form, std::uint64_t address, Direction to) noexcept {
  const std::uint64_t behind = address + site_length(form, address);
  if (!to.branches && !is_redirect(form)) return {behind, 0};
  return {to.target, is_call(form) ? behind : 0};
}

// Whether a site's first byte can be `byte`, in any state of any form.
[[nodiscard]] constexpr bool may_begin_site(std::uint8_t byte) noexcept {
  return byte == opcode_jmp_rel32 || byte == opcode_call_rel32 || byte == opcode_test_eax_imm32 ||
         byte == null_prefix || byte == static_cast<std::uint8_t>(nop5_bits);
}

}  // namespace shunt::arch::x86_64
