// Keys whose sites may read their state as data while it changes too often: a boolean one, and one of k values.
//
//   state           the site                        a flip
//   0, 1            falls through, branches         rewrites every site, and serialises every core
//   2, 3: demoted   branches to its stub, which     stores one word
//                   loads the state and branches
//
// A flip that makes more than EngineOptions::flip_limit within a second demotes the key: it sends its sites to their
// stubs. The stubs are emitted with the code (SiteEmitter::branch), so demoting cannot fail for want of memory. The key
// is promoted by the first flip after a second with at most half the limit, or, if none comes, by the engine's own
// thread, which looks once a second while a key is demoted; Engine::promote_calm_keys() is for whoever cannot wait for
// that.
//
// Synced holds for both kinds of flip: docs/patching-protocol.md, "Demoted keys".
#pragma once

#include <atomic>
#include <cstdint>

#include "shunt/api.h"
#include "shunt/static_key.h"

namespace shunt {

class SHUNT_API DemotableKey : public KeyBase {
 public:
  // Off. `name` must outlive the key.
  constexpr explicit DemotableKey(const char* name) noexcept : KeyBase(name, 4, word_), word_(0) {}

  // A demoted key is promoted first, because its sites' stubs read this object. A thread that is inside a stub at that
  // moment still reads it: so a key that was ever demoted ends after its code, or when no thread executes that code.
  // Blocks. If the core serialisation of the promotion fails, the same holds for threads that have not passed the site.
  ~DemotableKey();

  [[nodiscard]] bool enabled() const noexcept { return (state() & 1) != 0; }
  [[nodiscard]] bool demoted() const noexcept { return (state() & 2) != 0; }

  // 0 or 1: what stubs load. For code generators.
  [[nodiscard]] const std::atomic<std::uint32_t>& word() const noexcept { return word_; }

 private:
  // Stored by commits, under the commit lock: sequentially consistent, so that it is visible before commit() returns.
  // Loaded by stubs, with acquire.
  std::atomic<std::uint32_t> word_;
};

// The same with k values, 2 <= k <= 128, and data of its owner's: a site branches to another target for each value, a
// demoted one to a stub that loads what the value stands for. Whoever sets the key stores that, visible to all, before
// the commit. A value may stand for more than one thing (another number, in the same stub): so each batch that sets the
// key and has anything to do counts as a flip of it, also if the value stays.
//
//   state           the site
//   0 ... k-1       as a StaticSwitch's
//   k ... 2k-1      demoted: branches to targets[state - 1], its stub
//
// Values may have stubs of their own. Those from 0 on that share one at every site change without their sites; a change
// from or to another value rewrites the sites, demoted or not.
class SHUNT_API DemotableSwitch : public KeyBase {
 public:
  // Value 0. `name` must outlive the key.
  constexpr DemotableSwitch(const char* name, unsigned values) noexcept
      : KeyBase(name, KeyKind::Demotable, 2 * values, 0) {}

  // As DemotableKey's; for "this object", read what the stubs load.
  ~DemotableSwitch();

  [[nodiscard]] unsigned values() const noexcept { return states() / 2; }
  [[nodiscard]] unsigned value() const noexcept { return state() % values(); }
  [[nodiscard]] bool demoted() const noexcept { return state() >= values(); }
};

}  // namespace shunt
