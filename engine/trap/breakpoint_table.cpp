#include "engine/trap/breakpoint_table.h"

#include <algorithm>
#include <ctime>
#include <utility>

#include "arch/backend.h"
#include "engine/patch/mutant.h"

namespace shunt::detail {
namespace {

// What is shown of one engine, and the readers that are in it.
class View {
 public:
  std::span<const BreakpointSite> sites;
  std::shared_ptr<const std::vector<CodeSpan>> code;

  // Readers. Acquire: `sites` and `code` are as they were when the view was opened. False if it is closed.
  bool enter() noexcept {
    std::uint64_t state = state_.load(std::memory_order_relaxed);  // a guess: the exchange checks it
    while ((state & open_bit) != 0) {
      if (state_.compare_exchange_weak(state, state + 1, std::memory_order_acquire, std::memory_order_relaxed))
        return true;
    }
    return false;
  }
  // Release: what the reader read comes before what the writer does once it finds nobody here.
  void leave() noexcept { state_.fetch_sub(1, std::memory_order_release); }

  // The writer. Release: readers that enter see what was filled in. Precondition: closed, nobody is in it.
  void open() noexcept { state_.store(open_bit, std::memory_order_release); }
  // Acquire: see leave(). Readers are few instructions long, but may be preempted: so it sleeps rather than yields,
  // which a thread of higher priority could do for ever.
  void close_and_wait() noexcept {
    std::uint64_t state = state_.fetch_and(~open_bit, std::memory_order_acquire) & ~open_bit;
    if (mutated(Mutant::LeaveTrapReaders)) return;
    for (unsigned tries = 0; state != 0; ++tries) {
      if (tries >= 100) {
        const timespec pause{0, 20'000};
        nanosleep(&pause, nullptr);
      }
      state = state_.load(std::memory_order_acquire);
    }
  }
  // In a child after fork(), where no reader is.
  void forget_readers() noexcept { state_.fetch_and(open_bit, std::memory_order_relaxed); }

 private:
  static constexpr std::uint64_t open_bit = std::uint64_t{1} << 63;
  std::atomic<std::uint64_t> state_{0};  // the open bit, and below it how many readers are in
};

}  // namespace

struct BreakpointEntry::Slot {
  View views[2];
  std::atomic<unsigned> shown{0};
  std::atomic<bool> in_use{true};
  Slot* next = nullptr;  // set before the slot is in the list, never changed
};

namespace {

// Pushed to with release, so that who reads it finds slots made; slots are never taken out.
std::atomic<BreakpointEntry::Slot*> all_slots{nullptr};

void show_view(BreakpointEntry::Slot& slot, unsigned which) noexcept {
  slot.views[which].open();
  slot.shown.store(which, std::memory_order_release);  // who finds it shown finds it open
  slot.views[1 - which].close_and_wait();
}

const BreakpointSite* find(std::span<const BreakpointSite> sites, std::uint64_t address) noexcept {
  const auto* const found =
      std::lower_bound(sites.data(), sites.data() + sites.size(), address,
                       [](const BreakpointSite& site, std::uint64_t wanted) { return site.address < wanted; });
  return found != sites.data() + sites.size() && found->address == address ? found : nullptr;
}

bool lies_in(const std::vector<CodeSpan>& code, std::uint64_t address) noexcept {
  return std::any_of(code.begin(), code.end(),
                     [address](const CodeSpan& span) { return address >= span.begin && address < span.end; });
}

// What stands at `address` now. Acquire: a breakpoint that a later batch wrote is seen no earlier than that the batch
// is shown. (The writer stores through the other mapping of the same memory; x86-64 keeps the order of its stores.)
std::uint8_t byte_at(std::uint64_t address) noexcept {
  auto* const at = reinterpret_cast<std::uint8_t*>(static_cast<std::uintptr_t>(address));
  return std::atomic_ref(*at).load(std::memory_order_acquire);
}

// What one engine says. In the view that is shown:
//   - the address is one of the batch in flight: go on at the new instruction's place
//   - it lies in the engine's code, and no breakpoint stands there any more: the batch was over before this thread came
//     here, so the whole instruction stands there
//   - a breakpoint stands there, and this view is still shown: it is no batch's, because a batch is shown before it
//     writes one. If another view is shown by now, ask that
TrapAnswer answer_of(BreakpointEntry::Slot& slot, std::uint64_t address) noexcept {
  using Verdict = TrapAnswer::Verdict;
  for (;;) {
    const unsigned which = slot.shown.load(std::memory_order_acquire);  // see show_view()
    View& view = slot.views[which];
    if (!view.enter()) continue;  // closed since: another one is shown
    TrapAnswer answer;
    bool stays = true;
    if (const BreakpointSite* const site = find(view.sites, address); site != nullptr) {
      answer = {Verdict::Resume, site->resumption()};
    } else if (view.code != nullptr && lies_in(*view.code, address)) {
      if (arch::host::may_begin_site(byte_at(address)) && !mutated(Mutant::SkipRewind)) {
        answer = {Verdict::Rewind, {address, 0}};
      } else {
        stays = slot.shown.load(std::memory_order_acquire) == which;  // the view cannot be closed and shown again: we
      }  // are in it
    }
    view.leave();
    if (stays) return answer;
  }
}

}  // namespace

TrapAnswer answer_trap(std::uint64_t address) noexcept {
  for (auto* slot = all_slots.load(std::memory_order_acquire); slot != nullptr; slot = slot->next) {
    if (const TrapAnswer answer = answer_of(*slot, address); answer.verdict != TrapAnswer::Verdict::Foreign)
      return answer;
  }
  return {};
}

void BreakpointEntry::take() {
  if (taken()) return;
  for (Slot* slot = all_slots.load(std::memory_order_acquire); slot != nullptr; slot = slot->next) {
    bool used = false;
    // Acquire: what the last user did to the slot comes before what this one does.
    if (slot->in_use.compare_exchange_strong(used, true, std::memory_order_acquire, std::memory_order_relaxed)) {
      slot_ = slot;
      return;
    }
  }
  slot_ = new Slot;
  slot_->views[0].open();
  slot_->next = all_slots.load(std::memory_order_relaxed);  // a guess: the exchange checks it
  while (!all_slots.compare_exchange_weak(slot_->next, slot_, std::memory_order_release, std::memory_order_relaxed)) {
  }
}

void BreakpointEntry::show(std::span<const BreakpointSite> sites,
                           std::shared_ptr<const std::vector<CodeSpan>> code) noexcept {
  const unsigned now = slot_->shown.load(std::memory_order_relaxed);  // only stored by this entry's engine
  View& next = slot_->views[1 - now];
  next.sites = sites;
  next.code = code;
  show_view(*slot_, 1 - now);
  slot_->views[now].sites = {};  // what hide() is going to show
  slot_->views[now].code = std::move(code);
}

void BreakpointEntry::hide() noexcept {
  const unsigned now = slot_->shown.load(std::memory_order_relaxed);  // as above
  show_view(*slot_, 1 - now);
  slot_->views[now].sites = {};
}

BreakpointEntry::~BreakpointEntry() {
  if (!taken()) return;
  show({}, nullptr);
  slot_->in_use.store(false, std::memory_order_release);  // see take()
}

void forget_trap_readers() noexcept {
  for (auto* slot = all_slots.load(std::memory_order_acquire); slot != nullptr; slot = slot->next) {
    for (View& view : slot->views) view.forget_readers();
  }
}

}  // namespace shunt::detail
