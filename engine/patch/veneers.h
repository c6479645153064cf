// Veneers inside code memory: what takes a site's branch to a target that is beyond its reach.
//
//   site --> target                in reach
//   site --> veneer --> target     else: only where the code reservation is larger than a branch's reach
//
// Code memory is divided into stretches. All branches of a stretch to one target share a veneer, which stands where
// each of them reaches it.
//
// A veneer lasts as long as the code that it leads to, also if no branch leads to it meanwhile: a thread may stand in
// it for as long as it likes, and need not be one that the engine knows. When that code ends, whoever ends it has seen
// to it that no branch leads there and that no thread is in it or on the way: so nobody is in the veneer either.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <unordered_map>

#include "engine/memory/code_memory.h"
#include "engine/memory/region.h"
#include "engine/patch/patcher.h"
#include "engine/patch/short_code.h"
#include "shunt/engine.h"
#include "shunt/error.h"

namespace shunt::detail {

// Offsets are those of code memory. Not thread-safe: the engine's commit lock protects it.
class Veneers {
 public:
  // Keeps room in code memory, if it will be needed. Nothing is allocated there yet. May throw std::bad_alloc.
  Veneers(CodeMemory& memory, const Region& region, Patcher& patcher);

  // False: each place in code memory reaches each other one.
  [[nodiscard]] bool needed() const noexcept {
    return code_.region.size - CodeMemory::tail_guard > code_.patcher.branch_range();
  }

  // Where the branch of the site at `site` has to lead so that it gets to `target`: there, or to a veneer, which is
  // made if there is none. A veneer is written and cache-maintained: a branch may lead to it at once. Errors:
  // TargetOutOfRange (no instruction can begin at `target`, or no veneer has room where the site reaches it),
  // OutOfMemory, CodeMemoryUnavailable.
  Result<std::uint32_t> reach(SiteForm form, std::uint32_t site, std::uint32_t target);

  // The same, after a reach() for this site that succeeded.
  [[nodiscard]] std::uint32_t way(SiteForm form, std::uint32_t site, std::uint32_t target) const noexcept;

  // Where a branch to `offset` gets to: the target of the veneer that begins there, or `offset` itself.
  [[nodiscard]] std::uint32_t target_of(std::uint32_t offset) const noexcept;

  // The code in [begin, end) ends, and with it the veneers that lead there.
  void end(std::uint32_t begin, std::uint32_t end) noexcept;

  [[nodiscard]] std::size_t size() const noexcept { return ways_.size(); }

 private:
  struct Way {
    std::uint32_t target, stretch;
    auto operator<=>(const Way&) const = default;
  };
  [[nodiscard]] std::uint32_t stretch_length() const noexcept;
  [[nodiscard]] Way way_to(std::uint32_t site, std::uint32_t target) const noexcept {
    return {target, site / stretch_length()};
  }
  [[nodiscard]] CodeArena::Window window_of(std::uint32_t stretch) const noexcept;
  Result<std::uint32_t> make(const Way& way);

  ShortCode code_;
  std::map<Way, std::uint32_t> ways_;                         // the veneer
  std::unordered_map<std::uint32_t, std::uint32_t> targets_;  // by veneer
};

}  // namespace shunt::detail
