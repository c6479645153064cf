// Safepoints in code that asmjit made: one instruction, every register kept, frames found by their frame pointers.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "shunt/codegen/asmjit.h"
#include "tests/engine/codegen/guest_code.h"
#include "tests/engine/codegen/machine.h"

namespace shunt::test {
namespace {

using namespace std::chrono_literals;

class Safepoint : public testing::Test {
 protected:
  void SetUp() override {
    auto engine = Engine::create();
    ASSERT_TRUE(engine) << engine.error().message();
    engine_ = std::move(*engine);
  }
  Code publish(GuestCode& writing) {
    auto code = publish_code(*engine_, writing.holder, writing.sites);
    EXPECT_TRUE(code) << (code ? "" : code.error().message());
    return code ? std::move(*code) : Code();
  }
  void switch_safepoints(bool on) {
    PatchBatch batch(*engine_);
    batch.set(engine_->safepoint_key(), on);
    ASSERT_TRUE(batch.commit());
  }

  std::unique_ptr<Engine> engine_;
};

TEST_F(Safepoint, IsOneInstructionThatFallsThrough) {
  for (const Flags flags : {Flags::Live, Flags::Dead}) {
    GuestCode writing;
    writing.sites.safepoint(*engine_, flags);
    const std::size_t length = writing.size();
    EXPECT_GE(length, GuestCode::shortest_site);
    EXPECT_LE(length, GuestCode::longest_site);
    writing.returns(7);
    const Code code = publish(writing);
    const auto sites = engine_->sites(code);
    ASSERT_EQ(sites.size(), 1U);
    EXPECT_EQ(sites[0].length, length);
    EXPECT_EQ(sites[0].key, &engine_->safepoint_key());
    const std::string idle = engine_->instruction_now(sites[0]);
    EXPECT_TRUE(
        idle.starts_with(flags == Flags::Live ? GuestCode::idle_with_flags_live : GuestCode::idle_with_flags_dead))
        << idle;
    EXPECT_EQ(code.entry<int()>()(), 7);
    switch_safepoints(true);
    EXPECT_EQ(code.entry<int()>()(), 7) << "of a thread that is not attached";
    switch_safepoints(false);
  }
}

TEST_F(Safepoint, KeepsEveryRegisterAndTheFlags) {
  GuestCode clobber_code;
  MachineCode::clobber(clobber_code);
  const Code clobber = publish(clobber_code);
  std::atomic<int> walks = 0;
  auto thread = Thread::attach(*engine_, {"walked", [&](const GuestFrame&, const void*, AddressVisitor&) {
                                            clobber.entry<void()>()();
                                            ++walks;
                                          }});
  ASSERT_TRUE(thread);
  std::mt19937_64 random(20261123);
  for (const int stack_offset : Machine::stack_offsets) {
    for (const Flags live : {Flags::Live, Flags::Dead}) {
      GuestCode writing;
      MachineCode::pass_site(writing, stack_offset,
                             [&](const asmjit::Label&) { writing.sites.safepoint(*engine_, live); });
      const Code code = publish(writing);
      std::atomic<bool> stop = false;
      std::thread waiter([&] {
        while (!stop) EXPECT_TRUE(engine_->settle());
      });
      const int enough = walks + 20;
      std::optional<GuestScope> guest(std::in_place, *thread);  // until the end: seen at safepoints alone
      while (walks < enough) {
        Machine before, after;
        before.fill(random);
        std::memset(&after, 0, sizeof after);
        code.entry<int(const Machine*, Machine*)>()(&before, &after);
        after.expect_kept(before, live);
        if (HasFailure()) break;
      }
      stop = true;
      guest.reset();
      waiter.join();
      if (HasFailure()) return;
    }
  }
}

TEST_F(Safepoint, TheStubMayBeFarFromItsSite) {
  GuestCode writing;
  writing.prologue();
  writing.sites.safepoint(*engine_);
  writing.set(Value::Result, 7);
  writing.epilogue();
  const std::vector<std::uint8_t> gap(3 << 20);
  writing.a.embed(gap.data(), gap.size());
  const Code code = publish(writing);
  for (const bool on : {true, false}) {
    switch_safepoints(on);
    EXPECT_EQ(code.entry<int()>()(), 7);
  }
}

// int f(int depth): calls itself `depth` times, then `other` if it is given, else passes safepoints until *go is set.
// Every function has a frame pointer. Returns how many calls deep it was.
void write_recursion(GuestCode& writing, Engine& engine, const std::atomic<bool>* go, int (*other)(int)) {
  const asmjit::Label entry = writing.label(), bottom = writing.label(), loop = writing.label(), up = writing.label();
  writing.bind(entry);
  writing.prologue();
  writing.jump_if_zero(Value::Argument, bottom);
  writing.add(Value::Argument, -1);
  writing.call(entry);
  writing.jump(up);
  writing.bind(bottom);
  if (other != nullptr) {
    writing.set(Value::Argument, 10);
    writing.call(reinterpret_cast<const void*>(other));
  } else {
    writing.set(Value::Result, 0);
    writing.bind(loop);
    writing.sites.safepoint(engine, Flags::Dead);
    writing.jump_while_clear(go, loop);
  }
  writing.bind(up);
  writing.add(Value::Result, 1);
  writing.epilogue();
}

TEST_F(Safepoint, FramesAreFoundByTheirFramePointers) {
  std::atomic<bool> go = false;
  GuestCode inner_code, outer_code;
  write_recursion(inner_code, *engine_, &go, nullptr);
  const Code inner = publish(inner_code);
  write_recursion(outer_code, *engine_, nullptr, inner.entry<int(int)>());
  const Code outer = publish(outer_code);
  GuestCode bystander_code;
  bystander_code.ret();
  const Code bystander = publish(bystander_code);
  std::atomic<int> result = 0;
  std::promise<void> attached;
  std::thread runner([&] {
    auto thread = Thread::attach(*engine_, {"runner", {}});
    ASSERT_TRUE(thread);
    const GuestScope guest(*thread);
    attached.set_value();
    result = outer.entry<int(int)>()(5);
  });
  attached.get_future().wait();
  const auto drained = [&](const Code& code, std::chrono::milliseconds limit) {
    const std::array extents = {CodeExtent{code.data(), code.size()}};
    const auto report = engine_->drain(extents, limit);
    if (!report) {
      EXPECT_EQ(report.error().code(), ErrorCode::TimedOut) << report.error().message();
    }
    return report.has_value();
  };
  EXPECT_TRUE(engine_->settle(10min)) << "the loop passes its safepoint";
  EXPECT_TRUE(drained(bystander, 10min));
  EXPECT_FALSE(drained(inner, 20ms)) << "it runs there";
  EXPECT_FALSE(drained(outer, 20ms)) << "it returns there";
  go = true;
  runner.join();
  EXPECT_EQ(result, 6 + 11);
  EXPECT_TRUE(drained(outer, 10min));
}

// Called by guest code.
struct HostCall {
  Thread* thread;
  std::promise<void> arrived;
  std::promise<void> go_on;
};
HostCall* host_call = nullptr;
int block_in_host(int) {
  const HostScope host(*host_call->thread);
  host_call->arrived.set_value();
  host_call->go_on.get_future().wait();
  return 0;
}

TEST_F(Safepoint, AHostFunctionPublishesItsCallersFrames) {
  GuestCode writing;
  write_recursion(writing, *engine_, nullptr, &block_in_host);
  Code code = publish(writing);
  HostCall call;
  host_call = &call;
  std::thread runner([&] {
    auto thread = Thread::attach(*engine_, {"blocked", {}});
    ASSERT_TRUE(thread);
    call.thread = &*thread;
    const GuestScope guest(*thread);
    EXPECT_EQ(code.entry<int(int)>()(3), 4);
  });
  call.arrived.get_future().wait();
  const std::array extents = {CodeExtent{code.data(), code.size()}};
  const auto refused = engine_->drain(extents, 20ms);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::TimedOut);
  EXPECT_NE(refused.error().message().find("\"blocked\""), std::string::npos) << refused.error().message();
  EXPECT_TRUE(engine_->settle());
  call.go_on.set_value();
  EXPECT_TRUE(engine_->drain(extents));
  runner.join();
}

TEST_F(Safepoint, GuestCodeOutsideOfAGuestScopeIsNeverDrained) {
  GuestCode writing;
  writing.prologue();
  writing.sites.safepoint(*engine_);
  writing.epilogue();
  const Code code = publish(writing);
  auto thread = Thread::attach(*engine_, {"careless", {}});
  ASSERT_TRUE(thread);
  switch_safepoints(true);
  code.entry<void()>()();
  switch_safepoints(false);
  auto waiting = std::async(std::launch::async, [&] {
    const std::array extents = {CodeExtent{code.data(), code.size()}};
    return engine_->drain(extents, 20ms);
  });
  const auto refused = waiting.get();
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message().find("without a GuestScope"), std::string::npos) << refused.error().message();
}

}  // namespace
}  // namespace shunt::test
