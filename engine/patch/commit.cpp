// Commit: the steps of docs/patching-protocol.md over the batches of one group.
#include <algorithm>
#include <new>
#include <string>
#include <utility>

#include "engine/engine_impl.h"
#include "engine/observe/probes.h"
#include "engine/patch/mutant.h"

namespace shunt {

using detail::BreakpointStep;
using detail::CommitPlan;
using detail::KeySites;
using detail::PhaseClock;
using detail::QueuedBatch;

// Whether what an admitted batch wants was written by somebody, and its core serialisation failed.
bool Engine::Impl::is_unserialised(const QueuedBatch& batch) noexcept {
  const auto marked = [](const auto& queued) { return queued.key->sites_->unserialised; };
  return std::any_of(batch.states.begin(), batch.states.end(), marked) ||
         std::any_of(batch.targets.begin(), batch.targets.end(), marked);
}

void Engine::Impl::commit_group(QueuedBatch* first) noexcept {
  if (mutated(detail::Mutant::SerialiseEachBatch) && first->next != nullptr) {
    QueuedBatch* const rest = std::exchange(first->next, nullptr);
    commit_group(first);
    commit_group(rest);
    first->next = rest;
    return;
  }
  PhaseClock clock;
  CommitReport shared;
  shared.mechanism = "none";

  // 1. Everything that can be refused, batch by batch: who owns the keys, which sites, ranges, and the bytes of every
  // site that will be written.
  begin_plan();
  if (Status status = own_code_memory(); !status) {
    for (QueuedBatch* batch = first; batch != nullptr; batch = batch->next) batch->error = status.error();
    return;
  }
  if (host_incomplete.load(std::memory_order_relaxed)) adopt_host_modules_locked();  // stored under commit_lock alone
  shared.batches = 0;
  if (breakpoints.in_flight()) {
    if (Status status = serialise_steps(shared); !status) return refuse_group(first, status.error());
  }
  for (QueuedBatch* batch = first; batch != nullptr; batch = batch->next) {
    admit(*batch);
    ++shared.batches;
  }
  finish_plan();
  shared.check_ns = clock.lap();

  if (mutated(detail::Mutant::StateTooEarly)) {
    for (const CommitPlan::Change& change : plan.changes) change.sites->key->state_.store(change.to);
  }

  // 2. to 4. The sites, until nobody can still execute what was there before.
  detail::probe_commit_begin(generation.load(std::memory_order_relaxed), plan.changes.size(), shared.batches);
  const Status applied = apply_plan(shared, clock);

  // 5. The new states are the keys' states.
  finish_calls(applied.has_value());
  if (applied) {
    for (const CommitPlan::Change& change : plan.changes) {
      const unsigned from = change.sites->key->state();
      complete_key(*change.sites);
      seeing.rates.changed(*change.sites, from, change.to, change.set);
    }
    for (KeySites* sites : plan.set_again) seeing.rates.changed(*sites, sites->written, sites->written, true);
  } else {
    forget_counts();
  }

  // 6. Each batch's verdict. The references of those that failed are not counted.
  CommitReport sum = shared;
  std::uint32_t committed = 0;
  for (QueuedBatch* batch = first; batch != nullptr; batch = batch->next) {
    if (batch->error) continue;
    if (mutated(detail::Mutant::BlameOneBatch) && batch != first) continue;
    if (!applied && (is_unserialised(*batch) || !count_again(*batch))) {
      batch->error = applied.error();
      continue;
    }
    shared.sites_written = batch->report.sites_written;
    shared.sites_unchanged = batch->report.sites_unchanged;
    batch->report = shared;
    sum.sites_written += shared.sites_written;
    ++committed;
  }
  open_counts();
  if (committed != 0) seeing.counters.committed(sum, committed);
  detail::probe_commit_end(sum.generation, sum.sites_written, sum.mechanism.data(),
                           sum.check_ns + sum.write_ns + sum.maintenance_ns + sum.serialise_ns);
}

// What an earlier commit wrote stands half finished, and still cannot be carried on.
void Engine::Impl::refuse_group(QueuedBatch* first, const Error& cause) noexcept {
  for (QueuedBatch* batch = first; batch != nullptr; batch = batch->next) {
    batch->error = make_error(
        cause.code(), cause.message() + "; an earlier batch is held up by this, and nothing of this one was written");
  }
}

// Takes the batch into the plan, or refuses it.
void Engine::Impl::admit(QueuedBatch& batch) noexcept {
  try {
    Status status = plan_batch(batch);
    if (status) return;
    batch.error = std::move(status).error();
  } catch (const std::bad_alloc&) {
    batch.error = make_error(ErrorCode::OutOfMemory, "no heap memory to plan the batch; nothing was written");
  }
  if (!mutated(detail::Mutant::KeepRefusedBatch)) drop_batch();
}

// Writes what is planned. Fails by the core serialisation alone; the keys are marked unserialised then.
Status Engine::Impl::apply_plan(CommitReport& shared, PhaseClock& clock) noexcept {
  // 2. The sites, through the RW alias.
  if (mutated(detail::Mutant::SerialiseBeforeWrite)) (void)serialiser->serialise();
  const std::size_t written = seeing.watch.write(this);
  shared.write_ns = clock.lap();

  // 3. Until the stores can be fetched.
  if (patcher->collects_ranges()) {
    maintain_plan();
    shared.maintenance_ns = clock.lap();
  }

  // 4. Until nobody can still execute what was fetched before.
  if (written != 0) generation.fetch_add(1, std::memory_order_relaxed);  // see engine_impl.h
  shared.generation = generation.load(std::memory_order_relaxed);
  if (mutated(detail::Mutant::CountBeforeSerialising)) open_counts();
  if (mutated(detail::Mutant::EnterEarly)) {
    for (const CommitPlan::Call& call : plan.calls) complete_call(*call.sites);
  }
  const bool data_flips =
      plan.data_flips && patcher->data_flips_need_serialisation() && !mutated(detail::Mutant::SkipDataSerialisation);
  if (written == 0 && !unserialised && !data_flips) return Ok{};
  if (Status status = serialise_steps(shared); !status) return status;
  shared.mechanism = serialiser->name();
  shared.serialise_ns = clock.lap();
  return Ok{};
}

Status Engine::Impl::serialise() noexcept {
  if (mutated(detail::Mutant::SkipSerialisation) || mutated(detail::Mutant::SerialiseBeforeWrite)) return Ok{};
  if (Status status = serialiser->serialise(); !status) {
    unserialised = true;
    for (const CommitPlan::Change& change : plan.changes) mark_unserialised(*change.sites);
    for (const CommitPlan::Retarget& rewrite : plan.rewrites) mark_unserialised(*rewrite.sites);
    return status;
  }
  if (unserialised && breakpoints.step != BreakpointStep::Breakpoints && breakpoints.step != BreakpointStep::Tails)
    complete_keys();
  return Ok{};
}

void Engine::Impl::mark_unserialised(KeySites& sites) noexcept {
  if (std::exchange(sites.unserialised, true)) return;
  sites.next_unserialised = std::exchange(unserialised_keys, &sites);
  sites.key->unserialised_.store(true, std::memory_order_release);  // see static_key.h
}

// The key ends. Precondition: sites.unserialised.
void Engine::Impl::forget_unserialised(KeySites& sites) noexcept {
  KeySites** link = &unserialised_keys;
  while (*link != &sites) link = &(*link)->next_unserialised;
  *link = sites.next_unserialised;
}

// What the key's sites were last written as is complete.
void Engine::Impl::complete_key(KeySites& sites) noexcept {
  if (sites.key->kind() == KeyKind::Call) complete_call(sites);
  sites.key->state_.store(sites.written, std::memory_order_release);  // see static_key.h
}

// A core serialisation succeeded after one or more had failed: what those had written is complete now.
void Engine::Impl::complete_keys() noexcept {
  for (KeySites* sites = std::exchange(unserialised_keys, nullptr); sites != nullptr;) {
    sites->unserialised = false;
    complete_key(*sites);
    sites->key->unserialised_.store(false, std::memory_order_release);
    sites = std::exchange(sites->next_unserialised, nullptr);
  }
  unserialised = false;
}

}  // namespace shunt
