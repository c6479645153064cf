// A list that signal handlers look through while others change it.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

namespace shunt::wasm {

// Lookups from any thread, in signal handlers too, while items come and go.
template <class T>
class LookupList {
 public:
  LookupList() = default;
  ~LookupList() { delete list_.load(std::memory_order_relaxed); }  // nobody else is left
  LookupList(const LookupList&) = delete;
  LookupList& operator=(const LookupList&) = delete;

  // Not both at the same time; may throw std::bad_alloc. When remove() has returned, no lookup uses the item.
  void add(const T& item) {
    const List* const now = list_.load(std::memory_order_relaxed);  // only we write it
    auto next = now == nullptr ? std::make_unique<List>() : std::make_unique<List>(*now);
    next->push_back(&item);
    replace(next.release());
  }
  void remove(const T& item) {
    auto next = std::make_unique<List>(*list_.load(std::memory_order_relaxed));
    std::erase(*next, &item);
    replace(next.release());
  }

  // Calls `visit` with the items until it returns true. Async-signal-safe and non-blocking, if `visit` is; the items
  // stay for as long as it takes.
  template <class Visit>
  void look(Visit visit) const noexcept {
    lookups_.fetch_add(1, std::memory_order_seq_cst);
    if (const List* const list = list_.load(std::memory_order_seq_cst); list != nullptr) {
      (void)std::any_of(list->begin(), list->end(), [&](const T* item) { return visit(*item); });
    }
    lookups_.fetch_sub(1, std::memory_order_release);  // release: our reads come before the list is freed
  }

 private:
  using List = std::vector<const T*>;

  // A lookup that began before the exchange is counted; one that begins later finds the new list. seq_cst on both
  // sides, because each writes one variable and then reads the other.
  void replace(const List* list) {
    const List* const before = list_.exchange(list, std::memory_order_seq_cst);
    while (lookups_.load(std::memory_order_seq_cst) != 0) std::this_thread::yield();
    delete before;
  }

  std::atomic<const List*> list_{nullptr};
  mutable std::atomic<std::uint32_t> lookups_{0};
};

}  // namespace shunt::wasm
