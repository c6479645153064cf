#include "engine/memory/alias_probe.h"

#include <algorithm>
#include <cstdint>

#include "arch/backend.h"

namespace shunt::detail {
namespace {

int falls_through() noexcept {
  return 1;
}
int branches() noexcept {
  return 2;
}

}  // namespace

//   0       site       falls through, then branches to 40
//   behind  veneer     to falls_through()
//   40      veneer     to branches()
bool executes_alias_writes(const CodeViews& code, Patcher& patcher) {
  constexpr std::uint32_t target = 40;
  static_assert(target + sizeof(arch::SiteBytes::bytes) <= alias_probe_size);
  const auto write_veneer = [&](std::uint32_t offset, int (*function)() noexcept) {
    const arch::SiteBytes bytes =
        patcher.veneer(reinterpret_cast<std::uintptr_t>(code.rx) + offset, reinterpret_cast<std::uintptr_t>(function));
    std::copy_n(bytes.bytes.begin(), bytes.length, code.rw + offset);
  };
  const Region region{code, alias_probe_size, 0};
  const Region* const regions[] = {&region};
  const arch::CodeRange written[] = {{0, alias_probe_size, 0}};
  std::uint32_t targets[] = {target};
  const auto answer_in_state = [&](unsigned state) {
    patcher.write_new(code, {nullptr, SiteForm::AlignedWord, 0, targets}, state);
    patcher.maintain(regions, written);
    arch::host::serialise_this_core();
    return reinterpret_cast<int (*)()>(reinterpret_cast<std::uintptr_t>(code.rx))();
  };
  write_veneer(patcher.site_length(SiteForm::AlignedWord, 0), &falls_through);
  write_veneer(target, &branches);
  return answer_in_state(0) == falls_through() && answer_in_state(1) == branches();
}

}  // namespace shunt::detail
