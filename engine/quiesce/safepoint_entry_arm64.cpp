// arm64: the safepoint entry saves the 32 vector registers of 16 bytes. Code that is compiled for SVE may touch what
// lies above them, so guest code that keeps SVE state across a safepoint is not supported.
#include "engine/quiesce/safepoint_entry.h"

extern "C" [[gnu::visibility("hidden")]] void shunt_safepoint_entry();

namespace shunt::detail {

const void* safepoint_entry() noexcept {
  return reinterpret_cast<const void*>(&shunt_safepoint_entry);
}

}  // namespace shunt::detail
