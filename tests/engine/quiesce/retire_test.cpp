// Code that is retired, and tickets that are to be Drained. Built a second time with deliberate faults.
#include <gtest/gtest.h>

#include <unistd.h>

#include <atomic>
#include <future>
#include <string>
#include <thread>

#include "engine/engine_impl.h"
#include "shunt/ticket.h"
#include "tests/engine/child.h"
#include "tests/engine/quiesce/actors.h"

namespace shunt::test {
namespace {

class Retirement : public Quiescence {};

TEST_F(Retirement, RetiredCodeIsFreedOnceItIsDrained) {
  Actor actor;
  attach(actor, "runner");
  actor.enter();
  const std::uint8_t* const bytes = old_.data();
  const auto is_free = [&] { return traps(bytes) && traps(bytes + 128 - instruction_alignment); };
  std::promise<void> freed;
  bool trapped = false;
  ASSERT_TRUE(engine_->retire(std::move(old_), [&] {
    trapped = is_free();
    freed.set_value();
  }));
  auto done = freed.get_future();
  EXPECT_FALSE(ends_by_looks(actor, done, frame(bytes + 1)));
  EXPECT_EQ(bytes[0], 0x90) << "freed under a thread that runs it";
  ASSERT_TRUE(pass_safepoints(actor, done, frame(this)));
  EXPECT_TRUE(trapped) << "data may be freed after the code alone";
  EXPECT_EQ(engine_->quiescence_counts().freed, 1U);
  actor.leave();
}

TEST_F(Retirement, CodeMayRetireItself) {
  Actor actor;
  attach(actor, "runner");
  actor.enter();
  const Addresses frames = {in_old()};
  actor.act([&] { ASSERT_TRUE(engine_->retire(std::move(old_))); });
  actor.safepoint(frame(this, &frames));
  actor.leave();
  EXPECT_TRUE(engine_->await_retired(never));
  EXPECT_EQ(engine_->quiescence_counts().freed, 1U);
}

TEST_F(Retirement, AwaitRetiredWaitsForTheCallbacks) {
  std::atomic<int> called = 0;
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(engine_->retire(published(*engine_, 64, {}), [&] {
      std::this_thread::sleep_for(1ms);
      ++called;
    }));
  }
  EXPECT_TRUE(engine_->await_retired(never));
  EXPECT_EQ(called, 20);
}

TEST_F(Retirement, RetireRefusesForeignCodeAndGivesItBack) {
  auto other = Engine::create();
  ASSERT_TRUE(other);
  Code foreign = published(**other, 64, {});
  const auto status = engine_->retire(std::move(foreign));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::InvalidArgument);
  EXPECT_NE(foreign.data(), nullptr);  // NOLINT(bugprone-use-after-move): refused, so not moved from
}

TEST_F(Retirement, TheEnginesEndFreesWhatIsStillRetired) {
  bool freed = false;
  ASSERT_TRUE(engine_->retire(std::move(old_), [&] { freed = true; }));
  engine_.reset();
  EXPECT_TRUE(freed);
}

// In a child, which an alarm ends if the engine does not.
TEST_F(Retirement, AnEngineEndsWhileACallbackRuns) {
  EXPECT_EQ(in_child([] {
              alarm(10);
              auto engine = std::move(*Engine::create());
              auto& inside = detail::EngineInside::of(*engine);
              std::atomic<bool> called = false;
              const Status retired = engine->retire(published(*engine, 64, {}), [&] {
                called = true;
                while (!inside.quiescence.stopping()) std::this_thread::yield();
              });
              if (!retired) return 1;
              while (!called) std::this_thread::yield();
              engine.reset();
              return 0;
            }),
            0);
}

#ifndef __SANITIZE_THREAD__  // under which a forked child of a program with threads may make none
// In a forked child the thread that waits for threads is not there, nor what it was doing.
TEST_F(Retirement, AForkedChildFreesWhatIsDrainedInIt) {
  Actor actor;
  attach(actor, "the parent's");
  actor.enter();
  ASSERT_TRUE(engine_->retire(std::move(old_)));
  EXPECT_EQ(in_child([&] { return engine_->await_retired(10s) && engine_->quiescence_counts().freed == 1 ? 0 : 1; }), 0)
      << "the thread that was in the old path is not in the child";
  EXPECT_EQ(engine_->quiescence_counts().freed, 0U);
  actor.leave();
  EXPECT_TRUE(engine_->await_retired(never));
}

TEST_F(Retirement, AChildThatIsForkedDuringACallbackRetiresOn) {
  std::promise<void> inside, go;
  ASSERT_TRUE(engine_->retire(std::move(old_), [&] {
    inside.set_value();
    go.get_future().wait();
  }));
  inside.get_future().wait();
  EXPECT_EQ(in_child([&] {
              if (!engine_->retire(published(*engine_, 64, {}))) return 1;
              return engine_->await_retired(10s) ? 0 : 2;
            }),
            0);
  go.set_value();
  EXPECT_TRUE(engine_->await_retired(never));
}
#endif

// A commit whose old path is old_, by a ticket.
class DrainedTicket : public Quiescence {
 protected:
  Ticket commit(Visibility wanted) {
    PatchBatch batch(*engine_);
    batch.set(key_, !key_.enabled());
    if (wanted == Visibility::Drained) batch.old_path(old_path());
    return batch.commit_async(wanted);
  }
  template <class Passes>
  static bool completes(const Ticket& ticket, const Passes& pass) {
    for (int i = 0; i < 10'000; ++i) {
      pass();
      if (ticket.poll()) return true;
      std::this_thread::sleep_for(1ms);
    }
    return false;
  }

  StaticKey key_{"key"};
};

TEST_F(DrainedTicket, IsCompleteOnceThreadsWereSeen) {
  const Code code = published(*engine_, 64, {{&key_, toggle, 0, {32}}});
  Actor actor;
  attach(actor, "runner");
  actor.enter();
  const Ticket ticket = commit(Visibility::Drained);
  std::promise<Visibility> called;
  ticket.then([&](const Result<CommitReport>& report) { called.set_value(report->visibility); });
  while (!key_.enabled()) std::this_thread::yield();
  for (int i = 0; i < 30; ++i) {
    actor.safepoint(frame(in_old()));
    EXPECT_FALSE(ticket.poll()) << "a thread is in the old path";
  }
  ASSERT_TRUE(completes(ticket, [&] { actor.safepoint(frame(this)); }));
  EXPECT_EQ(called.get_future().get(), Visibility::Drained);
  const auto report = ticket.wait();
  ASSERT_TRUE(report) << report.error().message();
  EXPECT_EQ(report->sites_written, 1U);
  actor.leave();
}

TEST_F(DrainedTicket, DerivesItsOldPath) {
  const Code code = published(*engine_, 64, {{&key_, toggle, 0, {32}}});
  Actor actor;
  attach(actor, "runner");
  actor.enter();
  actor.host(frame(code.data() + 40));
  PatchBatch batch(*engine_);
  batch.enable(key_);
  const Ticket ticket = batch.commit_async(Visibility::Drained);
  batch.disable(key_);  // waits for the first
  ASSERT_TRUE(batch.commit());
  EXPECT_FALSE(ticket.poll());
  actor.back();
  actor.leave();
  EXPECT_TRUE(ticket.wait());
}

TEST_F(DrainedTicket, ServesACallerInTheOldPath) {
  Actor actor;
  attach(actor, "caller");
  actor.enter();
  std::optional<Ticket> ticket;
  actor.act([&] { ticket.emplace(commit(Visibility::Drained)); });
  actor.host(frame(in_old()));
  actor.act([&] {
    const auto refused = ticket->wait();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::InsideOldPath) << refused.error().message();
  });
  EXPECT_FALSE(ticket->poll());
  actor.back();
  actor.leave();
  EXPECT_TRUE(ticket->wait()) << "the ticket went on";
}

TEST_F(DrainedTicket, SettlesAlsoIfThereIsNothingToDo) {
  Actor actor;
  attach(actor, "runner");
  actor.enter();
  PatchBatch batch(*engine_);
  batch.disable(key_);
  const Ticket ticket = batch.commit_async(Visibility::Settled);
  while (engine_->quiescence_counts().waits == 0) std::this_thread::yield();
  EXPECT_FALSE(ticket.poll());
  ASSERT_TRUE(completes(ticket, [&] { actor.safepoint(frame(in_old())); }));
  EXPECT_EQ(ticket.wait()->visibility, Visibility::Settled);
  actor.leave();
}

TEST_F(DrainedTicket, IsCompleteWhenItsEngineEnds) {
  const Ticket ticket = commit(Visibility::Drained);
  old_ = Code();
  engine_.reset();
  EXPECT_TRUE(ticket.poll());
  EXPECT_TRUE(ticket.wait());
}

}  // namespace
}  // namespace shunt::test
