#include "engine/calls/call_code.h"

#include <cstring>

#include "engine/patch/mutant.h"

namespace shunt::detail {

Result<std::uint32_t> CallCode::use(const void* function) {
  if (code_.region.contains(function)) return code_.region.offset_of(function);
  const auto [entry, is_new] = functions_.try_emplace(function, Veneer{0, 0, false});
  Veneer& veneer = entry->second;
  if (is_new) {
    Result<std::uint32_t> made = code_.make([&](std::uint32_t offset, std::uint8_t* at) {
      const arch::SiteBytes code = code_.patcher.veneer(
          reinterpret_cast<std::uintptr_t>(code_.region.views.rx + offset), reinterpret_cast<std::uintptr_t>(function));
      std::memcpy(at, code.bytes.data(), code.length);
    });
    if (!made) {
      functions_.erase(entry);
      return made;
    }
    veneer.offset = *made;
    code_.maintain(veneer.offset);
  }
  ++veneer.users;
  return veneer.offset;
}

void CallCode::drop(const void* function) noexcept {
  const auto entry = functions_.find(function);
  if (entry == functions_.end()) return;  // in code memory, or null
  Veneer& veneer = entry->second;
  if (--veneer.users != 0 || (veneer.reached && !mutated(Mutant::EndVeneer))) return;
  veneers_.end(veneer.offset, veneer.offset + size);
  code_.end(veneer.offset);
  functions_.erase(entry);
}

void CallCode::reached(const void* function) noexcept {
  const auto entry = functions_.find(function);
  if (entry != functions_.end()) entry->second.reached = true;
}

Result<std::uint32_t> CallCode::make_trampoline() {
  return code_.make([&](std::uint32_t offset, std::uint8_t* at) {
    const SiteBytes site = idle_site(code_.patcher.instruction_set(), SiteForm::AlignedWord, offset);
    const arch::SiteBytes back = code_.patcher.return_instruction();
    std::memcpy(at, site.bytes.data(), site.length);
    std::memcpy(at + site.length, back.bytes.data(), back.length);
  });
}

}  // namespace shunt::detail
