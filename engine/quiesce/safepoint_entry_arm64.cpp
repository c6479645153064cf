// arm64: what of the vector state the safepoint entry saves.
#include <sys/auxv.h>

#include <cstdint>

#include "engine/quiesce/safepoint_entry.h"

extern "C" {
[[gnu::visibility("hidden")]] void shunt_safepoint_entry();
// Read by safepoint_entry_arm64.S. Not 0: the Z and P registers and FFR; how long they are it asks at each safepoint,
// because each thread may have its own length (PR_SVE_SET_VL). 0: Q registers.
[[gnu::visibility("hidden")]] std::uint32_t shunt_saves_sve = 0;
}

namespace shunt::detail {

const void* safepoint_entry() noexcept {
  static const bool sve = (shunt_saves_sve = (getauxval(AT_HWCAP) & HWCAP_SVE) != 0 ? 1 : 0) != 0;
  (void)sve;
  return reinterpret_cast<const void*>(&shunt_safepoint_entry);
}

}  // namespace shunt::detail
