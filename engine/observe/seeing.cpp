// Engine's functions for seeing, and the way of a commit that is watched.
#include "engine/observe/seeing.h"

#include <chrono>
#include <new>
#include <utility>
#include <vector>

#include "engine/engine_impl.h"
#include "engine/patch/mutant.h"

namespace shunt {

using detail::CommitPlan;
using detail::KeySites;
using detail::SiteGroup;
using detail::SiteView;

template <class Visit>
void Engine::Impl::for_each_planned_site(Visit&& visit) const {
  const auto pass = [&](const SiteGroup& group, const SiteView& site) {
    visit(*group.key, group.region->views.rx + site.offset, patcher->site_length(site.form, site.offset));
  };
  for (const CommitPlan::Change& change : plan.changes) {
    for (const SiteGroup& group : change.groups()) {
      group.records.for_each(
          [&](const SiteView& site) {
            pass(group, site);
            return true;
          },
          [](std::uint32_t) {});
    }
  }
  for (const CommitPlan::Retarget& rewrite : plan.rewrites) {
    pass(*rewrite.group, rewrite.group->records.at(rewrite.slot));
  }
}

std::size_t Engine::Impl::write_unwatched(void* impl) noexcept {
  return static_cast<Impl*>(impl)->write_plan();
}

// 1. The bytes that stand at the sites. 2. Write, as always. 3. The bytes that stand there now, for the log, and the
// addresses, for those who follow flips.
std::size_t Engine::Impl::write_watched(void* impl) noexcept {
  Impl& self = *static_cast<Impl*>(impl);
  detail::FlipRing& ring = self.seeing.ring;
  if (ring.active()) {
    const auto now = std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch());
    const std::uint64_t generation = self.generation.load(std::memory_order_relaxed) + 1;  // see engine_impl.h
    ring.begin_batch(static_cast<std::uint64_t>(now.count()), generation);
    if (mutated(detail::Mutant::NoteAfterWriting)) self.write_plan();
    self.for_each_planned_site(
        [&](const KeySites& key, const std::uint8_t* site, unsigned length) { ring.before(key, site, length); });
  }
  const std::size_t count = self.write_plan();
  if (ring.active()) {
    self.for_each_planned_site(
        [&](const KeySites&, const std::uint8_t* site, unsigned length) { ring.after(site, length); });
  }
  if (self.seeing.observers.follow_flips()) {
    try {
      std::vector<const std::uint8_t*> sites;
      sites.reserve(count);
      self.for_each_planned_site([&](const KeySites&, const std::uint8_t* site, unsigned) { sites.push_back(site); });
      self.seeing.observers.rewritten(sites);
    } catch (const std::bad_alloc&) {
      return count;  // the tools keep what they were told before
    }
  }
  return count;
}

Status Engine::observe(const ObserveOptions& options) {
  if (options.perf_map && impl_->memory.backing() != detail::Backing::Anonymous) {
    return make_error(ErrorCode::InvalidArgument,
                      "perf_map: perf asks its map about anonymous memory alone; make the engine with "
                      "EngineOptions::anonymous_code");
  }
  detail::Seeing& seeing = impl_->seeing;
  const std::lock_guard hold(seeing.start_stop);
  const bool follows = options.jitdump && options.jitdump_follows_flips;
  if (follows && !seeing.following) {
    if (Status status = seeing.watch.acquire(*this, impl_->commit_lock); !status) return status;
  }
  Status added = seeing.observers.add(options, instruction_set());
  if (added) {
    seeing.following |= follows;
  } else if (follows && !seeing.following) {
    (void)seeing.watch.release(*this);  // if this fails too, commits stay watched, and are right
  }
  return added;
}

bool Engine::names_wanted() const noexcept {
  return impl_->seeing.observers.any();
}

Status Engine::name(const Code& code, std::span<const CodeSymbol> symbols) {
  if (code.engine_ != this) return make_error(ErrorCode::InvalidArgument, "name: the code is not of this engine");
  return impl_->seeing.observers.name(code.rx_, code.size_, symbols);
}

EngineStats Engine::stats() const {
  EngineStats stats;
  impl_->seeing.counters.read(stats);
  stats.code_bytes_free = impl_->memory.free_bytes();
  stats.code_bytes_used = impl_->memory.size() - stats.code_bytes_free;
  const std::lock_guard hold(impl_->commit_lock);
  const detail::FlipRates& rates = impl_->seeing.rates;
  stats.times_thrashing = rates.times_thrashing;
  stats.demotions = rates.demotions;
  stats.promotions = rates.promotions;
  stats.data_flips = rates.data_flips;
  for (const auto& sites : impl_->table.keys()) {
    ++stats.keys;
    stats.sites += sites->size();
  }
  return stats;
}

std::vector<KeyStats> Engine::key_stats() const {
  std::vector<KeyStats> all;
  const std::lock_guard hold(impl_->commit_lock);
  for (const auto& sites : impl_->table.keys()) {
    const unsigned state = sites->key->state();
    const bool demotable = sites->key->kind() == KeyKind::Demotable;
    const detail::DemotableStates states(*sites->key);
    all.push_back({sites->key->name(), demotable ? states.value(state) : state, sites->size(), sites->flips,
                   sites->rate.thrashing, demotable && states.demoted(state)});
  }
  return all;
}

Status Engine::start_flip_log(std::size_t capacity) {
  if (capacity == 0) return make_error(ErrorCode::InvalidArgument, "start_flip_log: a ring of 0 records");
  detail::Seeing& seeing = impl_->seeing;
  const std::lock_guard hold(seeing.start_stop);
  try {
    const std::lock_guard hold_commits(impl_->commit_lock);
    seeing.ring.start(capacity);
  } catch (const std::bad_alloc&) {
    return make_error(ErrorCode::OutOfMemory,
                      "start_flip_log: no heap memory for " + std::to_string(capacity) + " records");
  }
  if (seeing.logging) return Ok{};
  Status status = seeing.watch.acquire(*this, impl_->commit_lock);
  seeing.logging = static_cast<bool>(status);
  return status;
}

Status Engine::stop_flip_log() {
  detail::Seeing& seeing = impl_->seeing;
  const std::lock_guard hold(seeing.start_stop);
  if (!seeing.logging) return Ok{};
  if (Status status = seeing.watch.release(*this); !status) return status;
  seeing.logging = false;
  const std::lock_guard hold_commits(impl_->commit_lock);
  seeing.ring.stop();
  return Ok{};
}

FlipLog Engine::flip_log() const {
  const std::lock_guard hold(impl_->commit_lock);
  return impl_->seeing.ring.read();
}

}  // namespace shunt
