// The plan of a commit: what its batches, together, are going to change. Protected by the commit lock; kept between
// commits so that they need no heap.
//
// Batches are admitted in ticket order. Each is looked at as if the ones admitted before were written already: `to` is
// the state that a key would have then. A batch that is refused leaves nothing behind. In the end each key is written
// once, in the state that the last batch gave it, or not at all if that is the state that its sites hold.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "arch/site.h"
#include "engine/sites/site_table.h"

namespace shunt::detail {

struct CommitPlan {
  struct Change {
    KeySites* sites;
    unsigned to;
    std::uint32_t target = CallSites::none;  // of a static call that is not to be empty: where its sites are to lead
    bool data_only = false;                  // a demoted key's: its sites stay as they are
    bool set = false;                        // a DemotableSwitch is set, perhaps to the value that it has

    // The sites to check and to write.
    [[nodiscard]] std::span<const SiteGroup> groups() const noexcept {
      return data_only ? std::span<const SiteGroup>() : std::span<const SiteGroup>(sites->groups);
    }

    [[nodiscard]] bool same(const Change& other) const noexcept { return to == other.to && target == other.target; }
  };
  struct Count {
    StaticKey* key;
    std::uint32_t before, after;
  };
  struct Call {
    KeySites* sites;
    const void* function;  // that the call is to call; null: none
  };
  struct Retarget {
    KeySites* sites;
    SiteGroup* group;
    std::size_t slot;  // in the group's records
    unsigned state;
    std::uint32_t target;
  };

  // Of the whole commit.
  std::vector<Change> changes;       // keys that an admitted batch changes, each once; expected bytes checked
  std::vector<Retarget> retargets;   // in ticket order
  std::vector<Retarget> rewrites;    // retargets of the state that their site is in and stays in: one a site
  std::vector<Count> counts;         // keys whose references admitted batches count, each once; shut meanwhile
  std::vector<Call> calls;           // static calls that admitted batches set, in ticket order; the last one counts
  std::vector<KeySites*> set_again;  // those of DemotableSwitches that a batch sets to the state that they have
  std::vector<arch::CodeRange> written;
  std::uint64_t number = 0;  // of the commit

  // Of the batch that is being looked at.
  struct Batch {
    std::size_t first_change = 0;    // its part of `changes`: keys that no earlier batch of the commit changes
    std::size_t first_retarget = 0;  // its part of `retargets`
    std::vector<Change> replaced;    // what earlier batches want of keys that this one changes again
    std::vector<Retarget> rewrites;  // sites that it rewrites in place
    std::vector<std::pair<std::size_t, std::uint32_t>> recounts;  // places in `counts`, and what stood there before
    std::size_t first_call = 0;                                   // its part of `calls`
    std::size_t first_set_again = 0;                              // its part of `set_again`
    std::uint64_t number = 0;
  } batch;
  bool changes_again = false;  // a batch changes a key that an earlier one of the commit changes

  bool data_flips = false;         // a demoted key changes without its sites
  std::size_t sites_to_write = 0;  // an upper bound

  // The state that a key has after the batches admitted so far.
  [[nodiscard]] unsigned state_of(const KeySites& sites) const noexcept {
    return sites.last_commit == number ? changes[sites.change].to : sites.written;
  }
  // The same with a call's target, as a change to it.
  [[nodiscard]] Change after_batches(KeySites& sites) const noexcept {
    if (sites.last_commit == number) return changes[sites.change];
    return now(sites);
  }
  // As the sites are written. A call that is empty has no target, whatever its records remember.
  [[nodiscard]] static Change now(KeySites& sites) noexcept {
    const bool leads = sites.call != nullptr && sites.written != 0;
    return {&sites, sites.written, leads ? sites.call->target : CallSites::none};
  }
};

}  // namespace shunt::detail
