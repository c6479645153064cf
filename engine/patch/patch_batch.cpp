#include "shunt/patch_batch.h"

#include <utility>
#include <vector>

#include "engine/engine_impl.h"
#include "engine/service/ticket_state.h"

namespace shunt {

struct PatchBatch::Impl {
  Engine* engine;
  std::vector<detail::QueuedState> states;
  std::vector<detail::QueuedTarget> targets;
  std::vector<CodeExtent> old_path;

  void clear() noexcept {
    states.clear();
    targets.clear();
    old_path.clear();
  }
};

PatchBatch::PatchBatch(Engine& engine) : impl_(std::make_unique<Impl>(Impl{&engine, {}, {}, {}})) {}
PatchBatch::~PatchBatch() = default;
PatchBatch::PatchBatch(PatchBatch&&) noexcept = default;
PatchBatch& PatchBatch::operator=(PatchBatch&&) noexcept = default;

void PatchBatch::set(StaticKey& key, bool on) {
  impl_->states.push_back({&key, on ? 1U : 0U});
}
void PatchBatch::set(DemotableKey& key, bool on) {
  impl_->states.push_back({&key, on ? 1U : 0U});
}
void PatchBatch::set(DemotableSwitch& key, unsigned value) {
  impl_->states.push_back({&key, value});
}
void PatchBatch::set(StaticSwitch& key, unsigned state) {
  impl_->states.push_back({&key, state});
}

void PatchBatch::acquire(StaticKey& key) {
  impl_->states.push_back({&key, 0, detail::QueuedOperation::Acquire});
}
void PatchBatch::release(StaticKey& key) {
  impl_->states.push_back({&key, 0, detail::QueuedOperation::Release});
}
void PatchBatch::set_call(detail::CallBase& call, const void* function) {
  impl_->states.push_back({&call, function == nullptr ? 0U : 1U, detail::QueuedOperation::Call, function});
}
void PatchBatch::invalidate(Assumption& assumption) {
  impl_->states.push_back({&assumption, 1});
}

void PatchBatch::retarget(StaticSwitch& key, const void* site, unsigned state, const void* target) {
  impl_->targets.push_back({&key, site, state, target});
}
void PatchBatch::retarget(DemotableSwitch& key, const void* site, unsigned state, const void* target) {
  impl_->targets.push_back({&key, site, state, target});
}
void PatchBatch::retarget(StaticKey& key, const void* site, unsigned state, const void* target) {
  impl_->targets.push_back({&key, site, state, target});
}

void PatchBatch::old_path(const CodeExtent& extent) {
  impl_->old_path.push_back(extent);
}

Result<CommitReport> PatchBatch::commit() {
  Result<CommitReport> result = impl_->engine->impl_->commit(impl_->states, impl_->targets);
  if (!result) impl_->engine->impl_->seeing.counters.failed(result.error().code());
  impl_->clear();
  return result;
}

Result<CommitReport> PatchBatch::commit_and_settle(const WaitLimit& limit) {
  Engine::Impl& engine = *impl_->engine->impl_;
  Result<CommitReport> result = engine.commit_and_settle(impl_->states, impl_->targets, limit);
  if (!result) engine.seeing.counters.failed(result.error().code());
  impl_->clear();
  return result;
}

Result<CommitReport> PatchBatch::commit_and_drain(const WaitLimit& limit) {
  Engine::Impl& engine = *impl_->engine->impl_;
  Result<CommitReport> result =
      engine.commit_and_drain(impl_->states, impl_->targets, std::move(impl_->old_path), limit);
  if (!result) engine.seeing.counters.failed(result.error().code());
  impl_->clear();
  return result;
}

Ticket PatchBatch::commit_async(Visibility wanted) {
  Ticket ticket(impl_->engine->impl_->queue(impl_->states, impl_->targets, wanted, impl_->old_path));
  impl_->clear();
  return ticket;
}

}  // namespace shunt
