// Engine and PatchBatch: what waits for threads.
#include <new>
#include <utility>
#include <vector>

#include "engine/engine_impl.h"
#include "engine/patch/mutant.h"
#include "engine/quiesce/quiescence.h"
#include "engine/quiesce/safepoint_entry.h"
#include "shunt/engine.h"

namespace shunt {

using detail::Wanted;

namespace {

Error no_memory() {
  return make_error(ErrorCode::OutOfMemory, "no heap memory to wait for threads");
}

}  // namespace

// After a commit that is Synced.
Result<CommitReport> Engine::Impl::await_threads(Visibility wanted, std::vector<CodeExtent> old_path,
                                                 const WaitLimit& limit, CommitReport report) {
  detail::PhaseClock clock;
  const Wanted threads = wanted == Visibility::Drained ? Wanted::Drained : Wanted::Settled;
  const Result<QuiescenceReport> waited = quiescence.wait(threads, std::move(old_path), limit);
  if (!waited) return waited.error();
  report.visibility = wanted;
  report.threads = waited->threads;
  report.rounds = waited->rounds;
  report.quiesce_ns = clock.lap();
  return report;
}

Result<CommitReport> Engine::Impl::commit_and_settle(std::span<const detail::QueuedState> states,
                                                     std::span<const detail::QueuedTarget> targets,
                                                     const WaitLimit& limit) {
  try {
    if (const auto blocking = quiescence.blocking_thread(); !blocking) return blocking.error();
    Result<CommitReport> report = commit(states, targets);
    if (!report) return report;
    return await_threads(Visibility::Settled, {}, limit, *report);
  } catch (const std::bad_alloc&) {
    return no_memory();
  }
}

Result<CommitReport> Engine::Impl::commit_and_drain(std::span<const detail::QueuedState> states,
                                                    std::span<const detail::QueuedTarget> targets,
                                                    std::vector<CodeExtent> named_old_path, const WaitLimit& limit) {
  try {
    const Result<detail::BlockingThread> blocking = quiescence.blocking_thread();
    if (!blocking) return blocking.error();
    if (Status status = blocking->check(named_old_path); !status) return status.error();
    detail::OldPath derived{{}, &*blocking};
    const bool named = !named_old_path.empty();
    Result<CommitReport> report = commit(states, targets, named ? nullptr : &derived);
    if (!report) return report;
    return await_threads(Visibility::Drained, named ? std::move(named_old_path) : std::move(derived.extents), limit,
                         *report);
  } catch (const std::bad_alloc&) {
    return no_memory();
  }
}

Result<QuiescenceReport> Engine::settle(const WaitLimit& limit) {
  try {
    if (const auto blocking = impl_->quiescence.blocking_thread(); !blocking) return blocking.error();
    return impl_->quiescence.wait(Wanted::Settled, {}, limit);
  } catch (const std::bad_alloc&) {
    return no_memory();
  }
}

Result<QuiescenceReport> Engine::drain(std::span<const CodeExtent> old_path, const WaitLimit& limit) {
  try {
    std::vector<CodeExtent> extents(old_path.begin(), old_path.end());
    const auto blocking = impl_->quiescence.blocking_thread();
    if (!blocking) return blocking.error();
    if (Status status = blocking->check(extents); !status) return status.error();
    return impl_->quiescence.wait(Wanted::Drained, std::move(extents), limit);
  } catch (const std::bad_alloc&) {
    return no_memory();
  }
}

Status Engine::retire(Code&& code, std::function<void()> then) {
  return retire({&code, 1}, std::move(then));
}

Status Engine::retire(std::span<Code> codes, std::function<void()> then) {
  struct Retired {
    std::vector<Code> codes;
    std::vector<arch::CodeRange> freed;  // room for what their end fills in
  };
  std::shared_ptr<Retired> kept;
  const auto give_back = [&] {
    for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = std::move(kept->codes[i]);
  };
  try {
    std::vector<CodeExtent> extents;
    for (const Code& code : codes) {
      if (code.engine_ != this) {
        return make_error(ErrorCode::InvalidArgument,
                          "retire: code of another engine, or none; nothing is retired, the handles are as they were");
      }
      extents.push_back({code.rx_, code.size_});
    }
    kept =
        std::make_shared<Retired>(Retired{std::vector<Code>(codes.size()), std::vector<arch::CodeRange>(codes.size())});
    std::function<void()> completed([this, kept, then = std::move(then)] {
      impl_->end_codes(kept->codes, kept->freed);
      impl_->quiescence.count_freed(kept->codes.size());
      if (then) then();
    });
    for (std::size_t i = 0; i < codes.size(); ++i) kept->codes[i] = std::move(codes[i]);
    Status status = impl_->quiescence.request(Wanted::Drained, std::move(extents), std::move(completed));
    if (!status) {
      give_back();
    } else {
      impl_->quiescence.count_retired(codes.size());
    }
    return status;
  } catch (const std::bad_alloc&) {
    if (kept != nullptr && !kept->codes.empty() && kept->codes.front().engine_ != nullptr) give_back();
    return no_memory();
  }
}

Status Engine::await_retired(const WaitLimit& limit) {
  try {
    return impl_->quiescence.await_completions(limit);
  } catch (const std::bad_alloc&) {
    return no_memory();
  }
}

const void* Engine::safepoint_entry() noexcept {
  return detail::safepoint_entry();
}

Status Engine::add_safepoint_key(StaticKey& key) {
  try {
    impl_->quiescence.add_safepoint_key(key);
    return Ok{};
  } catch (const std::bad_alloc&) {
    return make_error(ErrorCode::OutOfMemory, "no heap memory to add a safepoint key");
  }
}

void Engine::remove_safepoint_key(StaticKey& key) noexcept {
  impl_->quiescence.remove_safepoint_key(key);
}

CodeExtent Engine::code_memory() const noexcept {
  return {impl_->code_region.views.rx, impl_->code_region.size};
}

StaticKey& Engine::safepoint_key() noexcept {
  return impl_->quiescence.safepoint_key;
}

std::vector<ThreadInfo> Engine::threads() const {
  return impl_->quiescence.threads();
}

QuiescenceCounts Engine::quiescence_counts() const {
  return impl_->quiescence.counts();
}

}  // namespace shunt
