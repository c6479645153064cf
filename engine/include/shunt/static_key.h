// A static key: a boolean that is encoded as the direction of many patch sites. A static switch: the same with more
// states than two.
#pragma once

#include <atomic>
#include <cstdint>

#include "shunt/api.h"
#include "shunt/error.h"

namespace shunt {

class Engine;

namespace detail {
struct KeySites;  // the engine's side of a key; engine/sites/site_table.h
class SiteTable;
class Requests;      // engine/patch/requests.h
struct HostModules;  // engine/sites/host_modules.h

// How many references a counted key has. While there is one, the key is on and its flip complete; so a reference more,
// or one fewer that is not the last, is a count and nothing else. Everything that changes the key's state shuts the
// count first, and opens it when the new state is complete: who comes meanwhile waits for the commit lock.
class ReferenceCount {
 public:
  static constexpr std::uint32_t maximum = 0x7FFFFFFF;

  constexpr explicit ReferenceCount(std::uint32_t initial = 0) noexcept : word_(initial) {}

  [[nodiscard]] std::uint32_t get() const noexcept {
    return word_.load(std::memory_order_relaxed) & maximum;  // data only; orders nothing
  }

  // One reference more, or one fewer, if that changes no state. Lock-free. False: nothing was counted; the count is 0
  // (to add), 1 (to drop), at its maximum (to add), or shut.
  //
  // Acquire: who counts on a key that is on relies on what the commit did that opened the count (open()). Release: who
  // drops the last reference afterwards does so after what this one did under its reference.
  bool try_add() noexcept {
    std::uint32_t found = word_.load(std::memory_order_relaxed);  // a guess: the exchange checks it
    while (found != 0 && found < maximum) {
      if (word_.compare_exchange_weak(found, found + 1, std::memory_order_acq_rel, std::memory_order_relaxed))
        return true;
    }
    return false;
  }
  bool try_drop() noexcept {
    std::uint32_t found = word_.load(std::memory_order_relaxed);  // a guess: the exchange checks it
    while (found > 1 && found <= maximum) {
      if (word_.compare_exchange_weak(found, found - 1, std::memory_order_acq_rel, std::memory_order_relaxed))
        return true;
    }
    return false;
  }

  // Under the engine's commit lock. From shut() to open() nothing else changes the count. shut() gives it.
  std::uint32_t shut() noexcept { return word_.fetch_or(shut_bit, std::memory_order_acq_rel) & maximum; }
  void open(std::uint32_t count) noexcept { word_.store(count, std::memory_order_release); }

 private:
  static constexpr std::uint32_t shut_bit = 0x80000000;
  std::atomic<std::uint32_t> word_;
};
}  // namespace detail

enum class KeyKind : std::uint8_t { Key, Switch, Call, Assumption, Demotable };

// What StaticKey, StaticSwitch, StaticCall, Assumption and DemotableKey share: a name, the engine that they belong to,
// and the state that the last batch wrote. Constant-initialised, so keys may live in static storage.
class SHUNT_API KeyBase {
 public:
  KeyBase(const KeyBase&) = delete;
  KeyBase& operator=(const KeyBase&) = delete;

  [[nodiscard]] const char* name() const noexcept { return name_; }
  [[nodiscard]] KeyKind kind() const noexcept { return kind_; }

  // The state that the last completed batch gave to the sites. Reading a key as data is no synchronisation: the reader
  // may see the old state after its own sites changed (docs/patching-protocol.md).
  // A demotable key has as many states more, for being demoted (shunt/demotable_key.h).
  [[nodiscard]] unsigned state() const noexcept {
    return state_.load(std::memory_order_relaxed);  // data only; orders nothing, see above
  }

  // How many states there are: state() is below.
  [[nodiscard]] unsigned states() const noexcept { return states_; }

 protected:
  constexpr KeyBase(const char* name, KeyKind kind, unsigned states, unsigned initial) noexcept
      : name_(name), states_(states), kind_(kind), state_(initial) {}
  // Of a DemotableKey: `data` is stored with each flip, for its sites' stubs.
  constexpr KeyBase(const char* name, unsigned states, std::atomic<std::uint32_t>& data) noexcept
      : name_(name), states_(states), kind_(KeyKind::Demotable), state_(0), data_(&data) {}
  void promote() noexcept;  // if it is demoted

  // The key's sites stay as they were last written, and are forgotten. Not while another thread uses the key. Blocks
  // (the commit lock).
  ~KeyBase();

 private:
  friend class Engine;
  friend class PatchBatch;
  friend class StaticKey;
  friend class detail::SiteTable;
  friend class detail::Requests;
  friend struct detail::HostModules;

  const char* name_;
  unsigned states_;
  KeyKind kind_;

  // Stored with release once a batch is complete (serialised), loaded with acquire by a commit that finds nothing to
  // do: what it promises was then established before.
  std::atomic<unsigned> state_;

  // A batch that changed the sites was written, but its core serialisation failed. Release and acquire for the same
  // reason.
  std::atomic<bool> unserialised_{false};

  // How many changes of the key are queued (commit_async(), request()): a commit of it must get in line behind them.
  // Release and acquire: who finds none finds the state that they left.
  std::atomic<std::uint32_t> pending_{0};

  // What request() recorded last: the state + 1, or 0 if it was carried out; and whether the key is on the engine's
  // list, or is being put there. It is there by next_wish_, which belongs to whoever set that bit until the key is on
  // the list. Orders: engine/patch/requests.cpp.
  static constexpr std::uint32_t wish_is_listed = std::uint32_t{1} << 31;
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

  std::atomic<std::uint32_t>* data_ = nullptr;  // of a DemotableKey alone: demotable_key.h

  detail::KeySites* sites_ = nullptr;  // owned by the engine; protected by its commit lock
};

// Two owners, never both at once: somebody sets the key (PatchBatch::enable, disable, set), or its users count it
// (acquire, release). While it has references, setting it is refused (KeyHeld). The first reference of a key that was
// set takes it over: it is on until the last one is released.
class SHUNT_API StaticKey : public KeyBase {
 public:
  // Off. `name` must outlive the key; it is shown in reports and errors.
  constexpr explicit StaticKey(const char* name) noexcept : KeyBase(name, KeyKind::Key, 2, 0) {}
  [[nodiscard]] bool enabled() const noexcept { return state() != 0; }

  // One reference more: when it returns, the key is on for every execution that starts from then on (Synced), until
  // release(). The first one commits a batch, and blocks; so does one that comes while the first is under way. All
  // others are lock-free. Errors: those of PatchBatch::commit(); KeyCountExhausted at 2^31 - 1 references. On error the
  // count is as it was. Thread-safe; not from signal handlers.
  Status acquire(Engine& engine);

  // One reference fewer: the last one switches the key off, and blocks. Errors: those of PatchBatch::commit();
  // KeyNotHeld if there is no reference. On error the count is as it was. Thread-safe; not from signal handlers.
  Status release(Engine& engine);

  // How many references there are now, for reports.
  [[nodiscard]] std::uint32_t references() const noexcept { return references_.get(); }

 protected:
  enum class Begins : std::uint8_t { On };
  constexpr StaticKey(const char* name, Begins, std::uint32_t references = 0) noexcept
      : KeyBase(name, KeyKind::Key, 2, 1), references_(references) {}

 private:
  friend class Engine;
  Status count(Engine& engine, bool more);

  detail::ReferenceCount references_;
};

// A StaticKey that begins on. A type of its own, so that the compiler knows in which state to emit host sites
// (shunt/host_site.h); used like any StaticKey.
class StaticKeyOn : public StaticKey {
 public:
  constexpr explicit StaticKeyOn(const char* name) noexcept : StaticKey(name, Begins::On) {}
};

// A key with k states, 2 <= k <= 256 (a batch or publication with another k is refused). In each state its sites branch
// to another target; a site that is no Redirect falls through in state 0.
class StaticSwitch : public KeyBase {
 public:
  constexpr StaticSwitch(const char* name, unsigned states) noexcept : KeyBase(name, KeyKind::Switch, states, 0) {}
};

}  // namespace shunt
