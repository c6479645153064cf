// The site table of an engine: which sites each key has, and which keys have sites in each piece of published code.
//
//   key  --> KeySites { written state, SiteRecords }        a commit walks only the sites of its keys
//   code --> the KeySites that have sites in it             ending code removes its sites by range, ending a key needs
//   no code
#pragma once

#include <climits>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "engine/calls/call_sites.h"
#include "engine/memory/region.h"
#include "engine/observe/flip_rates.h"
#include "engine/sites/site_records.h"
#include "shunt/static_key.h"

namespace shunt::detail {

struct KeySites;

// The sites that a key has in one region; those of another shape (Shape) are a group of their own.
struct SiteGroup {
  const KeySites* key;
  const Region* region;
  SiteRecords records;
};

// The engine's side of a key.
struct KeySites {
  KeySites(KeyBase& owner, const Region& code, unsigned initial) : key(&owner), written(initial) {
    groups.push_back({this, &code, SiteRecords(owner.states())});
  }
  KeySites(const KeySites&) = delete;
  KeySites& operator=(const KeySites&) = delete;

  // The group of `region` whose records have this shape: made if there is none, which may throw std::bad_alloc; nothing
  // has changed then.
  [[nodiscard]] SiteGroup& group(const Region& region, Shape shape) {
    for (SiteGroup& group : groups) {
      if (group.region == &region && group.records.shape() == shape) return group;
    }
    return groups.emplace_back(SiteGroup{this, &region, SiteRecords(key->states(), shape)});
  }
  [[nodiscard]] std::size_t size() const noexcept {
    std::size_t count = 0;
    for (const SiteGroup& group : groups) count += group.records.size();
    return count;
  }

  KeyBase* key;                           // null once the key has ended
  std::vector<SiteGroup> groups;          // the first is of the engine's code memory, and falls through in state 0
  unsigned written;                       // the state that the sites' bytes hold
  std::size_t position = 0;               // in SiteTable::keys()
  std::uint64_t last_code = 0;            // the code whose list this was last put on
  std::uint64_t last_commit = 0;          // CommitPlan::number of the last commit that changes this key
  std::size_t change = 0;                 // its place in that plan's changes
  std::uint64_t last_batch = 0;           // CommitPlan::Batch::number of the last batch that names this key
  std::size_t batch_change = 0;           // its place in that plan's changes, until keep_changes()
  KeySites* next_unserialised = nullptr;  // in the engine's list of keys whose last core serialisation failed
  bool unserialised = false;              // on that list
  std::uint64_t flips = 0;                // commits that changed its state
  std::uint64_t last_count = 0;           // CommitPlan::number of the last commit that counts this key
  std::size_t count_place = 0;            // its place in that plan's counts
  std::unique_ptr<CallSites> call;        // of a static call, once a batch or a publication has used it
  FlipRate rate;                          // how often it is flipped
  unsigned shared_stub = UINT_MAX;        // demoted: values below it lead to the same stub, at each site

  // A site whose targets these are, for states from first_branching_state() on, is about to be added.
  void note_stubs(SiteForm form, std::span<const std::uint32_t> targets) noexcept;
  // A site's target of one state is another now.
  void retargeted(unsigned state) noexcept;
};

// Not thread-safe: the engine's commit lock protects it.
class SiteTable {
 public:
  explicit SiteTable(const Region& code) : code_region_(code) {}

  // The new entry of a key that has none. May throw std::bad_alloc; nothing has changed then.
  KeySites* add_key(KeyBase& key, unsigned initial);

  // The key ends: its sites stay as they are written and are forgotten.
  void remove_key(KeySites& sites) noexcept;

  [[nodiscard]] const std::vector<std::shared_ptr<KeySites>>& keys() const noexcept { return keys_; }

  // The keys that have sites in one piece of code, or that it depends on. Stays where it is until remove_code().
  struct CodeEntry {
    std::uint64_t id = 0;
    std::vector<std::shared_ptr<KeySites>> keys;  // each once
  };

  // Code that begins at `begin` is about to get sites. May throw std::bad_alloc.
  CodeEntry& add_code(std::uint32_t begin);

  // Room for `more` sites of a key that add_site() will add; for a key's first ones no more than they need, whereas
  // records that grow one by one have up to an eighth to spare. May throw std::bad_alloc; nothing has changed then.
  void reserve(KeySites& sites, SiteForm form, std::size_t more);

  // May throw std::bad_alloc; remove_code() then undoes all of the code's sites.
  void add_site(CodeEntry& entry, KeySites& sites, std::uint32_t offset, SiteForm form,
                std::span<const std::uint32_t> targets);

  // Removes all sites of [begin, end), a piece of code.
  void remove_code(std::uint32_t begin, std::uint32_t end) noexcept;

  // Sites that stand in another region than published code. May throw std::bad_alloc, unless the key's list of groups
  // has room.
  static void add_group(KeySites& sites, SiteGroup group);
  void remove_groups(const Region& region) noexcept;

  // Code that has no site of a key, but depends on it. May throw std::bad_alloc; remove_code() undoes it.
  void add_dependency(CodeEntry& entry, KeySites& sites);

  // Where the pieces of code begin that have sites of a key or depend on it. Walks all code.
  [[nodiscard]] std::vector<std::uint32_t> code_of(const KeySites& sites) const;

  // The keys that have sites in the code that begins at `begin`, or that it depends on; some may have ended.
  [[nodiscard]] std::span<const std::shared_ptr<KeySites>> keys_of_code(std::uint32_t begin) const noexcept;

 private:
  static void store_count(const KeySites& sites) noexcept;

  const Region& code_region_;
  std::vector<std::shared_ptr<KeySites>> keys_;
  std::unordered_map<std::uint32_t, CodeEntry> code_;
  std::uint64_t codes_added_ = 0;
};

}  // namespace shunt::detail
