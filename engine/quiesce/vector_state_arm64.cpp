// arm64: what is saved.
#include <sys/auxv.h>

#include "shunt/vector_state.h"

extern "C" {
[[gnu::visibility("hidden")]] std::uint64_t shunt_call_keeping_vectors(std::uint64_t (*function)(const void*),
                                                                       const void* argument);
// Read by vector_state_arm64.S. Not 0: the Z and P registers and FFR; how long they are it asks at each call, because
// each thread may have its own length (PR_SVE_SET_VL). 0: Q registers.
[[gnu::visibility("hidden")]] std::uint32_t shunt_saves_sve = 0;
}

namespace shunt {

CallKeepingVectors call_keeping_vectors() noexcept {
  static const bool sve = (shunt_saves_sve = (getauxval(AT_HWCAP) & HWCAP_SVE) != 0 ? 1 : 0) != 0;
  (void)sve;
  return &shunt_call_keeping_vectors;
}

}  // namespace shunt
