// A static key: a boolean that is encoded as the direction of many patch sites.
#pragma once

#include <atomic>
#include <cstdint>

namespace shunt {

class Engine;

namespace detail {
struct KeySites;  // the engine's record of a key's sites; engine/sites/site_table.h
}

// What StaticKey and StaticSwitch share: a name, the engine that they belong to, and the state that the last batch wrote.
// Constant-initialised, so keys may live in static storage.
class KeyBase {
 public:
  KeyBase(const KeyBase&) = delete;
  KeyBase& operator=(const KeyBase&) = delete;

  [[nodiscard]] const char* name() const noexcept { return name_; }

  // The state that the last committed batch gave to the sites. Reading a key as data is no synchronisation: the reader may
  // see the new state before or after its own sites change (docs/patching-protocol.md).
  [[nodiscard]] unsigned state() const noexcept {
    return state_.load(std::memory_order_relaxed);  // data only; orders nothing, see above
  }

 protected:
  constexpr KeyBase(const char* name, unsigned states, unsigned initial) noexcept
      : name_(name), states_(states), state_(initial) {}
  ~KeyBase();

 private:
  friend class Engine;
  friend class PatchBatch;
  friend struct detail::KeySites;

  const char* name_;
  unsigned states_;
  std::atomic<unsigned> state_;
  std::atomic<Engine*> engine_{nullptr};
  detail::KeySites* sites_ = nullptr;  // owned by the engine; protected by its commit lock
};

class StaticKey : public KeyBase {
 public:
  // Off. `name` must outlive the key; it is shown in reports and errors.
  constexpr explicit StaticKey(const char* name) noexcept : KeyBase(name, 2, 0) {}
  [[nodiscard]] bool enabled() const noexcept { return state() != 0; }
};

// A key with k states, 2 <= k <= 256. State 0 falls through; in state s > 0 each site branches to its target s - 1.
class StaticSwitch : public KeyBase {
 public:
  constexpr StaticSwitch(const char* name, unsigned states) noexcept : KeyBase(name, states, 0) {}
};

}  // namespace shunt
