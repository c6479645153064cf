// The code that static calls need beside their sites.
//
//   site --> function in code memory
//   site --> veneer --> any other function                 one veneer a function, shared by all calls of it
//   C++  --> trampoline --> (veneer -->) function          one a call: a site of its own, and behind it a return, for a
//                                                          call that is empty
//
// Where a site does not reach the function or its veneer, another veneer leads there (engine/patch/veneers.h).
//
// A thread may stand in a veneer for as long as it likes after the last call left it, so a veneer that sites have led
// to stays: the next call of its function uses it again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include "engine/memory/code_memory.h"
#include "engine/memory/region.h"
#include "engine/patch/patcher.h"
#include "engine/patch/short_code.h"
#include "engine/patch/veneers.h"
#include "shunt/error.h"

namespace shunt::detail {

// Not thread-safe: the engine's commit lock protects it.
class CallCode {
 public:
  static constexpr std::uint32_t size = ShortCode::size;  // of a veneer or a trampoline, in bytes

  CallCode(CodeMemory& memory, const Region& region, Patcher& patcher, Veneers& veneers)
      : code_{memory, region, patcher}, veneers_(veneers) {}

  // Where a branch has to lead to reach `function`; counts a user of the veneer, if there is one. What it makes is
  // written and cache-maintained: a branch may lead to it as soon as it is itself. Errors: OutOfMemory,
  // CodeMemoryUnavailable, Unsupported. May throw std::bad_alloc; nothing has changed then.
  Result<std::uint32_t> use(const void* function);

  // One user fewer; null is nothing. A veneer that no site was ever written to lead to (reached()) ends with its last
  // user.
  void drop(const void* function) noexcept;

  // A site is about to lead to `function`.
  void reached(const void* function) noexcept;

  // A trampoline of a call that is empty: an AlignedWord site that falls through to a return. Wants maintain() once the
  // site is written. Errors as use().
  Result<std::uint32_t> make_trampoline();
  void maintain(std::uint32_t trampoline) { code_.maintain(trampoline); }
  void end_trampoline(std::uint32_t offset) noexcept { code_.end(offset); }

 private:
  struct Veneer {
    std::uint32_t offset;
    std::uint32_t users;
    bool reached;
  };

  ShortCode code_;
  Veneers& veneers_;                                   // that extend branches' reach
  std::unordered_map<const void*, Veneer> functions_;  // to functions that are not in code memory
};

}  // namespace shunt::detail
