// commit_and_settle() and commit_and_drain(): what a commit's old path is, and when the caller is refused.
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <vector>

#include "shunt/static_call.h"
#include "tests/engine/recording.h"
#include "tests/engine/test_code.h"

namespace shunt::test {
namespace {

using namespace std::chrono_literals;

// The calling thread is attached and stands, in a HostScope, at an address of the test's choice.
class OldPathTest : public testing::Test {
 protected:
  void SetUp() override {
    auto thread = Thread::attach(engine(), {"caller", {}});
    ASSERT_TRUE(thread);
    thread_.emplace(std::move(*thread));
  }
  Engine& engine() { return *engine_.engine; }
  Recording& recording() { return *engine_.recording; }

  // Whether the commit of `batch` is refused to a thread that goes on at `address`.
  template <class Fill>
  bool refused_at(const std::uint8_t* address, Fill fill) {
    PatchBatch batch(engine());
    fill(batch);
    const GuestScope guest(*thread_, nullptr);
    const HostScope host(*thread_, GuestFrame{address, nullptr, nullptr});
    recording().clear();
    const auto report = batch.commit_and_drain(10min);
    if (report) {
      EXPECT_EQ(report->visibility, Visibility::Drained);
      EXPECT_EQ(report->threads, 1U);
      return false;
    }
    EXPECT_EQ(report.error().code(), ErrorCode::InsideOldPath) << report.error().message();
    EXPECT_TRUE(recording().stores.empty()) << "refused after a write";
    return true;
  }

  RecordingEngine engine_ = RecordingEngine::x86_64();
  std::optional<Thread> thread_;
  StaticKey key_{"key"};
  StaticSwitch choice_{"choice", 3};
};

TEST_F(OldPathTest, OfAStaticCallIsTheFunctionThatItCalled) {
  StaticCall<void()> call("call");
  const Code caller = published(engine(), 64, {{&call, SiteForm::Call, 0, {}}});
  const Code first = published(engine(), 64, {});
  const Code second = published(engine(), 64, {});
  const auto to = [&](const Code& function) {
    return [&](PatchBatch& batch) { batch.set(call, function.entry<void()>()); };
  };
  EXPECT_FALSE(refused_at(caller.data() + 8, to(first)));
  EXPECT_FALSE(refused_at(caller.data() + 8, to(second))) << "behind the site, whatever it called";
  EXPECT_FALSE(refused_at(first.data() + 8, to(second))) << "nothing to do";
  EXPECT_TRUE(refused_at(second.data() + 8, to(first)));
  EXPECT_FALSE(refused_at(first.data() + 8, to(first)));
}

TEST_F(OldPathTest, IsThePieceThatHoldsTheSiteAndItsOtherTargets) {
  const Code before = published(engine(), 64, {});
  const Code code = published(engine(), 128, {{&key_, SiteForm::Toggle, 16, {64}}});
  const Code after = published(engine(), 64, {});
  const auto flip = [&](PatchBatch& batch) { batch.set(key_, !key_.enabled()); };
  EXPECT_TRUE(refused_at(code.data(), flip));
  EXPECT_TRUE(refused_at(code.data() + 127, flip));
  EXPECT_FALSE(key_.enabled()) << "refused, so not flipped";
  EXPECT_FALSE(refused_at(before.data() + 63, flip));
  EXPECT_TRUE(key_.enabled());
  EXPECT_FALSE(refused_at(after.data(), flip));
  EXPECT_FALSE(key_.enabled());
}

TEST_F(OldPathTest, HoldsForACommitThatFindsNothingToDo) {
  const Code code = published(engine(), 128, {{&key_, SiteForm::Toggle, 16, {64}}});
  const auto off = [&](PatchBatch& batch) { batch.disable(key_); };
  EXPECT_TRUE(refused_at(code.data() + 64, off)) << "another thread may have flipped it a moment ago";
  EXPECT_FALSE(refused_at(nullptr, off));
}

TEST_F(OldPathTest, TheLastSettingOfAKeyCounts) {
  const Code code = published(engine(), 64, {{&key_, SiteForm::Toggle, 16, {32}}});
  EXPECT_FALSE(refused_at(nullptr, [&](PatchBatch& batch) {
    batch.disable(key_);
    batch.enable(key_);
  }));
  EXPECT_TRUE(key_.enabled());
}

TEST_F(OldPathTest, ARetargetLeavesThePieceThatTheSiteLedTo) {
  const Code site = published(engine(), 128, {{&choice_, SiteForm::AlignedWord, 0, {32, 64}}});
  const Code first = published(engine(), 64, {});
  const Code second = published(engine(), 64, {});
  const auto to = [&](const Code& code) {
    return [&](PatchBatch& batch) { batch.retarget(choice_, site.data(), 1, code.data() + 8); };
  };
  EXPECT_TRUE(refused_at(site.data() + 40, to(first))) << "its first target lies in its own piece";
  EXPECT_FALSE(refused_at(first.data(), to(first)));
  EXPECT_TRUE(refused_at(first.data() + 20, to(second)));
  EXPECT_FALSE(refused_at(second.data(), to(second)));
  EXPECT_FALSE(refused_at(first.data(), to(first))) << "second is what it leaves";
}

TEST_F(OldPathTest, ASwitchLeavesAllStatesButTheNewOne) {
  const Code site = published(engine(), 128, {{&choice_, SiteForm::AlignedWord, 0, {32, 64}}});
  const Code first = published(engine(), 64, {});
  const Code second = published(engine(), 64, {});
  PatchBatch batch(engine());
  batch.retarget(choice_, site.data(), 1, first.data());
  batch.retarget(choice_, site.data(), 2, second.data());
  ASSERT_TRUE(batch.commit());
  const auto set = [&](unsigned state) { return [&, state](PatchBatch& b) { b.set(choice_, state); }; };
  EXPECT_TRUE(refused_at(second.data(), set(1)));
  EXPECT_TRUE(refused_at(site.data(), set(1))) << "state 0 falls through";
  EXPECT_FALSE(refused_at(first.data(), set(1)));
  EXPECT_TRUE(refused_at(first.data(), set(2)));
  EXPECT_FALSE(refused_at(second.data(), set(2)));
}

TEST_F(OldPathTest, TheEmbedderMayNameIt) {
  const Code code = published(engine(), 128, {{&key_, SiteForm::Toggle, 16, {64}}});
  const auto flip = [&](PatchBatch& batch) {
    batch.set(key_, !key_.enabled());
    batch.old_path({code.data() + 64, 32});
  };
  EXPECT_FALSE(refused_at(code.data() + 63, flip));
  EXPECT_TRUE(refused_at(code.data() + 64, flip));
  EXPECT_TRUE(refused_at(code.data() + 95, flip));
  EXPECT_FALSE(refused_at(code.data() + 96, flip));
}

TEST_F(OldPathTest, ABatchThatIsRefusedTakesNothingOfAnotherWithIt) {
  const Code code = published(engine(), 128, {{&key_, SiteForm::Toggle, 16, {64}}});
  const auto flip = [&](PatchBatch& batch) { batch.set(key_, !key_.enabled()); };
  ASSERT_TRUE(refused_at(code.data(), flip));
  PatchBatch batch(engine());
  batch.enable(key_);
  EXPECT_EQ(committed(batch).sites_written, 1U);
}

TEST_F(OldPathTest, SettledNeedsNoOldPath) {
  const Code code = published(engine(), 128, {{&key_, SiteForm::Toggle, 16, {64}}});
  PatchBatch batch(engine());
  batch.enable(key_);
  const GuestScope guest(*thread_, nullptr);
  {
    const auto refused = batch.commit_and_settle(10min);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::InvalidArgument);
    EXPECT_FALSE(key_.enabled()) << "refused, so not flipped";
  }
  const HostScope host(*thread_, GuestFrame{code.data(), nullptr, nullptr});
  batch.enable(key_);
  const auto report = batch.commit_and_settle(10min);
  ASSERT_TRUE(report) << report.error().message();
  EXPECT_EQ(report->visibility, Visibility::Settled);
  EXPECT_EQ(report->sites_written, 1U);
  EXPECT_TRUE(key_.enabled());
}

TEST_F(OldPathTest, ThreadsAreWaitedForAfterTheCommit) {
  const Code code = published(engine(), 128, {{&key_, SiteForm::Toggle, 16, {64}}});
  std::size_t steps_when_walked = 0;
  thread_.reset();
  auto thread = Thread::attach(engine(), {"caller", [&](const GuestFrame&, const void*, AddressVisitor&) {
                                            steps_when_walked = recording().steps.size();
                                          }});
  ASSERT_TRUE(thread);
  const GuestScope guest(*thread, nullptr);
  const HostScope host(*thread, GuestFrame{});
  recording().clear();
  PatchBatch batch(engine());
  batch.enable(key_);
  ASSERT_TRUE(batch.commit_and_drain(10min));
  EXPECT_EQ(recording().steps, (Steps{"check rx+0x10", "store1 rw+0x10", "serialise"}));
  EXPECT_EQ(steps_when_walked, 3U) << "a look before the serialisation says nothing";
}

}  // namespace
}  // namespace shunt::test
