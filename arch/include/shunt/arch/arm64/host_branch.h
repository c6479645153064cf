// arm64: a patch site in the embedder's own C++, form AlignedWord (arch/arm64/encode.h).
#pragma once

#include "shunt/arch/host_record.h"

namespace shunt::arch::arm64 {

// A site, with its record. Whether execution took its branch, which it does at first if `branches`. `key` is the
// address of a pointer to the key; it has hidden visibility, so it is a constant for the assembler wherever the key
// itself is. "S": a symbol; with "i", GCC refuses it in position-independent code.
template <auto* key, bool branches, int flags>
[[gnu::always_inline]] inline bool host_branch() noexcept {
  if constexpr (branches) {
    asm goto(".Lshunt_site%=: b %l[branch]\n" SHUNT_HOST_RECORD("R_AARCH64_NONE")
             :
             : [key] "S"(key), [flags] "i"(flags)
             :
             : branch);
  } else {
    asm goto(".Lshunt_site%=: nop\n" SHUNT_HOST_RECORD("R_AARCH64_NONE")
             :
             : [key] "S"(key), [flags] "i"(flags)
             :
             : branch);
  }
  return false;
branch:
  return true;
}

}  // namespace shunt::arch::arm64
