// Guests' threads as the engine waits for them.
#include <gtest/gtest.h>

#include "shunt/codegen/asmjit.h"
#include "tests/runtime/wasm/control/interrupted_guest.h"

namespace shunt::test {
namespace {

class GuestThreads : public InterruptedGuest {
 protected:
  GuestThreads() { define_begun(linker); }
  runtime::InterruptHandle stopper() { return store.interrupt_handle(); }

  static CodeExtent code_of(const Instance& instance) {
    const Code& code = instance.state()->module->code->code;
    return {code.data(), code.size()};
  }
};

TEST_F(GuestThreads, AreSeenAtTheSitesOfBusyGuests) {
  for (const char* name : {"loop", "fib"}) {
    begun = 0;
    Instance instance = instantiate(endless);
    Runner runner(instance, name);
    await([&] { return begun > 0; });
    std::optional<QuiescenceReport> settled;  // no round sees a thread that has not come back from `begun`
    await([&] {
      const auto result = engine->settle(10s);
      if (result) {
        settled = *result;
      }
      return settled && settled->rounds > 0;
    });
    EXPECT_EQ(settled->threads, 1U);
    EXPECT_EQ(settled->rounds, 1U);
    EXPECT_FALSE(runner.ended());
    await([&] { return !key_of(instance).enabled(); });
    ASSERT_TRUE(stopper().cancel());
    runner.outcome();
    ASSERT_TRUE(stopper().clear());
  }
}

TEST_F(GuestThreads, HaveTheirFramesFound) {
  Instance instance = instantiate(endless);
  Instance other = instantiate("(module (func (export \"f\") (loop)))");
  Runner runner(instance, "fib");
  await([&] { return begun > 0; });
  const std::array own = {code_of(instance)};
  const std::array others = {code_of(other)};
  const auto drained = engine->drain(others, 10s);
  EXPECT_TRUE(drained) << drained.error().message();
  const auto held = engine->drain(own, 50ms);
  ASSERT_FALSE(held) << "the guest has frames there";
  EXPECT_EQ(held.error().code(), ErrorCode::TimedOut);
  EXPECT_NE(held.error().message().find("has a frame in the old path"), std::string::npos) << held.error().message();
  ASSERT_TRUE(stopper().cancel());
  runner.outcome();
  EXPECT_TRUE(engine->drain(own, 10s));
}

// Frames of code that only waits for what it called: found on the guest's stack alone.
TEST_F(GuestThreads, HaveTheFramesFoundThatWait) {
  linker.define_instance("callee", instantiate(endless));
  Instance caller = instantiate(R"((module (import "callee" "loop" (func $loop)) (func $f (call $loop))
    (func (export "run") (call $f))))");
  Runner runner(caller, "run");
  await([&] { return begun > 0; });
  const std::array frames = {code_of(caller)};
  EXPECT_FALSE(engine->drain(frames, 50ms)) << "the callee returns there";
  ASSERT_TRUE(stopper().cancel());
  runner.outcome();
  EXPECT_TRUE(engine->drain(frames, 10s));
}

TEST_F(GuestThreads, InTheHostHoldUpNobodyButKeepTheirFrames) {
  std::atomic<bool> inside{false}, go_on{false};
  linker.define_function("host", "block", {}, [&](Caller, auto, auto) -> Status {
    inside = true;
    await([&] { return go_on.load(); });
    return Ok{};
  });
  Instance instance = instantiate(R"((module (import "host" "block" (func $block)) (func $f (call $block))
    (func (export "run") (call $f))))");
  Runner runner(instance, "run");
  await([&] { return inside.load(); });
  const auto settled = engine->settle(10s);
  ASSERT_TRUE(settled) << settled.error().message();
  EXPECT_EQ(settled->rounds, 0U);
  const std::array own = {code_of(instance)};
  EXPECT_FALSE(engine->drain(own, 50ms)) << "the host function returns there";
  go_on = true;
  EXPECT_EQ(runner.outcome(), "returned");
  EXPECT_TRUE(engine->drain(own, 10s));
}

TEST_F(GuestThreads, WaitForThemselvesInHostFunctions) {
  std::string settled, drained;
  Instance instance;
  linker.define_function("host", "wait", {}, [&](Caller, auto, auto) -> Status {
    settled = engine->settle(10s) ? "settled" : "not settled";
    const std::array own = {code_of(instance)};
    const auto result = engine->drain(own, 10s);
    drained = result ? "drained" : std::string(name_of(result.error().code()));
    return Ok{};
  });
  instance = instantiate("(module (import \"host\" \"wait\" (func $wait)) (func (export \"run\") (call $wait)))");
  EXPECT_EQ(failure(instance.call("run")), "returned");
  EXPECT_EQ(settled, "settled");
  EXPECT_EQ(drained, "InsideOldPath");
}

TEST_F(GuestThreads, KeepTheAttachmentThatTheirHostMade) {
  Thread own = must(Thread::attach(*engine, {.name = "mine", .walker = {}}));
  Instance instance = instantiate(endless);
  EXPECT_EQ(bits(instance.call("quick")), 7U);
  ASSERT_EQ(engine->threads().size(), 1U);
  EXPECT_EQ(engine->threads()[0].name, "mine");
  {
    const Thread ended = std::move(own);
  }
  EXPECT_EQ(bits(instance.call("quick")), 7U);
  EXPECT_EQ(engine->threads().size(), 1U) << "attached anew";
}

TEST_F(GuestThreads, ComeAndGoWithTheirThread) {
  Instance instance = instantiate(endless);
  {
    Runner runner(instance, "quick");
  }
  EXPECT_TRUE(engine->threads().empty());
}

TEST(GuestThreadsOfEngines, OutliveTheirEngines) {
  for (int round = 0; round < 3; ++round) {  // often at the same address
    const auto engine = must(Engine::create());
    flags::FlagSet flags(*engine);
    Store store = must(Store::create());
    Linker linker(store);
    const auto bytes = must(runtime::assemble("(module (func (export \"f\") (result i32) (loop) (i32.const 3)))", "m"));
    Instance instance = must(linker.instantiate(must(Module::load(*engine, flags, bytes))));
    EXPECT_EQ(bits(instance.call("f")), 3U);
    EXPECT_EQ(engine->threads().size(), 1U);
    EXPECT_TRUE(engine->settle());
  }
}

// A host function of one engine's guest calls a guest of another engine, and so on.
TEST_F(GuestThreads, MayBeInGuestsOfSeveralEngines) {
  const auto other = must(Engine::create());
  flags::FlagSet other_flags(*other);
  Store other_store = must(Store::create());
  Linker other_linker(other_store);
  define_begun(other_linker);
  const auto bytes = must(runtime::assemble(endless, "other.wat"));
  Instance inner = must(other_linker.instantiate(must(Module::load(*other, other_flags, bytes))));
  linker.define_function("host", "inner", {}, [&](Caller, auto, auto) -> Status {
    if (bits(inner.call("quick")) != 7) ADD_FAILURE();
    return Ok{};
  });
  Instance instance = instantiate(R"((module (import "host" "inner" (func $inner)) (import "host" "begun" (func $begun))
    (global $odd (mut i32) (i32.const 0))
    (func (export "run") (call $inner) (call $inner) (call $begun)
      (loop
        (if (global.get $odd) (then (global.set $odd (i32.const 1))))
        (global.set $odd (i32.eqz (global.get $odd)))
        (br 0)))))");
  Runner runner(instance, "run");
  await([&] { return begun > 0; });
  const auto settled = engine->settle(10s);
  ASSERT_TRUE(settled) << settled.error().message();
  EXPECT_EQ(settled->rounds, 1U);
  EXPECT_TRUE(other->settle(10s));
  ASSERT_TRUE(stopper().cancel());
  EXPECT_NE(runner.outcome().find("interrupted"), std::string::npos);
}

TEST_F(GuestThreads, BelongToOneEngineAStore) {
  instantiate(endless);
  const auto other = must(Engine::create());
  flags::FlagSet other_flags(*other);
  const auto bytes = must(runtime::assemble("(module)", "other.wat"));
  const auto refused = linker.instantiate(must(Module::load(*other, other_flags, bytes, {.name = "other.wat"})));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(), "other.wat: the store has modules that were loaded with another engine");
}

}  // namespace
}  // namespace shunt::test
