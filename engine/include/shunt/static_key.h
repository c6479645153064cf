// A static key: a boolean that is encoded as the direction of many patch sites.
#pragma once

#include <atomic>
#include <cstdint>

#include "shunt/api.h"

namespace shunt {

class Engine;

namespace detail {
struct KeySites;  // the engine's side of a key; engine/sites/site_table.h
class SiteTable;
class Requests;      // engine/patch/requests.h
struct HostModules;  // engine/sites/host_modules.h
}  // namespace detail

// What StaticKey and StaticSwitch share: a name, the engine that they belong to, and the state that the last batch
// wrote. Constant-initialised, so keys may live in static storage.
class SHUNT_API KeyBase {
 public:
  KeyBase(const KeyBase&) = delete;
  KeyBase& operator=(const KeyBase&) = delete;

  [[nodiscard]] const char* name() const noexcept { return name_; }

  // The state that the last completed batch gave to the sites. Reading a key as data is no synchronisation: the reader
  // may see the old state after its own sites changed (docs/patching-protocol.md).
  [[nodiscard]] unsigned state() const noexcept {
    return state_.load(std::memory_order_relaxed);  // data only; orders nothing, see above
  }

  // How many states there are: state() is below.
  [[nodiscard]] unsigned states() const noexcept { return states_; }

 protected:
  constexpr KeyBase(const char* name, unsigned states, unsigned initial) noexcept
      : name_(name), states_(states), state_(initial) {}
  // The key's sites stay as they were last written, and are forgotten. Not while another thread uses the key. Blocks
  // (the commit lock).
  ~KeyBase();

 private:
  friend class Engine;
  friend class PatchBatch;
  friend class detail::SiteTable;
  friend class detail::Requests;
  friend struct detail::HostModules;

  const char* name_;
  unsigned states_;

  // Stored with release once a batch is complete (serialised), loaded with acquire by a commit that finds nothing to
  // do: what it promises was then established before.
  std::atomic<unsigned> state_;

  // A batch that changed the sites was written, but its core serialisation failed. Release and acquire for the same
  // reason.
  std::atomic<bool> unserialised_{false};

  // How many changes of the key are queued (commit_async(), request()): a commit of it must get in line behind them.
  // Release and acquire: who finds none finds the state that they left.
  std::atomic<std::uint32_t> pending_{0};

  // What request() recorded last: the state + 1, or 0; then the key is on the engine's list, by next_wish_, which
  // belongs to whoever changed wish_ from 0 until the key is on the list. Orders: engine/patch/requests.cpp.
  std::atomic<std::uint32_t> wish_{0};
  KeyBase* next_wish_ = nullptr;

  // How many sites the key has, for reports. Written under the commit lock; relaxed, because nothing follows from it.
  std::atomic<std::uint32_t> site_count_{0};

  // The first engine that the key is used with. Set once by compare-exchange, because two engines have different locks;
  // acquire and release, so that who finds its engine there finds the engine made.
  std::atomic<Engine*> engine_{nullptr};

  // A loaded module has host sites of the key, so it belongs to Engine::process(). Relaxed: whoever does not see it yet
  // comes before that module.
  std::atomic<bool> has_host_sites_{false};

  detail::KeySites* sites_ = nullptr;  // owned by the engine; protected by its commit lock
};

class StaticKey : public KeyBase {
 public:
  // Off. `name` must outlive the key; it is shown in reports and errors.
  constexpr explicit StaticKey(const char* name) noexcept : KeyBase(name, 2, 0) {}
  [[nodiscard]] bool enabled() const noexcept { return state() != 0; }

 protected:
  enum class Begins : std::uint8_t { On };
  constexpr StaticKey(const char* name, Begins) noexcept : KeyBase(name, 2, 1) {}
};

// A StaticKey that begins on. A type of its own, so that the compiler knows in which state to emit host sites
// (shunt/host_site.h); used like any StaticKey.
class StaticKeyOn : public StaticKey {
 public:
  constexpr explicit StaticKeyOn(const char* name) noexcept : StaticKey(name, Begins::On) {}
};

// A key with k states, 2 <= k <= 256. State 0 falls through; in state s > 0 each site branches to its target s - 1.
class StaticSwitch : public KeyBase {
 public:
  constexpr StaticSwitch(const char* name, unsigned states) noexcept : KeyBase(name, states, 0) {}
};

}  // namespace shunt
