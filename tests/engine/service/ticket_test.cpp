// Commits that wait with a ticket.
#include "shunt/ticket.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/engine/group.h"
#include "tests/engine/test_code.h"

namespace shunt::test {
namespace {

// Shared, because a callback may still be in count_down() or wait() when the test is over.
std::shared_ptr<std::latch> latch(int count) {
  return std::make_shared<std::latch>(count);
}

class TicketTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(engine_.engine, nullptr);
    lead_.enable(leading_);
    code_ = published(engine(), 128,
                      {{&leading_, SiteForm::Toggle, 0, {100}},
                       {&a_, SiteForm::Toggle, 8, {100}},
                       {&b_, SiteForm::Toggle, 16, {100}}});
    recording().clear();
  }
  Engine& engine() { return *engine_.engine; }
  Recording& recording() { return *engine_.recording; }
  std::string instruction(int site) { return engine().instruction_now(engine().sites(code_)[site]); }
  Ticket queue(StaticKey& key, bool on) {
    PatchBatch batch(engine());
    batch.set(key, on);
    return batch.commit_async();
  }

  RecordingEngine engine_ = RecordingEngine::x86_64();
  StaticKey leading_{"leading"}, a_{"a"}, b_{"b"};
  Code code_;
  PatchBatch lead_{engine()};
};

TEST_F(TicketTest, IsCarriedOutByWhoeverCommitsNext) {
  HeldLeader leader(engine(), recording(), lead_);
  const Ticket first = queue(a_, true);
  const Ticket second = queue(b_, true);
  EXPECT_FALSE(first.poll() || second.poll());
  recording().clear();
  leader.release();
  const auto report = first.wait();
  ASSERT_TRUE(report);
  EXPECT_EQ(report->batches, 2U);
  EXPECT_EQ(report->sites_written, 1U);
  EXPECT_EQ(report->visibility, Visibility::Synced);
  EXPECT_TRUE(second.wait() && first.poll() && second.poll());
  EXPECT_EQ(recording().steps,
            (Steps{"check rx+0x8", "check rx+0x10", "store1 rw+0x8", "store1 rw+0x10", "serialise"}));
  EXPECT_TRUE(a_.enabled() && b_.enabled());
}

TEST_F(TicketTest, OfNothingToDoIsCompleteAtOnce) {
  PatchBatch first(engine());
  first.enable(a_);
  committed(first);
  recording().clear();
  const Ticket ticket = queue(a_, true);
  EXPECT_TRUE(ticket.poll());
  EXPECT_EQ(ticket.wait()->mechanism, "none");
  EXPECT_EQ(recording().steps, Steps{});
}

TEST_F(TicketTest, TellsItsErrorAndHurtsNoOther) {
  std::uint8_t* const broken = const_cast<std::uint8_t*>(recording().rw) + 17;  // in b's site
  *broken ^= 0x10;
  HeldLeader leader(engine(), recording(), lead_);
  const Ticket good = queue(a_, true);
  const Ticket bad = queue(b_, true);
  leader.release();
  ASSERT_FALSE(bad.wait());
  EXPECT_EQ(bad.wait().error().code(), ErrorCode::ExpectedBytesMismatch);
  EXPECT_TRUE(good.wait());
  *broken ^= 0x10;
}

TEST_F(TicketTest, OfAFailedSerialisationSaysSo) {
  HeldLeader leader(engine(), recording(), lead_);
  const Ticket ticket = queue(a_, true);
  recording().failing_serialisations = 1;
  leader.release();
  ASSERT_FALSE(ticket.wait());
  EXPECT_EQ(ticket.wait().error().code(), ErrorCode::SerialisationFailed);
  EXPECT_TRUE(engine().resynchronise());
  EXPECT_TRUE(a_.enabled());
}

// A key with something queued is not complete, whatever its state says.
TEST_F(TicketTest, ACommitThatBeginsLaterCountsMore) {
  HeldLeader leader(engine(), recording(), lead_);
  const Ticket ticket = queue(a_, true);
  std::atomic<bool> committed_off = false;
  std::thread later([&] {
    PatchBatch off(engine());
    off.disable(a_);
    committed_off = off.commit().has_value();
  });
  // The leader's group has not begun while this thread waits: so does the engine's own, for the ticket.
  while (detail::EngineInside::of(engine()).commit_lock.waiting() != 2 && !committed_off) std::this_thread::yield();
  leader.release();
  later.join();
  EXPECT_TRUE(committed_off);
  EXPECT_TRUE(ticket.wait());
  EXPECT_FALSE(a_.enabled());
  EXPECT_EQ(instruction(1), "test eax, 0x57");
}

TEST_F(TicketTest, MayBeDroppedUnread) {
  {
    (void)queue(a_, true);
  }
  ASSERT_TRUE(engine().carry_out_requests());
  EXPECT_TRUE(a_.enabled());
}

TEST_F(TicketTest, CallsBackOnTheEnginesOwnThreadWithoutALock) {
  const auto done = latch(1);
  std::thread::id where;
  bool flipped_again = false;
  Ticket ticket = queue(a_, true);
  ticket.then([&, done](const Result<CommitReport>& verdict) {
    where = std::this_thread::get_id();
    PatchBatch again(engine());
    again.disable(a_);
    again.enable(b_);
    flipped_again = verdict.has_value() && again.commit().has_value();
    done->count_down();
  });
  done->wait();
  EXPECT_NE(where, std::this_thread::get_id());
  EXPECT_TRUE(flipped_again);
  EXPECT_FALSE(a_.enabled());
  EXPECT_TRUE(b_.enabled());
}

TEST_F(TicketTest, CallbacksOfACompleteTicketRunThereToo) {
  const Ticket ticket = queue(a_, true);
  ASSERT_TRUE(ticket.wait());
  std::vector<std::thread::id> where;
  const auto done = latch(2);
  for (int i = 0; i < 2; ++i) {
    ticket.then([&, done](const Result<CommitReport>&) {
      where.push_back(std::this_thread::get_id());
      done->count_down();
    });
  }
  done->wait();
  EXPECT_EQ(where[0], where[1]);
  EXPECT_NE(where[0], std::this_thread::get_id());
}

TEST_F(TicketTest, CallbacksRunInTheirOrder) {
  std::vector<int> order;
  const auto done = latch(3);
  {
    HeldLeader leader(engine(), recording(), lead_);
    const Ticket ticket = queue(a_, true);
    for (int i = 0; i < 3; ++i) {
      ticket.then([&, i, done](const Result<CommitReport>&) {
        order.push_back(i);
        done->count_down();
      });
    }
  }
  done->wait();
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2}));
}

// A callback that commits with a callback that commits, and so on.
TEST_F(TicketTest, ACallbackMayQueueAgain) {
  constexpr int flips = 100;
  const auto done = latch(1);
  std::atomic<int> seen = 0;
  std::function<void(const Result<CommitReport>&)> next = [&, done](const Result<CommitReport>& verdict) {
    EXPECT_TRUE(verdict);
    EXPECT_EQ(a_.enabled(), seen % 2 == 0);
    if (++seen == flips) return done->count_down();
    queue(a_, seen % 2 == 0).then(next);
  };
  queue(a_, true).then(next);
  done->wait();
  EXPECT_EQ(seen.load(), flips);
}

// Whoever waits does not depend on the engine's own thread, which may be in a callback.
TEST_F(TicketTest, WaitingCarriesItOut) {
  const auto inside = latch(1), go = latch(1);
  queue(a_, true).then([&, inside, go](const Result<CommitReport>&) {
    inside->count_down();
    go->wait();
  });
  inside->wait();
  const Ticket ticket = queue(b_, true);
  EXPECT_TRUE(ticket.wait());
  EXPECT_TRUE(b_.enabled());
  go->count_down();
}

TEST_F(TicketTest, ACallbackMayWaitForAnotherTicket) {
  const auto done = latch(1);
  bool waited = false;
  queue(a_, true).then([&, done](const Result<CommitReport>&) {
    waited = queue(b_, true).wait().has_value();
    done->count_down();
  });
  done->wait();
  EXPECT_TRUE(waited);
}

TEST_F(TicketTest, OutlivesItsBatchAndItsEngine) {
  auto own = std::make_unique<RecordingEngine>(RecordingEngine::x86_64());
  StaticKey key("key");
  std::optional<Ticket> ticket;
  int called = 0;
  {
    PatchBatch batch(*own->engine);
    batch.enable(key);
    ticket = batch.commit_async();
    ticket->then([&](const Result<CommitReport>& verdict) { called += verdict ? 1 : 100; });
  }
  own.reset();
  EXPECT_TRUE(ticket->poll()) << "an engine carries out what is queued before it ends";
  EXPECT_TRUE(ticket->wait());
  EXPECT_EQ(called, 1);
  EXPECT_TRUE(key.enabled());
  ticket->then([&](const Result<CommitReport>&) { ++called; });
  EXPECT_EQ(called, 2) << "the engine is gone: at once";
}

TEST_F(TicketTest, AnEngineThatEndsRefusesNewOnes) {
  StaticKey key("key"), late("late");
  const auto inside = latch(1);
  std::optional<Result<CommitReport>> refused;
  {
    RecordingEngine own = RecordingEngine::x86_64();
    PatchBatch batch(*own.engine);
    batch.enable(key);
    batch.commit_async().then([&, inside, ending = own.engine.get()](const Result<CommitReport>&) {
      inside->count_down();
      while (!detail::EngineInside::of(*ending).service->stopping()) std::this_thread::yield();
      PatchBatch more(*ending);
      more.enable(late);
      refused = more.commit_async().wait();
    });
    inside->wait();
  }
  ASSERT_TRUE(refused.has_value());
  ASSERT_FALSE(*refused);
  EXPECT_EQ(refused->error().code(), ErrorCode::Unsupported);
}

TEST_F(TicketTest, AKeyThatEndsHasItsQueuedCommitsCarriedOutFirst) {
  std::optional<StaticKey> key(std::in_place, "ending");
  const Code code = published(engine(), 32, {{&*key, SiteForm::Toggle, 0, {16}}});
  const SiteInfo site = engine().sites(code)[0];
  HeldLeader leader(engine(), recording(), lead_);
  const Ticket ticket = queue(*key, true);
  leader.follow([&] { key.reset(); }, 1);  // the engine's own thread waits as well
  leader.release();
  EXPECT_TRUE(ticket.poll());
  EXPECT_TRUE(ticket.wait());
  EXPECT_EQ(engine().instruction_now(site), "jmp +0x10");
}

using TicketDeathTest = TicketTest;

TEST_F(TicketDeathTest, ACallbackThatThrowsEndsTheProgram) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        queue(a_, true).then([](const Result<CommitReport>&) { throw std::runtime_error("thrown by a callback"); });
        std::latch(1).wait();
      },
      "thrown by a callback");
}

}  // namespace
}  // namespace shunt::test
