// Settled and Drained, step by step: threads that wait at chosen places, frames that the test makes up.
// tests/engine/CMakeLists.txt builds this file a second time, with deliberate faults.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/engine/quiesce/actors.h"

namespace shunt::test {
namespace {

TEST_F(Quiescence, WithoutThreadsThereIsNobodyToWaitFor) {
  EXPECT_TRUE(engine_->settle());
  EXPECT_TRUE(drain({}));
  EXPECT_EQ(engine_->quiescence_counts().safepoint_flips, 0U);
}

TEST_F(Quiescence, ThreadsThatAreAwayAreSeenWithoutTheirHelp) {
  Actor outside, in_host;
  attach(outside, "outside");
  attach(in_host, "in host");
  in_host.enter();
  in_host.host(frame(&outside));
  const auto report = drain({});
  ASSERT_TRUE(report) << report.error().message();
  EXPECT_EQ(report->threads, 2U);
  EXPECT_EQ(report->rounds, 0U);
  EXPECT_TRUE(engine_->settle());
  EXPECT_EQ(engine_->quiescence_counts().safepoint_flips, 0U) << "nobody was in guest code";
  in_host.back();
  in_host.leave();
}

TEST_F(Quiescence, AThreadInGuestCodeSettlesAtASafepoint) {
  Actor actor;
  attach(actor, "runner");
  actor.enter();
  expect_error(engine_->settle(moment), ErrorCode::TimedOut, "\"runner\"");
  auto settled = settling();
  ASSERT_TRUE(pass_safepoints(actor, settled));
  EXPECT_TRUE(settled.get());
  actor.leave();
}

TEST_F(Quiescence, AThreadThatLeavesGuestCodeIsSeenToo) {
  Actor actor;
  attach(actor, "runner");
  actor.enter();
  auto drained = draining();
  actor.leave();
  EXPECT_TRUE(drained.get());
}

TEST_F(Quiescence, PassingASafepointIsNotDrained) {
  Actor actor;
  attach(actor, "runner");
  actor.enter();
  const Addresses frames = {in_old()};
  auto drained = draining();
  EXPECT_FALSE(ends_by_looks(actor, drained, frame(this, &frames))) << "a frame returns into the old path";
  auto settled = settling();
  ASSERT_TRUE(pass_safepoints(actor, settled, frame(this, &frames)));
  ASSERT_TRUE(pass_safepoints(actor, drained, frame(this)));
  EXPECT_TRUE(drained.get());
  actor.leave();
}

TEST_F(Quiescence, AResumePointCountsAsAFrame) {
  Actor actor;
  attach(actor, "runner");
  actor.enter();
  auto drained = draining();
  EXPECT_FALSE(ends_by_looks(actor, drained, frame(in_old(0)))) << "it goes on in the old path";
  EXPECT_FALSE(ends_by_looks(actor, drained, frame(in_old(127)))) << "the last byte";
  ASSERT_TRUE(pass_safepoints(actor, drained, frame(old_path().end())));
  EXPECT_TRUE(drained.get());
  actor.leave();
}

TEST_F(Quiescence, AThreadInAHostCallIsWalkedFromWhereItLeft) {
  Actor actor;
  attach(actor, "blocked");
  actor.enter();
  const Addresses frames = {this, in_old()};
  actor.host(frame(this, &frames));
  expect_error(drain(moment), ErrorCode::TimedOut, "\"blocked\"");
  EXPECT_TRUE(engine_->settle()) << "it takes its decisions anew";
  auto drained = draining();
  actor.back();
  actor.leave();
  EXPECT_TRUE(drained.get());
}

TEST_F(Quiescence, AHostCallThatEntersGuestCodeAgainKeepsItsOuterFrames) {
  Actor actor;
  attach(actor, "nested");
  actor.enter();
  actor.host(frame(in_old()));
  std::optional<GuestScope> inner;
  actor.act([&] { inner.emplace(actor.attached(), nullptr); });
  auto drained = draining();
  EXPECT_FALSE(ends_by_looks(actor, drained, frame(this))) << "the outer frames lie in the old path";
  actor.act([&] { inner.reset(); });
  actor.back();
  actor.leave();
  EXPECT_TRUE(drained.get());
}

TEST_F(Quiescence, GuestCodeEnteredTwiceWithoutAHostScopeIsNeverDrained) {
  Actor actor;
  attach(actor, "careless");
  actor.enter();
  std::optional<GuestScope> inner;
  actor.act([&] { inner.emplace(actor.attached(), nullptr); });
  const auto drained_within = [&](std::chrono::milliseconds limit) {
    auto drained = draining(limit);
    while (drained.wait_for(1ms) != std::future_status::ready) actor.safepoint(frame(this));
    return drained.get();
  };
  const auto never_looked_at = [](const Result<QuiescenceReport>& result) {  // a busy machine
    return !result && result.error().message().find("passed no safepoint") != std::string::npos;
  };
  auto limit = 200ms;
  Result<QuiescenceReport> refused = drained_within(limit);
  while (never_looked_at(refused) && limit < 20s) refused = drained_within(limit *= 2);
  expect_error(refused, ErrorCode::TimedOut, "cannot be walked");
  actor.act([&] { inner.reset(); });
  auto drained = draining();
  ASSERT_TRUE(pass_safepoints(actor, drained, frame(this)));
  EXPECT_TRUE(drained.get());
  actor.leave();
}

TEST_F(Quiescence, ARoundIsTwoFlipsSharedByAllWhoWait) {
  Actor actor;
  attach(actor, "runner");
  actor.enter();
  auto first = draining();
  while (engine_->quiescence_counts().safepoint_flips == 0) std::this_thread::yield();
  std::vector<std::future<Result<QuiescenceReport>>> more;
  for (int i = 0; i < 8; ++i) more.push_back(i % 2 == 0 ? draining() : settling());
  while (engine_->quiescence_counts().waits < 9) std::this_thread::yield();
  ASSERT_TRUE(pass_safepoints(actor, first));
  for (auto& waiting : more) {
    ASSERT_TRUE(pass_safepoints(actor, waiting));
    EXPECT_TRUE(waiting.get());
  }
  actor.leave();
  while (engine_->safepoint_key().enabled()) std::this_thread::yield();
  const QuiescenceCounts counts = engine_->quiescence_counts();
  EXPECT_EQ(counts.rounds, 1U);
  EXPECT_EQ(counts.safepoint_flips, 2U);
}

TEST_F(Quiescence, TheSafepointKeyIsOnOnlyWhileSomebodyIsWantedInGuestCode) {
  StaticKey& key = engine_->safepoint_key();
  const Code code = published(*engine_, 64, {{&key, toggle, 0, {32}}});
  Actor actor;
  attach(actor, "runner");
  actor.enter();
  EXPECT_FALSE(key.enabled());
  auto settled = settling();
  const SiteInfo site = engine_->sites(code)[0];
  const auto site_is_on = [&] { return engine_->instruction_now(site) == engine_->instruction(site, 1); };
  const auto limit = std::chrono::steady_clock::now() + 10s;
  while (!site_is_on() && std::chrono::steady_clock::now() < limit) std::this_thread::yield();
  EXPECT_TRUE(site_is_on()) << "the safepoint's site was not switched on";
  ASSERT_TRUE(pass_safepoints(actor, settled));
  while (key.enabled()) std::this_thread::yield();
  actor.leave();
}

TEST_F(Quiescence, FurtherKeysAreSwitchedWithTheSafepointKey) {
  StaticKey further{"further"}, late{"late"}, removed{"removed"};
  const Code code = published(*engine_, 128, {{&further, toggle, 0, {32}}, {&late, toggle, 64, {96}}});
  ASSERT_TRUE(engine_->add_safepoint_key(further));
  ASSERT_TRUE(engine_->add_safepoint_key(removed));
  const auto becomes = [](const StaticKey& key, bool on) {
    const auto limit = std::chrono::steady_clock::now() + 10s;
    while (key.enabled() != on && std::chrono::steady_clock::now() < limit) std::this_thread::yield();
    return key.enabled() == on;
  };
  Actor actor;
  attach(actor, "runner");
  actor.enter();
  auto settled = settling();
  EXPECT_TRUE(becomes(further, true)) << "the further key was not switched on";
  EXPECT_TRUE(becomes(removed, true));
  engine_->remove_safepoint_key(removed);
  EXPECT_FALSE(removed.enabled()) << "the engine kept its reference";
  ASSERT_TRUE(engine_->add_safepoint_key(late));
  EXPECT_TRUE(becomes(late, true)) << "the key that came during the wait was not switched on";
  ASSERT_TRUE(pass_safepoints(actor, settled));
  EXPECT_TRUE(becomes(further, false));
  EXPECT_TRUE(becomes(late, false));
  // They are given back when the commit that switched the keys off is complete.
  const auto references = [&] { return further.references() + late.references() + removed.references(); };
  const auto limit = std::chrono::steady_clock::now() + 10s;
  while (references() != 0 && std::chrono::steady_clock::now() < limit) std::this_thread::yield();
  EXPECT_EQ(references(), 0U);
  engine_->remove_safepoint_key(further);
  engine_->remove_safepoint_key(late);
  engine_->remove_safepoint_key(late);  // is not there any more
  settled = settling();
  ASSERT_TRUE(pass_safepoints(actor, settled));
  EXPECT_FALSE(further.enabled());
  actor.leave();
}

TEST_F(Quiescence, AThreadThatAttachesByTheWayStaysAttached) {
  std::thread([&] {
    {
      auto first = Thread::current(*engine_);
      ASSERT_TRUE(first);
      EXPECT_TRUE(first->attached());
    }
    EXPECT_EQ(engine_->threads().size(), 1U);
    auto again = Thread::current(*engine_);
    ASSERT_TRUE(again);
    EXPECT_EQ(engine_->threads().size(), 1U);
    EXPECT_FALSE(Thread::attach(*engine_));
    const GuestScope guest(*again);
    expect_error(engine_->settle(moment), ErrorCode::InvalidArgument, "HostScope");
  }).join();
  EXPECT_TRUE(engine_->threads().empty()) << "it ended with its thread";
}

TEST_F(Quiescence, AThreadThatAttachesByTheWayOutlivesTheEngine) {
  Actor actor;
  actor.act([&] {
    auto thread = Thread::current(*engine_);
    ASSERT_TRUE(thread);
    old_ = {};
    engine_.reset();
    EXPECT_FALSE(thread->attached());
    SetUp();  // often where the other was
    auto again = Thread::current(*engine_);
    ASSERT_TRUE(again);
    EXPECT_TRUE(again->attached());
  });
  EXPECT_EQ(engine_->threads().size(), 1U);
}

TEST_F(Quiescence, AScopeMayBringItsOwnWalker) {
  Actor actor;
  attach(actor, "runner");
  actor.act([&] {
    auto thread = Thread::current(*engine_);
    ASSERT_TRUE(thread);
    const FrameWalker finds_old = [&](const GuestFrame&, const void*, AddressVisitor& visit) { visit(in_old()); };
    const GuestScope guest(*thread, nullptr, finds_old);
    const HostScope host(*thread, frame(nullptr));
    expect_error(drain(moment), ErrorCode::InsideOldPath, "");
  });
  EXPECT_TRUE(drain(never));
}

TEST_F(Quiescence, ACallerInGuestCodeIsRefused) {
  Actor actor;
  attach(actor, "caller");
  actor.enter();
  actor.act([&] { expect_error(drain(moment), ErrorCode::InvalidArgument, "HostScope"); });
  actor.act([&] { expect_error(engine_->settle(moment), ErrorCode::InvalidArgument, "HostScope"); });
  actor.leave();
}

TEST_F(Quiescence, ACallerInTheOldPathIsToldAtOnce) {
  Actor actor;
  attach(actor, "caller");
  actor.enter();
  const Addresses frames = {this, in_old()};
  actor.host(frame(this, &frames));
  actor.act([&] { expect_error(drain(500ms), ErrorCode::InsideOldPath, "would wait for itself"); });
  actor.act([&] { EXPECT_TRUE(engine_->settle(never)); });
  actor.back();
  actor.leave();
}

TEST_F(Quiescence, OfThreadsThatWaitForEachOthersFramesOneIsTold) {
  const Code second = published(*engine_, 64, {});
  Actor a, b;
  attach(a, "a");
  attach(b, "b");
  a.enter();
  b.enter();
  a.host(frame(second.data() + 3));  // a drains old_, and has a frame in what b drains
  b.host(frame(in_old()));
  std::optional<Result<QuiescenceReport>> of_a, of_b;
  auto a_done = a.start([&] { of_a = drain(10s); });
  while (engine_->quiescence_counts().waits == 0) std::this_thread::yield();
  auto b_done = b.start([&] {
    const std::array extents = {CodeExtent{second.data(), second.size()}};
    of_b = engine_->drain(extents, 10s);
  });
  b_done.get();
  expect_error(*of_b, ErrorCode::InsideOldPath, "\"b\"");
  b.back();
  b.leave();
  a_done.get();
  EXPECT_TRUE(*of_a) << "b has left the old path";
  a.back();
  a.leave();
}

TEST_F(Quiescence, TwoThreadsMayDrainAtTheSameTime) {
  Actor a, b;
  attach(a, "a");
  attach(b, "b");
  a.enter();
  b.enter();
  a.host(frame(this));
  b.host(frame(this));
  auto a_done = a.start([&] { EXPECT_TRUE(drain(never)); });
  auto b_done = b.start([&] { EXPECT_TRUE(drain(never)); });
  a_done.get();
  b_done.get();
  a.back(), b.back();
  a.leave(), b.leave();
}

TEST_F(Quiescence, ThreadsThatAttachLaterAreNotWaitedFor) {
  Actor early, late;
  attach(early, "early");
  early.enter();
  auto drained = draining();
  while (engine_->quiescence_counts().waits == 0) std::this_thread::yield();
  attach(late, "late");
  late.enter();
  ASSERT_TRUE(pass_safepoints(early, drained));
  EXPECT_TRUE(drained.get());
  early.leave(), late.leave();
}

TEST_F(Quiescence, AThreadThatDetachesIsWaitedForNoLonger) {
  Actor actor;
  attach(actor, "runner");
  actor.enter();
  actor.host(frame(in_old()));
  auto drained = draining();
  while (engine_->quiescence_counts().waits == 0) std::this_thread::yield();
  actor.back();
  actor.leave();
  actor.detach();
  EXPECT_TRUE(drained.get());
  EXPECT_TRUE(engine_->threads().empty());
}

TEST_F(Quiescence, AThreadThatEndsWithoutDetachingHoldsUpNobody) {
  Actor actor;
  attach(actor, "gone");
  auto drained = draining();
  EXPECT_TRUE(drained.get());
  actor.end();
  const auto threads = engine_->threads();
  ASSERT_EQ(threads.size(), 1U);
  EXPECT_EQ(threads[0].name, "gone");
  EXPECT_EQ(threads[0].where, ThreadInfo::Where::Ended);
  EXPECT_TRUE(engine_->settle());
  actor.forget_attachment();
  EXPECT_TRUE(engine_->threads().empty());
}

TEST_F(Quiescence, AThreadThatEndsInGuestCodeHoldsUpNobody) {
  std::optional<Thread> attached;
  alignas(GuestScope) std::array<std::byte, sizeof(GuestScope)> scope;  // begun, never ended
  std::promise<void> entered, go_on;
  std::thread thread([&] {
    attached.emplace(std::move(*Thread::attach(*engine_, {"gone", {}})));
    new (scope.data()) GuestScope(*attached, nullptr);
    entered.set_value();
    go_on.get_future().wait();
  });
  entered.get_future().wait();
  auto drained = draining(10s);
  while (engine_->quiescence_counts().waits == 0) std::this_thread::yield();
  go_on.set_value();
  thread.join();
  EXPECT_TRUE(drained.get());
}

TEST_F(Quiescence, AThreadAttachesToEachEngineOnce) {
  auto other = Engine::create();
  ASSERT_TRUE(other);
  auto first = Thread::attach(*engine_);
  auto second = Thread::attach(**other);
  ASSERT_TRUE(first && second);
  const auto again = Thread::attach(*engine_);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code(), ErrorCode::InvalidArgument);
  {
    const GuestScope guest(*first);
    EXPECT_EQ(engine_->threads()[0].where, ThreadInfo::Where::GuestCode);
    EXPECT_EQ((*other)->threads()[0].where, ThreadInfo::Where::Away);
    EXPECT_TRUE((*other)->settle()) << "waits for the other engine's threads alone";
  }
}

TEST_F(Quiescence, NobodyWaitsWithTheCommitLockHeld) {
  StaticKey key("key");
  const Code code = published(*engine_, 64, {{&key, toggle, 0, {32}}});
  Actor actor;
  attach(actor, "runner");
  actor.enter();
  auto drained = draining();
  while (engine_->quiescence_counts().waits == 0) std::this_thread::yield();
  PatchBatch batch(*engine_);
  for (bool on : {true, false, true}) {
    batch.set(key, on);
    EXPECT_TRUE(batch.commit());
  }
  ASSERT_TRUE(pass_safepoints(actor, drained));
  EXPECT_TRUE(drained.get());
  actor.leave();
}

TEST_F(Quiescence, FrameWalkersMayThrowBadAlloc) {
  Actor actor;
  std::atomic<bool> failing = true;
  actor.attach(*engine_, {"poor", [&](const GuestFrame&, const void*, AddressVisitor&) {
                            if (failing) throw std::bad_alloc();
                          }});
  actor.enter();
  actor.host();
  expect_error(drain(moment), ErrorCode::TimedOut, "\"poor\"");
  failing = false;
  EXPECT_TRUE(drain(never));
  actor.back();
  actor.leave();
}

}  // namespace
}  // namespace shunt::test
