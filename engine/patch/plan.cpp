// The plan of a commit: what it is going to check and write (engine/patch/plan.h). Steps 1 to 4 of
// docs/patching-protocol.md.
#include <algorithm>
#include <functional>
#include <iterator>
#include <string>
#include <tuple>
#include <utility>

#include "engine/engine_impl.h"
#include "engine/patch/mutant.h"

namespace shunt {

using detail::CommitPlan;
using detail::KeySites;
using detail::QueuedBatch;
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

// Doubles, so that a commit of many batches stays linear.
template <class T>
void make_room(std::vector<T>& vector, std::size_t wanted) {
  if (vector.capacity() < wanted) vector.reserve(std::max(wanted, 2 * vector.capacity()));
}

// Each site once; which of its retargets stays does not matter, because the record has the target.
void each_site_once(std::vector<CommitPlan::Retarget>& rewrites) noexcept {
  if (rewrites.size() < 2) return;
  const auto place = [](const CommitPlan::Retarget& r) {
    return std::tuple(r.group->region->number, r.group->records.at(r.slot).offset, r.sites);
  };
  std::sort(rewrites.begin(), rewrites.end(), [&](const auto& a, const auto& b) { return place(a) < place(b); });
  const auto same = [&](const auto& a, const auto& b) { return place(a) == place(b); };
  rewrites.erase(std::unique(rewrites.begin(), rewrites.end(), same), rewrites.end());
}

}  // namespace

void Engine::Impl::begin_plan() noexcept {
  if (mutated(detail::Mutant::EarlyReturn)) {
    if (plan.number == 0) postponed_stores().clear();  // of an engine that has ended
    make_postponed_stores();
  }
  plan.changes.clear();
  plan.retargets.clear();
  plan.rewrites.clear();
  plan.counts.clear();
  plan.calls.clear();
  plan.set_again.clear();
  plan.written.clear();
  plan.sites_to_write = 0;
  plan.changes_again = false;
  plan.data_flips = false;
  seeing.rates.begin_commit();
  breakpoints.wanted = 0;
  ++plan.number;
}

// Looks at one batch and takes it into the plan. On error, and if it throws, drop_batch() takes it out again.
Status Engine::Impl::plan_batch(QueuedBatch& batch) {
  CommitPlan::Batch& own = plan.batch;
  own.first_change = plan.changes.size();
  own.first_retarget = plan.retargets.size();
  own.first_call = plan.calls.size();
  own.first_set_again = plan.set_again.size();
  own.replaced.clear();
  own.recounts.clear();
  own.rewrites.clear();
  ++own.number;
  for (const QueuedState& queued : batch.states) {
    const Result<CommitPlan::Change> change = plan_state(queued);
    if (!change) return change.error();
    add_change(*change);
  }
  keep_changes(batch.report);
  if (!batch.targets.empty()) {
    for (const QueuedTarget& queued : batch.targets) {
      if (Status status = plan_retarget(queued); !status) return status;
    }
    plan_rewrites();
    batch.report.sites_written += own.rewrites.size();
    make_room(plan.rewrites, plan.retargets.size());
  }
  if (patcher->collects_ranges()) {
    make_room(plan.written, plan.sites_to_write + batch.report.sites_written + plan.retargets.size());
    plan.sites_to_write += batch.report.sites_written;
  }
  if (batch.old_path != nullptr) {
    if (Status status = find_old_path(batch); !status) return status;
  }
  if (serves_host_sites) {
    if (Status status = prepare_host_text(batch); !status) return status;
  }
  if (Status status = plan_breakpoints(); !status) return status;
  return check_batch();
}

// The batch is refused: nothing of it stays.
void Engine::Impl::drop_batch() noexcept {
  CommitPlan::Batch& own = plan.batch;
  for (std::size_t i = own.first_change; i < plan.changes.size(); ++i) plan.changes[i].sites->last_commit = 0;
  plan.changes.resize(own.first_change);
  plan.retargets.resize(own.first_retarget);
  plan.set_again.resize(own.first_set_again);
  for (const CommitPlan::Change& earlier : own.replaced) plan.changes[earlier.sites->change] = earlier;
  drop_counts();
  drop_calls();
}

// The last call for a key wins.
void Engine::Impl::add_change(const CommitPlan::Change& change) {
  KeySites& sites = *change.sites;
  if (sites.last_batch == plan.batch.number) {
    plan.changes[sites.batch_change] = change;
    return;
  }
  plan.changes.push_back(change);
  sites.last_batch = plan.batch.number;
  sites.batch_change = plan.changes.size() - 1;
}

// What a demotable key's sites get. It is demoted or not as its rate says, but within one commit demoted or promoted
// only once.
CommitPlan::Change Engine::Impl::plan_demotable(const QueuedState& queued) const noexcept {
  KeySites& sites = *queued.key->sites_;
  const detail::DemotableStates states(*queued.key);
  const unsigned now = plan.state_of(sites);
  CommitPlan::Change change{&sites, now};
  const bool promotes = queued.operation == detail::QueuedOperation::Promote;
  change.set = !promotes && queued.key->data_ == nullptr;
  if (!change.set && !promotes && states.value(now) == queued.state) return change;
  const bool demoted = !promotes && seeing.rates.with_flip(sites.rate).thrashing;
  const bool settled = sites.last_commit == plan.number;
  change.to = states.state(queued.state, settled ? states.demoted(now) : demoted);
  return change;
}

// Of the batch's keys, those stay in its part of the plan that would not have the wanted state without it.
void Engine::Impl::keep_changes(CommitReport& report) {
  CommitPlan::Batch& own = plan.batch;
  std::size_t kept = own.first_change;
  for (std::size_t i = kept; i < plan.changes.size(); ++i) {
    CommitPlan::Change change = plan.changes[i];
    KeySites& sites = *change.sites;
    const CommitPlan::Change before = plan.after_batches(sites);
    const std::size_t size = sites.size();
    const detail::DemotableStates states(*sites.key);
    const bool demotable = sites.key->kind() == KeyKind::Demotable;
    change.data_only = demotable && states.is_data_flip(before.to, change.to, sites.shared_stub);
    if (change.same(before)) {
      report.sites_unchanged += size;
      if (change.set && !mutated(detail::Mutant::ForgetSetAgain)) {
        plan.set_again.push_back(&sites);
        plan.data_flips |= states.demoted(change.to) || states.value(change.to) != 0;
      }
      continue;
    }
    (change.data_only ? report.sites_unchanged : report.sites_written) += size;
    plan.data_flips |= change.data_only;
    if (sites.last_commit == plan.number) {
      own.replaced.push_back(before);
      change.data_only = change.data_only && states.is_data_flip(sites.written, change.to, sites.shared_stub);
      plan.changes[sites.change] = change;  // of two batches of a commit, the later one counts
      plan.changes_again = true;
      continue;
    }
    for (SiteGroup& group : sites.groups) group.records.sort();
    sites.last_commit = plan.number;
    sites.change = kept;
    plan.changes[kept++] = change;
  }
  plan.changes.resize(kept);
}

// What a queued operation wants of its key, given those before it.
Result<CommitPlan::Change> Engine::Impl::plan_state(const QueuedState& queued) {
  if (queued.operation == detail::QueuedOperation::Call) {
    return plan_call(static_cast<detail::CallBase&>(*queued.key), queued.function);
  }
  const bool demotable = queued.key->kind() == KeyKind::Demotable;
  const unsigned states = queued.key->states() / (demotable ? 2 : 1);  // that can be asked for
  if (queued.state >= states) {
    return make_error(ErrorCode::InvalidArgument, std::string("key \"") + queued.key->name() + "\" has " +
                                                      std::to_string(states) + " states; " +
                                                      std::to_string(queued.state) + " is none of them");
  }
  if (Status status = bind(*queued.key); !status) return status.error();
  CommitPlan::Change change{queued.key->sites_, queued.state};
  if (demotable) return plan_demotable(queued);
  if (queued.key->kind() != KeyKind::Key) return change;
  auto& key = static_cast<StaticKey&>(*queued.key);
  if (queued.operation != detail::QueuedOperation::Set) {
    const Result<unsigned> state = plan_count(key, queued.operation == detail::QueuedOperation::Acquire);
    if (!state) return state.error();
    change.to = *state;
  } else if (const std::uint32_t references = planned_references(key);
             references != 0 && !mutated(detail::Mutant::SetHeldKey)) {
    return make_error(ErrorCode::KeyHeld, std::string("key \"") + key.name() + "\" was to be set, but has " +
                                              std::to_string(references) +
                                              " references; it is on until the last one is released");
  }
  return change;
}

Status Engine::Impl::plan_retarget(const QueuedTarget& queued) {
  const auto refuse = [&](const std::string& problem) {
    return make_error(ErrorCode::InvalidArgument,
                      std::string("retarget: key \"") + queued.key->name() + "\": " + problem);
  };
  if (queued.state >= queued.key->states()) {
    return refuse("it has no state " + std::to_string(queued.state));
  }
  if (Status status = bind(*queued.key); !status) return status;
  KeySites& sites = *queued.key->sites_;
  auto group = std::find_if(sites.groups.begin(), sites.groups.end(),
                            [&](const SiteGroup& g) { return g.region->contains(queued.site); });
  if (group == sites.groups.end()) return refuse("the site lies outside this engine's code");
  const detail::Region& region = *group->region;
  if (!region.contains(queued.target)) return refuse("the target lies outside the code that the site is in");
  std::size_t slot = SiteRecords::none;
  for (; group != sites.groups.end(); ++group) {  // of several shapes, in that region
    if (group->region != &region) continue;
    group->records.sort();  // does nothing but at a key's first retarget, so earlier slots of this plan stay valid
    slot = group->records.find(region.offset_of(queued.site));
    if (slot != SiteRecords::none) break;
  }
  if (slot == SiteRecords::none)
    return refuse("it has no site at code offset " + std::to_string(region.offset_of(queued.site)));
  const SiteView site = group->records.at(slot);
  if (queued.state < detail::first_branching_state(site.form)) {
    return refuse("state " + std::to_string(queued.state) + " has no target");
  }
  if (site.form == SiteForm::Toggle) {
    return make_error(ErrorCode::IllegalTransition,
                      std::string("retarget: key \"") + queued.key->name() +
                          "\": the site is a Toggle, whose target is part of the instruction; use an AlignedWord");
  }
  std::uint32_t target = region.offset_of(queued.target);
  if (&region == &code_region) {
    const Result<std::uint32_t> way = veneers.reach(site.form, site.offset, target);
    if (!way) return way.error();
    target = *way;
  } else if (!patcher->reaches(site.form, site.offset, target)) {
    return patcher->out_of_reach(site.offset, target);
  }
  plan.retargets.push_back({&sites, &*group, slot, queued.state, target});
  return Ok{};
}

// Of the batch's retargets, those that show: the site is in that state, and its key stays there. Each site once.
void Engine::Impl::plan_rewrites() {
  CommitPlan::Batch& own = plan.batch;
  for (std::size_t i = own.first_retarget; i < plan.retargets.size(); ++i) {
    if (shows(plan.retargets[i])) own.rewrites.push_back(plan.retargets[i]);
  }
  each_site_once(own.rewrites);
}

// Whether the site of a retarget is to be rewritten although its key does not change.
bool Engine::Impl::shows(const CommitPlan::Retarget& retarget) const noexcept {
  const KeySites& sites = *retarget.sites;
  return retarget.state == sites.written && plan.state_of(sites) == sites.written;
}

// Expected bytes. What an earlier batch of the commit changes was checked for that one, and is not written yet.
Status Engine::Impl::check_batch() {
  const CommitPlan::Batch& own = plan.batch;
  for (std::size_t i = own.first_change; i < plan.changes.size(); ++i) {
    const CommitPlan::Change& change = plan.changes[i];
    if (mutated(detail::Mutant::CheckWhileWriting) && i != own.first_change) {
      const CommitPlan::Change& first = plan.changes[own.first_change];
      patcher->write(first.sites->groups.front(), first.to, plan.written);
    }
    for (const SiteGroup& group : change.groups()) {
      if (Status status = patcher->check(group, change.sites->written); !status) return status;
    }
  }
  for (const CommitPlan::Retarget& rewrite : own.rewrites) {
    const SiteView site = rewrite.group->records.at(rewrite.slot);
    if (Status status = patcher->check(*rewrite.group, site, rewrite.state); !status) return status;
  }
  return Ok{};
}

// All batches are in: what they come to together. Room is reserved.
void Engine::Impl::finish_plan() noexcept {
  if (!plan.retargets.empty()) {
    std::copy_if(plan.retargets.begin(), plan.retargets.end(), std::back_inserter(plan.rewrites),
                 [this](const CommitPlan::Retarget& retarget) { return shows(retarget); });
    each_site_once(plan.rewrites);
  }
  if (plan.changes_again)
    std::erase_if(plan.changes,
                  [](const CommitPlan::Change& change) { return change.same(CommitPlan::now(*change.sites)); });
}

std::size_t Engine::Impl::write_plan() noexcept {
  std::size_t count = 0;
  for (const CommitPlan::Retarget& retarget : plan.retargets) {
    retarget.group->records.set_target(retarget.slot, retarget.state, retarget.target);
    retarget.sites->retargeted(retarget.state);
  }
  for (const CommitPlan::Change& change : plan.changes) {
    if (change.target != detail::CallSites::none) aim_call(change);
    // A DemotableKey's state as data, before any site leads to a stub that loads it. Sequentially consistent: see
    // demotable_key.h.
    std::atomic<std::uint32_t>* const data = change.sites->key->data_;
    if (data != nullptr && !mutated(detail::Mutant::SkipDataStore))
      data->store(detail::DemotableStates(*change.sites->key).value(change.to), std::memory_order_seq_cst);
    for (const SiteGroup& group : change.groups()) {
      if (by_breakpoint(group)) {
        patcher->add_breakpoints(group, change.to, breakpoints.sites);
        count += group.records.size();
      } else if (mutated(detail::Mutant::EarlyReturn)) {
        postponed_stores().emplace_back([this, group, change] { patcher->write(group, change.to, plan.written); });
        count += group.records.size();
      } else {
        count += patcher->write(group, change.to, plan.written);
      }
    }
    change.sites->written = change.to;
    if (mutated(detail::Mutant::SerialiseEachKey)) (void)serialiser->serialise();
  }
  for (const CommitPlan::Retarget& rewrite : plan.rewrites) {
    const SiteView site = rewrite.group->records.at(rewrite.slot);
    if (by_breakpoint(*rewrite.group)) {
      patcher->add_breakpoint(*rewrite.group->region, site, rewrite.state, breakpoints.sites);
    } else {
      patcher->write(*rewrite.group->region, site, rewrite.state, plan.written);
    }
  }
  write_breakpoints();
  return count + plan.rewrites.size();
}

void Engine::Impl::maintain_plan() {
  if (!std::is_sorted(plan.written.begin(), plan.written.end())) std::sort(plan.written.begin(), plan.written.end());
  patcher->maintain(regions, plan.written);
}

}  // namespace shunt
