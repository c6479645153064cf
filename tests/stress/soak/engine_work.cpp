#include "tests/stress/soak/engine_work.h"

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstring>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "shunt/patch_batch.h"
#include "tests/engine/host_code.h"

namespace shunt::soak {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t kTarget = 32;

Result<Engine::Allocation> idle_code(Engine& engine, std::uint32_t size, SiteForm form) {
  auto allocation = engine.allocate(size);
  if (!allocation) return allocation;
  std::memset(allocation->staging, test::trap_byte, size);
  const SiteBytes site = idle_site(engine.instruction_set(), form, 0);
  std::memcpy(allocation->staging, site.bytes.data(), site.length);
  return allocation;
}

// A function that returns its key's state.
Result<Code> publish_answers(Engine& engine, StaticKey& key) {
  auto allocation = idle_code(engine, 64, SiteForm::AlignedWord);
  if (!allocation) return allocation.error();
  test::write_answer(allocation->staging + idle_site(engine.instruction_set(), SiteForm::AlignedWord, 0).length, 0);
  test::write_answer(allocation->staging + kTarget, 1);
  const NewSite site{&key, SiteForm::AlignedWord, 0, {&kTarget, 1}};
  return engine.publish(*allocation, {&site, 1});
}

// A function that returns a number.
Result<Code> publish_number(Engine& engine, std::uint32_t number) {
  constexpr std::uint32_t size = 48;
  auto allocation = engine.allocate(size);
  if (!allocation) return allocation.error();
  std::memset(allocation->staging, test::trap_byte, size);
  test::write_answer(allocation->staging, number);
  return engine.publish(*allocation, {});
}

int call(const Code& code) {
  return code.entry<int()>()();
}

}  // namespace

struct EngineWork::Parts {
  StaticKey key{"soak"};
  Sequence flips;
  Code flipped;

  StaticSwitch gate_key{"soak gate", 2};
  Sequence versions;
  Code gate, current;
};

EngineWork::EngineWork(Engine& engine, Shared& shared)
    : engine_(engine), shared_(shared), parts_(std::make_unique<Parts>()) {
  auto flipped = publish_answers(engine, parts_->key);
  auto first = publish_number(engine, 0);
  auto allocation = idle_code(engine, 16, SiteForm::AlignedWord);
  if (!flipped || !first || !allocation) {
    shared.problem("the first code cannot be published");
    return;
  }
  parts_->flipped = std::move(*flipped);
  parts_->current = std::move(*first);
  constexpr std::uint32_t itself = 0;
  const NewSite site{&parts_->gate_key, SiteForm::AlignedWord, 0, {&itself, 1}};
  auto gate = engine.publish(*allocation, {&site, 1});
  if (!gate) {
    shared.problem("the gate cannot be published: " + gate.error().message());
    return;
  }
  parts_->gate = std::move(*gate);
  PatchBatch batch(engine);
  batch.retarget(parts_->gate_key, parts_->gate.data(), 1, parts_->current.data());
  batch.set(parts_->gate_key, 1);
  if (auto opened = batch.commit(); !opened) shared.problem("the gate cannot be opened: " + opened.error().message());
}

EngineWork::~EngineWork() = default;

void EngineWork::flip() {
  PatchBatch batch(engine_);
  for (std::uint64_t n = 1; !shared_.stop.load(); ++n) {
    parts_->flips.begun.store(n, std::memory_order_release);
    batch.set(parts_->key, n % 2 != 0);
    if (auto report = batch.commit(); !report) return shared_.problem("flip: " + report.error().message());
    parts_->flips.completed.store(n, std::memory_order_release);
    ++shared_.done.flips;
    if (n % 16 == 0) std::this_thread::sleep_for(1ms);  // the others want processors too
  }
}

void EngineWork::replace() {
  PatchBatch batch(engine_);
  for (std::uint64_t n = 1; !shared_.stop.load(); ++n) {
    auto next = publish_number(engine_, static_cast<std::uint32_t>(n));
    if (!next) return shared_.problem("publish: " + next.error().message());
    parts_->versions.begun.store(n, std::memory_order_release);
    batch.retarget(parts_->gate_key, parts_->gate.data(), 1, next->data());
    if (auto report = batch.commit(); !report) return shared_.problem("retarget: " + report.error().message());
    parts_->versions.completed.store(n, std::memory_order_release);
    Code old = std::exchange(parts_->current, std::move(*next));
    if (Status retired = engine_.retire(std::move(old)); !retired)
      return shared_.problem("retire: " + retired.error().message());
    ++shared_.done.publications;
    ++shared_.done.retirements;
    if (n % 64 == 0) {
      // Bounds what waits to be freed.
      if (Status waited = engine_.await_retired(std::chrono::nanoseconds(60s)); !waited)
        return shared_.problem("await_retired: " + waited.error().message());
    }
    std::this_thread::sleep_for(500us);
  }
}

void EngineWork::call_for_a_while() {
  auto attached = Thread::attach(engine_);
  if (!attached) return shared_.problem("attach: " + attached.error().message());
  const auto end = std::chrono::steady_clock::now() + 150ms;
  while (!shared_.stop.load() && std::chrono::steady_clock::now() < end) {
    for (int i = 0; i < 64; ++i) {
      std::uint64_t before = parts_->flips.completed.load(std::memory_order_acquire);
      const auto state = static_cast<std::uint64_t>(call(parts_->flipped));
      std::uint64_t after = parts_->flips.begun.load(std::memory_order_acquire);
      if (state > 1) return shared_.problem("a site was torn");
      if (before == after) {
        ++shared_.done.checked;
        if (state != before % 2) return shared_.problem("a site was executed as it was before a commit that returned");
      }
      before = parts_->versions.completed.load(std::memory_order_acquire);
      std::uint32_t version = 0;
      {
        const GuestScope guest(*attached);
        version = static_cast<std::uint32_t>(call(parts_->gate));
      }
      after = parts_->versions.begun.load(std::memory_order_acquire);
      if (version < before || version > after)
        return shared_.problem("version " + std::to_string(version) + " of a function ran, not one of " +
                               std::to_string(before) + " to " + std::to_string(after));
      ++shared_.done.engine_calls;
    }
    std::this_thread::yield();
  }
}

// In the child, which this thread is alone in.
int EngineWork::child() {
  alarm(30);  // a lock that nobody holds ends the child
  PatchBatch batch(engine_);
  for (const bool on : {true, false, true}) {
    batch.set(parts_->key, on);
    if (!batch.commit()) return 1;
    if (call(parts_->flipped) != (on ? 1 : 0)) return 2;
  }
  auto code = publish_number(engine_, 77);
  if (!code) return 3;
  if (call(*code) != 77) return 4;
  return engine_.retire(std::move(*code)) && engine_.await_retired() ? 0 : 5;
}

void EngineWork::check_child(pid_t child) {
  int status = 0;
  if (waitpid(child, &status, 0) != child) return shared_.problem("a child was lost");
  if (WIFSIGNALED(status)) return shared_.problem("a child died of signal " + std::to_string(WTERMSIG(status)));
  if (WEXITSTATUS(status) != 0) return shared_.problem("a child failed, " + std::to_string(WEXITSTATUS(status)));
  ++shared_.done.forks;
}

void EngineWork::fork() {
  while (!shared_.stop.load()) {
    const pid_t made = ::fork();
    if (made == 0) _exit(child());
    if (made < 0) return shared_.problem("fork failed");
    check_child(made);
    std::this_thread::sleep_for(100ms);
  }
}

}  // namespace shunt::soak
