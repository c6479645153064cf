// x86-64: a patch site in the embedder's own C++, form Toggle (arch/x86_64/encode.h). Any byte may be its first: one
// byte changes, so nothing has to be aligned or padded.
#pragma once

#include "shunt/arch/host_record.h"

namespace shunt::arch::x86_64 {

// A site, with its record. Whether execution took its branch, which it does at first if `branches`. `key` is the
// address of a pointer to the key; it has hidden visibility, so it is a constant for the assembler wherever the key
// itself is.
template <auto* key, bool branches, int flags>
[[gnu::always_inline]] inline bool host_branch() noexcept {
  asm goto(
      ".Lshunt_site%=: .byte %c[opcode]\n"
      ".long %l[branch] - . - 4\n" SHUNT_HOST_RECORD("R_X86_64_NONE")
      :
      : [opcode] "i"(branches ? 0xE9 : 0xA9), [key] "i"(key), [flags] "i"(flags)
      : "cc"
      : branch);
  return false;
branch:
  return true;
}

}  // namespace shunt::arch::x86_64
