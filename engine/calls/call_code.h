// The code that static calls need beside their sites.
//
//   site --> function in code memory                       in range always, or refused
//   site --> veneer --> any other function                 one veneer a function, shared by all calls of it
//   C++  --> trampoline --> (veneer -->) function          one a call: a site of its own, and behind it a return, for a
//                                                          call that is empty
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
#include "shunt/error.h"

namespace shunt::detail {

// Not thread-safe: the engine's commit lock protects it.
class CallCode {
 public:
  static constexpr std::uint32_t size = 16;  // of a veneer or a trampoline, in bytes

  CallCode(CodeMemory& memory, const Region& region, Patcher& patcher)
      : memory_(memory), region_(region), patcher_(patcher) {}

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
  void maintain(std::uint32_t offset);  // of a veneer or a trampoline
  void end_trampoline(std::uint32_t offset) noexcept;

  [[nodiscard]] std::size_t veneers() const noexcept { return veneers_.size(); }

 private:
  struct Veneer {
    std::uint32_t offset;
    std::uint32_t users;
    bool reached;
  };
  template <class Write>
  Result<std::uint32_t> make(Write&& write);

  CodeMemory& memory_;
  const Region& region_;
  Patcher& patcher_;
  std::unordered_map<const void*, Veneer> veneers_;  // by function
};

}  // namespace shunt::detail
