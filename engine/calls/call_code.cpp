#include "engine/calls/call_code.h"

#include <cstring>

#include "engine/patch/mutant.h"

namespace shunt::detail {

// Memory for a piece that `write` writes, given its offset and where.
template <class Write>
Result<std::uint32_t> CallCode::make(Write&& write) {
  const Result<CodeMemory::Place> place = memory_.allocate(size);
  if (!place) return place.error();
  write(place->offset, place->staging);
  // Never refused because code memory is shared: the caller, who holds the commit lock, has seen to that.
  if (const Result<bool> filled = memory_.fill(place->offset); !filled) {
    memory_.free(place->offset, size);
    return filled.error();
  }
  return place->offset;
}

Result<std::uint32_t> CallCode::use(const void* function) {
  if (region_.contains(function)) return region_.offset_of(function);
  const auto [entry, is_new] = veneers_.try_emplace(function, Veneer{0, 0, false});
  Veneer& veneer = entry->second;
  if (is_new) {
    Result<std::uint32_t> made = make([&](std::uint32_t offset, std::uint8_t* at) {
      const arch::SiteBytes code = patcher_.veneer(reinterpret_cast<std::uintptr_t>(region_.views.rx + offset),
                                                   reinterpret_cast<std::uintptr_t>(function));
      std::memcpy(at, code.bytes.data(), code.length);
    });
    if (!made) {
      veneers_.erase(entry);
      return made;
    }
    veneer.offset = *made;
    maintain(veneer.offset);
  }
  ++veneer.users;
  return veneer.offset;
}

void CallCode::drop(const void* function) noexcept {
  const auto entry = veneers_.find(function);
  if (entry == veneers_.end()) return;  // in code memory, or null
  Veneer& veneer = entry->second;
  if (--veneer.users != 0 || (veneer.reached && !mutated(Mutant::EndVeneer))) return;
  memory_.free(veneer.offset, size);
  veneers_.erase(entry);
}

void CallCode::reached(const void* function) noexcept {
  const auto entry = veneers_.find(function);
  if (entry != veneers_.end()) entry->second.reached = true;
}

Result<std::uint32_t> CallCode::make_trampoline() {
  return make([&](std::uint32_t offset, std::uint8_t* at) {
    const SiteBytes site = idle_site(patcher_.instruction_set(), SiteForm::AlignedWord, offset);
    const arch::SiteBytes back = patcher_.return_instruction();
    std::memcpy(at, site.bytes.data(), site.length);
    std::memcpy(at + site.length, back.bytes.data(), back.length);
  });
}

void CallCode::end_trampoline(std::uint32_t offset) noexcept {
  memory_.free(offset, size);
}

void CallCode::maintain(std::uint32_t offset) {
  const arch::CodeRange range{offset, size, region_.number};
  const Region* const region = &region_;
  patcher_.maintain({&region, 1}, {&range, 1});
}

}  // namespace shunt::detail
