// The breakpoints of batches in flight, as the SIGTRAP handler looks them up.
//
// Each engine that has such batches holds an entry of one process-wide list. What an entry shows (the sites of the
// batch in flight, sorted by address, and where the engine's code lies) is read by threads that sit in the handler,
// without locks, and changed by the engine while it holds its commit lock:
//
//   1. fill the view that is not shown; open it; make it the shown one
//   2. close the other view: nobody enters it any more
//   3. wait until nobody is in it
//
// So what a view points to may end once another one is shown: a reader that was in time to enter is waited for, one
// that was not takes the new view. A reader's stay is short: no signal interrupts it (the handler blocks all), and it
// waits for nothing. Readers are lock-free: one begins anew only if a writer has made progress meanwhile.
//
// Entries are never freed, because a reader may stand at one at any time; an engine that ends leaves its entry to the
// next.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "arch/site.h"

namespace shunt::detail {

// A site that a batch rewrites by the breakpoint protocol.
struct BreakpointSite {
  std::uint64_t address;      // of its first byte in the RX view, where the breakpoint stands
  std::uint64_t resume;       // where a thread goes on that ran into it
  std::uint32_t target;       // of the new instruction; offset in the region
  std::uint32_t region : 23;  // number
  std::uint32_t form : 3;     // arch::SiteForm
  std::uint32_t branches : 1;
  std::uint32_t call_length : 4;  // the new instruction is a call of so many bytes; 0: none
  std::uint32_t dropped : 1 = 0;  // its code has ended: nothing is written any more

  [[nodiscard]] arch::Resumption resumption() const noexcept {
    return {resume, call_length == 0 ? 0 : address + call_length};
  }
};
static_assert(sizeof(BreakpointSite) == 24);

// Memory in which code of an engine lies; addresses of the RX view.
struct CodeSpan {
  std::uint64_t begin, end;
};

// What a thread does that ran into a breakpoint.
struct TrapAnswer {
  enum class Verdict : std::uint8_t {
    Foreign,  // it is none of ours
    Resume,   // at `resumption`
    Rewind,   // the site's instruction stands there by now: run it
  };
  Verdict verdict = Verdict::Foreign;
  arch::Resumption resumption;
};

// About the breakpoint that was executed at `address`. Async-signal-safe, lock-free. Reads the byte at `address` only
// if it lies in an engine's code.
[[nodiscard]] TrapAnswer answer_trap(std::uint64_t address) noexcept;

// One engine's entry of the list. Not thread-safe: the engine's commit lock protects it; readers see whole views.
class BreakpointEntry {
 public:
  BreakpointEntry() = default;
  ~BreakpointEntry();
  BreakpointEntry(const BreakpointEntry&) = delete;
  BreakpointEntry& operator=(const BreakpointEntry&) = delete;

  [[nodiscard]] bool taken() const noexcept { return slot_ != nullptr; }

  // Takes an entry if it has none. May throw std::bad_alloc.
  void take();

  // Shows the batch's sites (sorted by address, in place until hide()) and where code lies. Returns when no reader sees
  // what was shown before. Precondition: taken.
  void show(std::span<const BreakpointSite> sites, std::shared_ptr<const std::vector<CodeSpan>> code) noexcept;

  // The batch is over: no breakpoint of it stands any more, and every core has serialised since. Returns when no reader
  // sees the sites.
  void hide() noexcept;

  struct Slot;  // in the list

 private:
  Slot* slot_ = nullptr;
};

// After fork(), in the child: threads that looked something up are not in the child. Async-signal-safe.
void forget_trap_readers() noexcept;

}  // namespace shunt::detail
