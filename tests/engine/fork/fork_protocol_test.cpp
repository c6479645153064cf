// The steps of the first write after fork(), on the recording engine.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tests/engine/child.h"
#include "tests/engine/recording.h"
#include "tests/engine/test_code.h"

namespace shunt::test {
namespace {

class ForkProtocol : public testing::Test {
 protected:
  static Result<CommitReport> flip(RecordingEngine& engine, StaticKey& key) {
    engine.recording->clear();
    PatchBatch batch(*engine.engine);
    batch.set(key, !key.enabled());
    return batch.commit();
  }
  static std::ptrdiff_t count(const Steps& steps, const std::string& kind) {
    return std::count_if(steps.begin(), steps.end(), [&](const std::string& step) { return step.rfind(kind, 0) == 0; });
  }
};

TEST_F(ForkProtocol, SerialisesOnceBetweenTheCopyAndTheFirstWrite) {
  RecordingEngine engine = RecordingEngine::x86_64();
  StaticKey key("key");
  const Code code = published(*engine.engine, 64, {{&key, SiteForm::Toggle, 0, {32}}});
  const Steps usual = {"check rx+0x0", "store1 rw+0x0", "serialise"};
  Steps first = usual;
  first.insert(first.begin(), "serialise");
  for (int side = 0; side < 2; ++side) {  // the child's, then the parent's
    const auto both_flips = [&] {
      if (!flip(engine, key) || engine.recording->steps != first) return 1;
      return flip(engine, key) && engine.recording->steps == usual ? 0 : 2;
    };
    EXPECT_EQ(side == 0 ? in_child(both_flips) : both_flips(), 0);
  }
}

TEST_F(ForkProtocol, AFailedSerialisationBeforeTheFirstWriteWritesNothing) {
  RecordingEngine engine = RecordingEngine::x86_64();
  StaticKey key("key");
  const Code code = published(*engine.engine, 64, {{&key, SiteForm::Toggle, 0, {32}}});
  EXPECT_EQ(in_child([&] {
              engine.recording->failing_serialisations = 1;
              const auto failed = flip(engine, key);
              if (failed || failed.error().code() != ErrorCode::SerialisationFailed) return 1;
              if (engine.recording->steps != Steps{"serialise"} || key.enabled()) return 2;
              if (!flip(engine, key)) return 3;
              return engine.recording->steps == Steps{"serialise", "check rx+0x0", "store1 rw+0x0", "serialise"} ? 0
                                                                                                                 : 4;
            }),
            0);
}

// On arm64 the copy is cleaned and invalidated whole, before the cores are serialised.
TEST_F(ForkProtocol, Arm64MaintainsTheCopy) {
  RecordingEngine engine = RecordingEngine::arm64(0x84448004);  // 64-byte lines, neither IDC nor DIC
  StaticKey key("key");
  const Code code = published(*engine.engine, 64, {{&key, SiteForm::AlignedWord, 0, {32}}});
  EXPECT_EQ(in_child([&] {
              if (!flip(engine, key)) return 1;
              const Steps& steps = engine.recording->steps;
              const auto serialised = std::find(steps.begin(), steps.end(), "serialise");
              const Steps before(steps.begin(), serialised);
              const std::ptrdiff_t lines = sysconf(_SC_PAGESIZE) / 64;  // of what is exposed
              if (count(before, "clean") != lines || count(before, "invalidate") != lines) return 2;
              return count(before, "dsb") == 2 && before.back() == "isb" ? 0 : 3;
            }),
            0);
}

// Code that ends while memory is shared is overwritten in the copy, which is maintained whole.
TEST_F(ForkProtocol, Arm64MaintainsNothingWhereNothingWasFilled) {
  RecordingEngine engine = RecordingEngine::arm64(0x84448004);
  Code code = published(*engine.engine, 64, {});
  EXPECT_EQ(in_child([&] {
              engine.recording->clear();
              code = Code();
              return engine.recording->steps.empty() ? 0 : 1;
            }),
            0);
}

}  // namespace
}  // namespace shunt::test
