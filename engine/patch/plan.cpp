// The plan of a commit: what it is going to check and write. Steps 1 to 3 of docs/patching-protocol.md.
#include <algorithm>
#include <functional>
#include <string>
#include <tuple>
#include <utility>

#include "engine/engine_impl.h"
#include "engine/patch/mutant.h"

namespace shunt {

using detail::CommitPlan;
using detail::KeySites;
using detail::QueuedState;
using detail::QueuedTarget;
using detail::SiteGroup;
using detail::SiteRecords;
using detail::SiteView;

namespace {

// Mutant::EarlyReturn: the stores that a commit returned without, made when the next one begins.
std::vector<std::function<void()>>& postponed_stores() {
  static std::vector<std::function<void()>> stores;
  return stores;
}

void make_postponed_stores() {
  for (const auto& store : std::exchange(postponed_stores(), {})) store();
}

}  // namespace

Status Engine::Impl::make_plan(std::span<const QueuedState> states, std::span<const QueuedTarget> targets,
                               CommitReport& report) {
  if (mutated(detail::Mutant::EarlyReturn)) {
    if (plan.number == 0) postponed_stores().clear();  // of an engine that has ended
    make_postponed_stores();
  }
  plan.queued.clear();
  plan.changes.clear();
  plan.retargets.clear();
  plan.rewrites.clear();
  plan.written.clear();
  ++plan.number;
  for (const QueuedState& queued : states) {
    if (queued.state >= queued.key->states()) {
      return make_error(ErrorCode::InvalidArgument, std::string("key \"") + queued.key->name() + "\" has " +
                                                        std::to_string(queued.key->states()) + " states; " +
                                                        std::to_string(queued.state) + " is none of them");
    }
    if (Status status = bind(*queued.key); !status) return status;
    KeySites& sites = *queued.key->sites_;
    if (sites.last_commit == plan.number) {
      plan.queued[sites.change].to = queued.state;  // the last call for a key wins
      continue;
    }
    sites.last_commit = plan.number;
    sites.change = plan.queued.size();
    plan.queued.push_back({&sites, queued.state});
  }
  for (const CommitPlan::Change& change : plan.queued) {
    if (change.sites->written == change.to) {
      report.sites_unchanged += change.sites->size();
    } else {
      for (SiteGroup& group : change.sites->groups) group.records.sort();
      plan.changes.push_back(change);
    }
  }
  for (const QueuedTarget& queued : targets) {
    if (Status status = plan_retarget(queued); !status) return status;
  }
  return plan_rewrites();
}

Status Engine::Impl::plan_retarget(const QueuedTarget& queued) {
  const auto refuse = [&](const std::string& problem) {
    return make_error(ErrorCode::InvalidArgument,
                      std::string("retarget: key \"") + queued.key->name() + "\": " + problem);
  };
  if (queued.state == 0 || queued.state >= queued.key->states()) {
    return refuse("state " + std::to_string(queued.state) + " has no target");
  }
  if (Status status = bind(*queued.key); !status) return status;
  KeySites& sites = *queued.key->sites_;
  const auto group = std::find_if(sites.groups.begin(), sites.groups.end(),
                                  [&](const SiteGroup& g) { return g.region->contains(queued.site); });
  if (group == sites.groups.end()) return refuse("the site lies outside this engine's code");
  const detail::Region& region = *group->region;
  if (!region.contains(queued.target)) return refuse("the target lies outside the code that the site is in");
  group->records.sort();  // does nothing but at a key's first retarget, so earlier slots of this plan stay valid
  const std::size_t slot = group->records.find(region.offset_of(queued.site));
  if (slot == SiteRecords::none)
    return refuse("it has no site at code offset " + std::to_string(region.offset_of(queued.site)));
  const std::uint32_t target = region.offset_of(queued.target);
  if (Status status = patcher->check_target(region.views, group->records.at(slot), target); !status) return status;
  plan.retargets.push_back({&sites, &*group, slot, queued.state, target});
  return Ok{};
}

// Of the retargets, those that show: the site is in that state, and its key stays there. Each site once.
Status Engine::Impl::plan_rewrites() {
  for (const CommitPlan::Retarget& retarget : plan.retargets) {
    const KeySites& sites = *retarget.sites;
    const bool changes = sites.last_commit == plan.number && plan.queued[sites.change].to != sites.written;
    if (!changes && retarget.state == sites.written) plan.rewrites.push_back(retarget);
  }
  const auto place = [](const CommitPlan::Retarget& r) {
    return std::tuple(r.group->region->number, r.group->records.at(r.slot).offset, r.sites);
  };
  std::sort(plan.rewrites.begin(), plan.rewrites.end(),
            [&](const auto& a, const auto& b) { return place(a) < place(b); });
  const auto same = [&](const auto& a, const auto& b) { return place(a) == place(b); };
  plan.rewrites.erase(std::unique(plan.rewrites.begin(), plan.rewrites.end(), same), plan.rewrites.end());

  std::size_t sites_to_write = plan.rewrites.size();
  for (const CommitPlan::Change& change : plan.changes) sites_to_write += change.sites->size();
  if (patcher->collects_ranges()) plan.written.reserve(sites_to_write);
  return Ok{};
}

Status Engine::Impl::check_plan() {
  for (const CommitPlan::Change& change : plan.changes) {
    if (mutated(detail::Mutant::CheckWhileWriting)) {
      const CommitPlan::Change& first = plan.changes.front();
      if (&change != &first) patcher->write(first.sites->groups.front(), first.to, plan.written);
    }
    for (const SiteGroup& group : change.sites->groups) {
      if (Status status = patcher->check(group, change.sites->written); !status) return status;
    }
  }
  for (const CommitPlan::Retarget& rewrite : plan.rewrites) {
    const SiteView site = rewrite.group->records.at(rewrite.slot);
    if (Status status = patcher->check(*rewrite.group, site, rewrite.state); !status) return status;
  }
  return Ok{};
}

// From here on nothing fails but the core serialisation.
std::size_t Engine::Impl::write_plan() noexcept {
  std::size_t count = 0;
  for (const CommitPlan::Retarget& retarget : plan.retargets) {
    retarget.group->records.set_target(retarget.slot, retarget.state, retarget.target);
  }
  for (const CommitPlan::Change& change : plan.changes) {
    for (const SiteGroup& group : change.sites->groups) {
      if (mutated(detail::Mutant::EarlyReturn)) {
        postponed_stores().emplace_back([this, &group, change] { patcher->write(group, change.to, plan.written); });
        count += group.records.size();
      } else {
        count += patcher->write(group, change.to, plan.written);
      }
    }
    change.sites->written = change.to;
    if (mutated(detail::Mutant::SerialiseEachKey)) (void)serialiser->serialise();
  }
  for (const CommitPlan::Retarget& rewrite : plan.rewrites) {
    patcher->write(*rewrite.group->region, rewrite.group->records.at(rewrite.slot), rewrite.state, plan.written);
  }
  return count + plan.rewrites.size();
}

void Engine::Impl::maintain_plan() {
  if (!std::is_sorted(plan.written.begin(), plan.written.end())) std::sort(plan.written.begin(), plan.written.end());
  patcher->maintain(regions, plan.written);
}

}  // namespace shunt
