#include "engine/quiesce/safepoint_entry.h"
#include "shunt/vector_state.h"

extern "C" [[gnu::visibility("hidden")]] void shunt_safepoint_entry();

namespace shunt::detail {

const void* safepoint_entry() noexcept {
  (void)call_keeping_vectors();  // which the entry calls without asking
  return reinterpret_cast<const void*>(&shunt_safepoint_entry);
}

}  // namespace shunt::detail
