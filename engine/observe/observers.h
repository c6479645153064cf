// Who observes an engine, and the names of its code.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "engine/observe/code_observer.h"
#include "shunt/observe.h"

namespace shunt::detail {

// Thread-safe. Its lock comes after the engine's commit lock: rewritten() is called with that held.
class Observers {
 public:
  // Errors: SystemCall; nobody was added then.
  Status add(const ObserveOptions& options, InstructionSet instruction_set);

  // Whether anybody wants names. Relaxed: whoever publishes after observe() in the same thread sees it; for others
  // there is no before and after.
  [[nodiscard]] bool any() const noexcept { return any_.load(std::memory_order_relaxed); }
  [[nodiscard]] bool follow_flips() const;

  // Names (again) the code of `size` bytes at `begin`. Errors: InvalidArgument (names the symbol), OutOfMemory, and
  // those of CodeObserver::named().
  Status name(const std::uint8_t* begin, std::size_t size, std::span<const CodeSymbol> symbols);

  // A commit wrote the sites at these addresses.
  void rewritten(std::span<const std::uint8_t* const> sites) noexcept;

  // The code at `begin` is about to end. One atomic load if nobody observes.
  void ended(const std::uint8_t* begin) noexcept;

  // Held across fork(), so that the child finds it free.
  [[nodiscard]] std::mutex& lock() noexcept { return lock_; }

 private:
  mutable std::mutex lock_;  // protects all of it, and serialises the observers' calls
  std::vector<std::unique_ptr<CodeObserver>> observers_;
  std::map<const std::uint8_t*, NamedCode> codes_;  // by first byte
  std::atomic<bool> any_{false};
};

}  // namespace shunt::detail
