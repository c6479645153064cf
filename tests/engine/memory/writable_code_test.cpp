// Code memory that is one writable mapping (EngineOptions::allow_writable_code), on a machine that would not need it.
#include <gtest/gtest.h>

#include <memory>
#include <utility>

#include "engine/patch/engine_parts.h"
#include "engine/serialise/mechanism.h"
#include "tests/engine/child.h"
#include "tests/engine/flips_under_threads.h"

namespace shunt::test {
namespace {

class WritableCode : public testing::Test {
 protected:
  void SetUp() override {
    auto serialiser = detail::make_core_serialiser({});
    ASSERT_TRUE(serialiser);
    detail::EngineParts parts{detail::make_host_patcher(), std::move(*serialiser)};
    parts.backing = detail::Backing::Writable;
    auto made = Engine::create({}, std::move(parts));
    ASSERT_TRUE(made) << made.error().message();
    engine_ = std::move(*made);
  }
  int flipped(StaticKey& key, const Code& code, bool on) {
    PatchBatch batch(*engine_);
    batch.set(key, on);
    committed(batch);
    return code.entry<int()>()();
  }
  std::unique_ptr<Engine> engine_;
};

TEST_F(WritableCode, IsMappedOnce) {
  const detail::CodeViews views = detail::code_views(*engine_);
  EXPECT_EQ(views.rx, views.rw);
}

TEST_F(WritableCode, IsFlippedUnderThreads) {
  EXPECT_EQ(flips_under_threads(*engine_, "membarrier"), "");
}

TEST_F(WritableCode, GrowsAndIsUsedAgain) {
  StaticKey key("key");
  for (int i = 0; i < 3; ++i) {
    std::vector<Code> codes;
    for (int j = 0; j < 2000; ++j) codes.push_back(answering_code(*engine_, key));
    EXPECT_EQ(flipped(key, codes.back(), i % 2 == 0), i % 2 == 0 ? 1 : 0);
  }
}

TEST_F(WritableCode, ParentAndChildHaveTheirOwn) {
  StaticKey key("key");
  const Code code = answering_code(*engine_, key);
  EXPECT_EQ(in_child([&] { return flipped(key, code, true) == 1 ? 0 : 1; }), 0);
  EXPECT_EQ(code.entry<int()>()(), 0) << "the child's flip is seen";
  EXPECT_EQ(flipped(key, code, true), 1);
}

}  // namespace
}  // namespace shunt::test
