#include "engine/patch/veneers.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <string>

#include "engine/patch/mutant.h"

namespace shunt::detail {

Veneers::Veneers(CodeMemory& memory, const Region& region, Patcher& patcher) : code_{memory, region, patcher} {
  if (needed() && !mutated(Mutant::KeepNoRoom)) memory.keep_room(stretch_length());
}

// Small against a branch's reach, so that a window is nearly as wide as what a branch reaches on both sides.
std::uint32_t Veneers::stretch_length() const noexcept {
  return code_.patcher.branch_range() / 4;
}

// What every branch of the stretch reaches.
CodeArena::Window Veneers::window_of(std::uint32_t stretch) const noexcept {
  const std::uint64_t range = code_.patcher.branch_range();
  const std::uint64_t begin = std::uint64_t{stretch} * stretch_length();
  const std::uint64_t end = begin + stretch_length();
  return {static_cast<std::uint32_t>(end > range ? end - range : 0),
          static_cast<std::uint32_t>(std::min<std::uint64_t>(begin + range, code_.region.size))};
}

Result<std::uint32_t> Veneers::reach(SiteForm form, std::uint32_t site, std::uint32_t target) {
  if (code_.patcher.reaches(form, site, target) || mutated(Mutant::SkipVeneer)) return target;
  // A branch from there to itself: in reach if it is a place for an instruction at all.
  if (!code_.patcher.reaches(form, target, target)) return code_.patcher.out_of_reach(site, target);
  const Way way = way_to(site, target);
  if (const auto known = ways_.find(way); known != ways_.end()) return known->second;
  Result<std::uint32_t> made = make(way);
  if (made || made.error().code() != ErrorCode::TargetOutOfRange) return made;
  return make_error(ErrorCode::TargetOutOfRange, code_.patcher.out_of_reach(site, target).message() +
                                                     ", and a veneer finds no room within its reach (" +
                                                     made.error().message() + "); publish smaller pieces of code");
}

Result<std::uint32_t> Veneers::make(const Way& way) {
  const auto write = [&](std::uint32_t offset, std::uint8_t* at) {
    const auto base = reinterpret_cast<std::uintptr_t>(code_.region.views.rx);
    const arch::SiteBytes code = code_.patcher.veneer(base + offset, base + way.target);
    std::memcpy(at, code.bytes.data(), code.length);
  };
  Result<std::uint32_t> made = code_.make(write, window_of(way.stretch));
  if (!made) return made;
  try {
    targets_.emplace(*made, way.target);
    ways_.emplace(way, *made);
  } catch (const std::bad_alloc&) {
    targets_.erase(*made);
    code_.end(*made);
    return make_error(ErrorCode::OutOfMemory, "no heap memory to keep account of a veneer");
  }
  if (!mutated(Mutant::SkipVeneerMaintenance)) code_.maintain(*made);
  return made;
}

std::uint32_t Veneers::way(SiteForm form, std::uint32_t site, std::uint32_t target) const noexcept {
  if (code_.patcher.reaches(form, site, target)) return target;
  const auto known = ways_.find(way_to(site, target));
  return known == ways_.end() ? target : known->second;
}

std::uint32_t Veneers::target_of(std::uint32_t offset) const noexcept {
  const auto known = targets_.find(offset);
  return known == targets_.end() ? offset : known->second;
}

void Veneers::end(std::uint32_t begin, std::uint32_t end) noexcept {
  if (mutated(Mutant::KeepVeneers)) return;
  for (auto way = ways_.lower_bound({begin, 0}); way != ways_.end() && way->first.target < end;) {
    targets_.erase(way->second);
    code_.end(way->second);
    way = ways_.erase(way);
  }
}

}  // namespace shunt::detail
