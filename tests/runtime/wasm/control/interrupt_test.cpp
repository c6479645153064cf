// Stopping guests, and making them yield.
#include <gtest/gtest.h>

#include "tests/runtime/wasm/control/interrupted_guest.h"

namespace shunt::test {
namespace {

using runtime::InterruptHandle;
using testing::AssertionFailure;
using testing::AssertionResult;
using testing::AssertionSuccess;

AssertionResult contains(const std::string& text, const std::string& part) {
  if (text.find(part) != std::string::npos) return AssertionSuccess();
  return AssertionFailure() << "\"" << text << "\" has no \"" << part << "\"";
}

class Interrupt : public InterruptedGuest {
 protected:
  Interrupt() { define_begun(linker); }

  // The outcome of an export that is cancelled once it runs.
  std::string cancelled(const std::string& name) {
    Instance instance = instantiate(endless);
    Runner runner(instance, name);
    await([&] { return begun > 0; });
    EXPECT_TRUE(handle.cancel("enough"));
    std::string outcome = runner.outcome();
    EXPECT_FALSE(key_of(instance).enabled()) << "nobody is asked any more";
    return outcome;
  }

  InterruptHandle handle = store.interrupt_handle();
};

TEST_F(Interrupt, StopsAnEndlessLoop) {
  std::string outcome;
  for (unsigned stops = 1; stops < 100; ++stops) {
    outcome = cancelled("loop");
    EXPECT_EQ(handle.report().stops, stops);
    if (outcome != "Interrupted: m.wat: interrupted: enough") break;
    ASSERT_TRUE(handle.clear());  // it was still on its way back from the host
  }
  EXPECT_TRUE(contains(outcome, "Interrupted: m.wat: interrupted: enough in function"));
  EXPECT_TRUE(contains(outcome, " at byte 0x"));
  EXPECT_GT(handle.report().last_latency_ns, 0U);
  EXPECT_EQ(handle.report().last_latency_ns, handle.report().longest_latency_ns);
}

TEST_F(Interrupt, StopsCallsWithoutLoops) {
  EXPECT_TRUE(contains(cancelled("fib"), "interrupted: enough"));
}

TEST_F(Interrupt, OfEndlessRecursionEndsItOneWayOrTheOther) {
  Instance instance = instantiate(endless);
  for (int round = 0; round < 200; ++round) {
    begun = 0;
    Runner runner(instance, "down");
    await([&] { return begun > 0; });
    ASSERT_TRUE(handle.cancel());
    const std::string outcome = runner.outcome();
    ASSERT_TRUE(outcome.find("interrupted") != std::string::npos ||
                outcome.find("call stack exhausted") != std::string::npos)
        << outcome;
    ASSERT_TRUE(handle.clear());
    ASSERT_EQ(bits(instance.call("quick")), 7U);
    ASSERT_FALSE(key_of(instance).enabled());
  }
}

TEST_F(Interrupt, HoldsUntilItIsCleared) {
  Instance instance = instantiate(endless);
  ASSERT_TRUE(handle.cancel("not today"));
  EXPECT_EQ(failure(instance.call("quick")), "Interrupted: m.wat: interrupted: not today");
  EXPECT_EQ(failure(instance.call("quick")), "Interrupted: m.wat: interrupted: not today");
  EXPECT_FALSE(key_of(instance).enabled()) << "no guest runs that would have to be told";
  ASSERT_TRUE(handle.clear());
  EXPECT_EQ(bits(instance.call("quick")), 7U);
  EXPECT_EQ(handle.report().stops, 2U);
  EXPECT_EQ(handle.report().last_latency_ns, 0U) << "nobody was running";
}

TEST_F(Interrupt, KeepsAStartFunctionFromRunning) {
  ASSERT_TRUE(handle.cancel());
  EXPECT_TRUE(contains(refusal("(module (func $f (loop (br 0))) (start $f))", ErrorCode::Interrupted), "cancelled"));
}

TEST_F(Interrupt, DoesNothingOnceTheStoreHasEnded) {
  auto other = std::make_unique<Store>(must(Store::create()));
  const InterruptHandle of_other = other->interrupt_handle();
  other.reset();
  EXPECT_TRUE(of_other.cancel());
  EXPECT_TRUE(of_other.request_yield());
  EXPECT_TRUE(of_other.clear());
}

TEST_F(Interrupt, StopsEachOfEightBusyThreads) {
  const Module module = must(load(endless));
  struct Guest {
    Store store = must(Store::create());
    Linker linker{store};
    std::unique_ptr<Runner> runner;
  };
  std::vector<Guest> guests(8);
  for (Guest& guest : guests) {
    define_begun(guest.linker);
    guest.runner = std::make_unique<Runner>(must(guest.linker.instantiate(module)), "loop");
  }
  await([&] { return begun == 8; });
  ASSERT_TRUE(guests[3].store.interrupt_handle().cancel("one"));
  EXPECT_TRUE(contains(guests[3].runner->outcome(), "interrupted: one"));
  std::this_thread::sleep_for(5ms);
  for (const Guest& guest : guests)
    EXPECT_EQ(guest.runner->ended(), &guest == &guests[3]) << "only who was asked stops";
  EXPECT_FALSE(module.state()->control->interrupt.enabled());
  std::vector<std::thread> cancellers;
  for (Guest& guest : guests) {
    if (&guest == &guests[3]) continue;
    cancellers.emplace_back([&guest] { EXPECT_TRUE(guest.store.interrupt_handle().cancel("all")); });
  }
  for (std::thread& canceller : cancellers) canceller.join();
  for (Guest& guest : guests) {
    if (&guest == &guests[3]) continue;
    EXPECT_TRUE(contains(guest.runner->outcome(), "interrupted: all"));
  }
  EXPECT_EQ(module.state()->control->interrupt.references(), 0U);
}

TEST_F(Interrupt, StopsEveryCallThatIsInProgress) {
  std::string inner;
  linker.define_function("host", "again", {}, [&](Caller caller, auto, auto) -> Status {
    inner = failure(caller.instance().call("inner"));
    return Ok{};  // says nothing of it to the outer call
  });
  Instance instance = instantiate(R"((module
    (import "host" "begun" (func $begun)) (import "host" "again" (func $again))
    (global (export "after") (mut i32) (i32.const 0))
    (global $odd (mut i32) (i32.const 0))
    (func (export "inner") (call $begun)
      (loop
        (if (global.get $odd) (then (global.set $odd (i32.const 1))))
        (global.set $odd (i32.eqz (global.get $odd)))
        (br 0)))
    (func (export "outer") (call $again) (global.set 0 (i32.const 1)))))");
  Runner runner(instance, "outer");
  await([&] { return begun > 0; });
  ASSERT_TRUE(handle.cancel("both"));
  EXPECT_TRUE(contains(runner.outcome(), "interrupted: both"));
  EXPECT_TRUE(contains(inner, "interrupted: both"));
  EXPECT_EQ(must(instance.global("after")).bits, 0U) << "the outer guest ran on";
  EXPECT_EQ(handle.report().stops, 2U);
}

TEST_F(Interrupt, FindsAThreadThatIsInTheHostWhenItReturns) {
  std::atomic<bool> inside{false}, go_on{false};
  linker.define_function("host", "block", {}, [&](Caller, auto, auto) -> Status {
    inside = true;
    await([&] { return go_on.load(); });
    return Ok{};
  });
  Instance instance = instantiate(R"((module (import "host" "block" (func $block))
    (global (export "after") (mut i32) (i32.const 0))
    (func (export "run") (call $block) (global.set 0 (i32.const 1)))))");
  Runner runner(instance, "run");
  await([&] { return inside.load(); });
  ASSERT_TRUE(handle.cancel("in the host"));
  EXPECT_FALSE(key_of(instance).enabled()) << "nobody needs a site to see it";
  go_on = true;
  EXPECT_TRUE(contains(runner.outcome(), "interrupted: in the host"));
  EXPECT_EQ(must(instance.global("after")).bits, 0U);
}

TEST_F(Interrupt, ComesWithADeadline) {
  Instance instance = instantiate(endless);
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_TRUE(handle.set_deadline(begin + 30ms));
  EXPECT_TRUE(contains(failure(instance.call("loop")), "interrupted: its time is over"));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 30ms);
  ASSERT_TRUE(handle.clear());
  ASSERT_TRUE(handle.set_deadline(std::chrono::steady_clock::now() + 1h));
  EXPECT_EQ(bits(instance.call("quick")), 7U);
  ASSERT_TRUE(handle.set_deadline(std::chrono::steady_clock::now()));
  EXPECT_TRUE(contains(failure(instance.call("loop")), "its time is over"));
  ASSERT_TRUE(handle.set_deadline(std::chrono::steady_clock::now() + 20ms));
  ASSERT_TRUE(handle.clear());
  std::this_thread::sleep_for(40ms);
  EXPECT_EQ(bits(instance.call("quick")), 7U) << "a deadline that was withdrawn stopped a call";
}

TEST_F(Interrupt, YieldsAndGoesOn) {
  Instance instance = instantiate(R"((module (func (export "count") (param i64) (result i64) (local i64)
    (loop (if (i64.eqz (i64.and (local.get 1) (i64.const 64))) (then (local.set 1 (i64.xor (local.get 1) (i64.const 5)))))
          (local.set 1 (i64.add (i64.mul (local.get 1) (i64.const 31)) (i64.const 3)))
          (br_if 0 (i64.ne (i64.const 0) (local.tee 0 (i64.sub (local.get 0) (i64.const 1))))))
    (local.get 1)) (func (export "seven") (result i32) (i32.const 7))))");
  int yields = 0;
  std::uint64_t sevens = 0;
  store.on_yield([&]() -> Status {
    ++yields;
    sevens += bits(instance.call("seven"));  // guests may be called
    return Ok{};
  });
  std::atomic<bool> done{false};
  std::thread asker([&] {
    while (!done) {
      EXPECT_TRUE(handle.request_yield());
      std::this_thread::sleep_for(500us);
    }
  });
  constexpr std::uint64_t rounds = 20'000'000;
  std::uint64_t expected = 0;
  for (std::uint64_t i = 0; i < rounds; ++i) expected = ((expected & 64) == 0 ? expected ^ 5 : expected) * 31 + 3;
  EXPECT_EQ(bits(instance.call("count", std::vector<Value>{{ValueType::I64, rounds}})), expected);
  done = true;
  asker.join();
  EXPECT_GT(yields, 3);
  EXPECT_EQ(sevens, static_cast<std::uint64_t>(yields) * 7);
  EXPECT_EQ(handle.report().yields, static_cast<std::uint64_t>(yields));
  ASSERT_TRUE(instance.call("seven"));
  EXPECT_FALSE(key_of(instance).enabled());
}

TEST_F(Interrupt, YieldsBeforeACallBeginsToo) {
  Instance instance = instantiate(endless);
  int yields = 0;
  store.on_yield([&]() -> Status {
    ++yields;
    EXPECT_EQ(bits(instance.call("quick")), 7U);
    return Ok{};
  });
  ASSERT_TRUE(handle.request_yield());
  EXPECT_EQ(bits(instance.call("quick")), 7U);
  EXPECT_EQ(bits(instance.call("quick")), 7U);
  EXPECT_EQ(yields, 1);
}

TEST_F(Interrupt, YieldsAgainIfTheYieldFunctionAsks) {
  Instance instance = instantiate(endless);
  int yields = 0;
  store.on_yield([&]() -> Status {
    if (++yields == 100) return handle.cancel("enough");
    return handle.request_yield();
  });
  ASSERT_TRUE(handle.request_yield());
  EXPECT_TRUE(contains(failure(instance.call("loop")), "interrupted: enough"));
  EXPECT_EQ(yields, 100);
}

TEST_F(Interrupt, StopsAGuestWhoseYieldFails) {
  Instance instance = instantiate(endless);
  store.on_yield([]() -> Status { return make_error(ErrorCode::TimedOut, "fuel is used up"); });
  Runner runner(instance, "loop");
  await([&] { return begun > 0; });
  ASSERT_TRUE(handle.request_yield());
  EXPECT_EQ(runner.outcome(), "TimedOut: fuel is used up");
  EXPECT_FALSE(key_of(instance).enabled());
  EXPECT_EQ(bits(instance.call("quick")), 7U);
  store.on_yield([]() -> Status { throw std::runtime_error("thrown"); });
  ASSERT_TRUE(handle.request_yield());
  EXPECT_TRUE(contains(failure(instance.call("quick")), "the yield function threw an exception: thrown"));
}

// Requests that race with calls that begin and end.
TEST_F(Interrupt, LeavesNoKeyOnBehindShortCalls) {
  Instance instance = instantiate(endless);
  std::atomic<bool> done{false};
  std::thread asker([&] {
    while (!done) {
      EXPECT_TRUE(handle.cancel());
      EXPECT_TRUE(handle.clear());
      EXPECT_TRUE(handle.request_yield());
    }
  });
  const auto end = std::chrono::steady_clock::now() + 300ms;
  int stopped = 0, returned = 0;
  while (std::chrono::steady_clock::now() < end) ++(instance.call("quick") ? returned : stopped);
  done = true;
  asker.join();
  ASSERT_TRUE(handle.clear());
  EXPECT_EQ(bits(instance.call("quick")), 7U);
  EXPECT_EQ(key_of(instance).references(), 0U);
  EXPECT_GT(returned, 0);
}

}  // namespace
}  // namespace shunt::test
