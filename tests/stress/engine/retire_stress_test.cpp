// Threads run recursive functions that call each other, pass safepoints and call the host, while other threads replace
// the functions all the time and free the old ones as soon as they are drained. Freed code is traps, so a thread that
// returns to code that was freed too early is noticed; so is one that finds other code there, by a wrong result.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "shunt/codegen/asmjit.h"
#include "tests/engine/codegen/guest_code.h"
#include "tests/engine/test_code.h"
#include "tests/stress/engine/running_code.h"

namespace shunt::test {
namespace {

using Clock = std::chrono::steady_clock;

constexpr unsigned runners = 3;
constexpr unsigned replacers = 2;
constexpr unsigned functions = 8;  // replacer r replaces those with number r mod replacers
constexpr std::uint64_t wanted_replacements = 5'000;
constexpr std::uint64_t wanted_runs = 2'000;
constexpr int max_depth = 7;
constexpr auto time_limit = std::chrono::seconds(100);  // however slow the machine

// What the calling runner runs with.
thread_local Thread* attached = nullptr;
thread_local int depth = 0;
int (*first_gate)(int) = nullptr;

// Called by the innermost functions: away from guest code for a moment.
int call_host(int) {
  const HostScope host(*attached);
  std::this_thread::yield();
  return 0;
}

class RetireStress : public testing::Test {
 protected:
  void SetUp() override {
    auto engine = Engine::create();
    ASSERT_TRUE(engine) << engine.error().message();
    engine_ = std::move(*engine);
    for (unsigned i = 0; i < functions; ++i) keys_[i].emplace("function", 2);
    publish_gates();
    for (unsigned i = 0; i < functions; ++i) {
      auto code = publish_function(i, i);
      ASSERT_TRUE(code) << code.error().message();
      current_[i] = std::move(*code);
    }
    PatchBatch batch(*engine_);
    for (unsigned i = 0; i < functions; ++i) {
      batch.retarget(*keys_[i], gate(i), 1, current_[i].data());
      batch.set(*keys_[i], 1);
    }
    ASSERT_TRUE(batch.commit());
    first_gate = reinterpret_cast<int (*)(int)>(reinterpret_cast<std::uintptr_t>(gate(0)));
  }

  // A gate is one branch, to the function that it stands for.
  static constexpr std::uint32_t gate_size = 16;
  void publish_gates() {
    std::vector<TestSite> sites;
    for (std::uint32_t i = 0; i < functions; ++i)
      sites.push_back({&*keys_[i], SiteForm::AlignedWord, i * gate_size, {i * gate_size}});
    const Engine::Allocation allocation = written_code(*engine_, functions * gate_size, sites, 0xCC);
    auto code = engine_->publish(allocation, new_sites(sites));
    ASSERT_TRUE(code) << code.error().message();
    gates_ = std::move(*code);
  }
  [[nodiscard]] const std::uint8_t* gate(unsigned i) const { return gates_.data() + std::size_t{i} * gate_size; }

  // int f(int depth): 2^(depth + 1) - 1, by way of two other functions. `padding` makes versions differ in size.
  Result<Code> publish_function(unsigned number, unsigned padding) {
    GuestCode code;
    const asmjit::Label leaf = code.label(), end = code.label();
    code.prologue();
    code.sites.safepoint(*engine_);
    code.move(Value::Kept, Value::Argument);
    code.jump_if_zero(Value::Kept, leaf);
    code.move(Value::Argument, Value::Kept);
    code.add(Value::Argument, -1);
    code.call(gate((number + 1) % functions));
    code.move(Value::AlsoKept, Value::Result);
    code.move(Value::Argument, Value::Kept);
    code.add(Value::Argument, -1);
    code.call(gate((number + 3) % functions));
    code.add(Value::Result, Value::AlsoKept);
    code.add(Value::Result, 1);
    code.jump(end);
    code.bind(leaf);
    code.call(reinterpret_cast<const void*>(&call_host));
    code.set(Value::Result, 1);
    code.bind(end);
    code.sites.safepoint(*engine_, Flags::Dead);
    code.epilogue();
    for (unsigned i = 0; i < padding * 16; ++i) code.trap();
    return publish_code(*engine_, code.holder, code.sites);
  }

  void run(unsigned runner) {
    std::minstd_rand random(stress_seed() + runner);
    std::optional<Thread> thread;
    while (!stop_.load(std::memory_order_relaxed)) {
      if (!thread || random() % 64 == 0) {
        thread.reset();
        auto made = Thread::attach(*engine_, {"runner", {}});
        if (!made) return fail("attach");
        thread.emplace(std::move(*made));
        attached = &*thread;
      }
      depth = static_cast<int>(random() % (max_depth + 1));
      run_once(*thread);
    }
  }

  void run_once(Thread& thread) {
    const GuestScope guest(thread);
    const int found = TornGuard::call([] { return first_gate(depth); });
    runs_.fetch_add(1, std::memory_order_relaxed);  // a count
    if (found != (2 << depth) - 1) fail("executed freed code");
  }

  void replace(unsigned replacer) {
    std::minstd_rand random(stress_seed() + 100 + replacer);
    while (!stop_.load(std::memory_order_relaxed)) {
      const auto number = static_cast<unsigned>(random() % (functions / replacers) * replacers + replacer);
      auto code = publish_function(number, static_cast<unsigned>(random() % 8));
      if (!code) return fail("publish");
      PatchBatch batch(*engine_);
      batch.retarget(*keys_[number], gate(number), 1, code->data());
      Code old = std::exchange(current_[number], std::move(*code));
      if (random() % 2 == 0) {
        if (!batch.commit() || !engine_->retire(std::move(old))) return fail("retire");
      } else {
        batch.old_path({old.data(), old.size()});
        if (!batch.commit_and_drain(time_limit)) return fail("commit_and_drain");
        old = Code();  // freed here
      }
      replacements_.fetch_add(1, std::memory_order_relaxed);  // a count
    }
  }

  void fail(const char* what) {
    failure_.store(what, std::memory_order_relaxed);
    stop_.store(true, std::memory_order_relaxed);
  }

  TornGuard guard_;
  std::unique_ptr<Engine> engine_;
  std::array<std::optional<StaticSwitch>, functions> keys_;
  Code gates_;
  std::array<Code, functions> current_;
  std::atomic<bool> stop_ = false;
  std::atomic<const char*> failure_ = nullptr;
  std::atomic<std::uint64_t> runs_ = 0, replacements_ = 0;
};

TEST_F(RetireStress, CodeIsReplacedUnderRunningThreads) {
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < runners; ++i) threads.emplace_back([this, i] { run(i); });
  for (unsigned i = 0; i < replacers; ++i) threads.emplace_back([this, i] { replace(i); });
  const auto begin = Clock::now();
  const auto least =
      begin + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(stress_seconds()));
  while (!stop_.load(std::memory_order_relaxed) && Clock::now() - begin < time_limit &&
         (replacements_.load(std::memory_order_relaxed) < wanted_replacements ||
          runs_.load(std::memory_order_relaxed) < wanted_runs || Clock::now() < least)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  stop_.store(true, std::memory_order_relaxed);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failure_.load(), nullptr) << failure_.load();
  EXPECT_TRUE(engine_->await_retired(time_limit));
  const QuiescenceCounts counts = engine_->quiescence_counts();
  std::printf("retire: seed %u, %lu replacements, %lu calls on %u threads, %lu pieces retired, %lu rounds, %lu looks\n",
              stress_seed(), replacements_.load(), runs_.load(), runners, counts.retired, counts.rounds, counts.looks);
  EXPECT_EQ(counts.freed, counts.retired);
  EXPECT_LE(counts.safepoint_flips, 2 * counts.rounds);
  if (!HasFailure()) {
    EXPECT_GE(replacements_.load(), wanted_replacements);
    EXPECT_GE(runs_.load(), wanted_runs);
  }
}

}  // namespace
}  // namespace shunt::test
