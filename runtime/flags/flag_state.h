// What a flag of a set holds: its cells, its keys, and who reads it. Except for what says otherwise, under the set's
// lock.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/flags/in_force.h"
#include "runtime/flags/reading.h"
#include "shunt/runtime/flag_view.h"
#include "shunt/runtime/flags.h"

namespace shunt::flags {

inline constexpr std::array number_types = {FlagType::I32, FlagType::I64, FlagType::F64};
constexpr std::size_t index_of(FlagType type) {
  return static_cast<std::size_t>(type);
}

// A key and the storage of its name, which must outlive it.
struct NamedKey {
  NamedKey(std::string text, unsigned values) : name(std::move(text)), key(name.c_str(), values) {}
  std::string name;
  DemotableSwitch key;
};
struct VariantKey : NamedKey {
  explicit VariantKey(std::string text) : NamedKey(std::move(text), Flag::truth_asks + 1) {}
  std::atomic<std::uint64_t> bits{0};  // a cell, as Flag::State::bits
};

// What a flag is for everybody, or that its readers are to ask.
struct Common {
  const InForce& now;
  bool asks = false;

  [[nodiscard]] unsigned truth() const;
  [[nodiscard]] unsigned number(FlagType type) const;
  [[nodiscard]] unsigned variant(std::string_view name) const;
};

// What readers of a flag as a string get.
using Text = std::shared_ptr<const std::string>;
Text text_of(const InForce& now);

struct Flag::State {
  FlagSet::Impl& set;

  // The cells, of the value that all contexts have. Stored before the batch that changes the sites: release, so that
  // whoever is sent here by a new site finds the value that the site means (the batch's core serialisation lies
  // between). Left alone while contexts differ: who is on its way here by a site that did not ask reads what all had.
  std::array<std::atomic<std::uint64_t>, 4> bits{};

  // Protects `text` alone; nothing else is locked while it is held.
  mutable std::mutex text_lock;
  Text text = std::make_shared<const std::string>();

  // Whether contexts differ: readers ask. For readers that are no sites, with acquire; stored with release after the
  // cells that it sends them to.
  std::atomic<bool> asks{false};

  // Published by a release store: a reader that acquires the pointer sees the finished key.
  std::atomic<NamedKey*> truth{nullptr};
  std::array<std::atomic<NamedKey*>, number_types.size()> numbers{};
  std::map<std::string, std::unique_ptr<VariantKey>, std::less<>> variants;

  std::vector<Reader> readers;
  std::set<ViewState*> views;

  explicit State(FlagSet::Impl& owner) : set(owner) {}
  ~State();
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  // The entry of a variant, made if it is new. Without the set's lock.
  VariantKey& variant(const std::string& key, std::string_view variant_name);
  // What the cells hold, or are to hold: made before anything changes, for it needs memory.
  struct Cells {
    std::array<std::uint64_t, 4> bits{};
    std::vector<std::pair<VariantKey*, std::uint64_t>> variants;
    Text text;
  };
  [[nodiscard]] Cells cells_for(const InForce& now) const;
  [[nodiscard]] Cells cells() const;
  void write(const Cells& cells) noexcept;
  [[nodiscard]] bool demoted() const;
  // Queues every key that is in another state `after` than `before`, and prepares its stubs. Errors: the stub sources'.
  Status queue(PatchBatch& batch, Flag& flag, const Common& before, const Common& after) const;
  // Queues that what the keys' sites ask for changed.
  void queue_again(PatchBatch& batch) const;
};

}  // namespace shunt::flags
