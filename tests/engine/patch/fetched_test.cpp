// What was written is what is executed: each way in which the engine writes code, and then the code itself. On machines
// whose instruction fetches do not see stores by themselves this fails without cache maintenance; an emulator that
// translates code, and looks again only where it is told to, fails each time (tests/engine/CMakeLists.txt: mutants).
#include <gtest/gtest.h>

#include <csetjmp>
#include <csignal>
#include <memory>
#include <utility>
#include <vector>

#include "engine/patch/engine_parts.h"
#include "engine/serialise/mechanism.h"
#include "tests/engine/child.h"
#include "tests/engine/flips_under_threads.h"

namespace shunt::test {
namespace {

constexpr const char* old_code = "executed the old instruction";

using Function = int();

// Whether a call of the function ends at a trap instead of returning.
bool runs_into_a_trap(Function* function) {
  static sigjmp_buf back;
  struct sigaction action{};
  struct sigaction before{};
  action.sa_handler = [](int) { siglongjmp(back, 1); };
  sigaction(SIGTRAP, &action, &before);
  volatile bool trapped = true;
  if (sigsetjmp(back, 1) == 0) {
    (void)function();
    trapped = false;
  }
  sigaction(SIGTRAP, &before, nullptr);
  return trapped;
}

class Fetched : public testing::Test {
 protected:
  // Of the host's parts, but without the probe that refuses a machine which fetches no flip.
  void SetUp() override {
    auto serialiser = detail::make_core_serialiser({});
    ASSERT_TRUE(serialiser) << serialiser.error().message();
    auto made = Engine::create({}, {detail::make_host_patcher(), std::move(*serialiser)});
    ASSERT_TRUE(made) << made.error().message();
    engine_ = std::move(*made);
  }
  void set(StaticKey& key, bool on) {
    PatchBatch batch(*engine_);
    batch.set(key, on);
    committed(batch);
  }
  // A function without sites.
  Code answer(std::uint32_t value) {
    const Engine::Allocation allocation = *engine_->allocate(answer_size);
    write_answer(allocation.staging, value);
    return std::move(*engine_->publish(allocation, {}));
  }
  static int run(const Code& code) { return code.entry<int()>()(); }

  std::unique_ptr<Engine> engine_;
};

TEST_F(Fetched, AFlip) {
  StaticKey key("key");
  const Code code = answering_code(*engine_, key);
  ASSERT_EQ(run(code), 0);
  for (int i = 1; i < 50; ++i) {
    set(key, i % 2 == 1);
    ASSERT_EQ(run(code), i % 2) << old_code;
  }
}

TEST_F(Fetched, ABatchOfManyLines) {
  StaticKey key("key");
  std::vector<Code> codes;
  for (int i = 0; i < 200; ++i) codes.push_back(answering_code(*engine_, key));
  for (int flip = 0; flip < 4; ++flip) {
    for (const Code& code : codes) ASSERT_EQ(run(code), flip % 2) << old_code;
    set(key, flip % 2 == 0);
  }
}

TEST_F(Fetched, FlipsByThreadsThatRunMeanwhile) {
  EXPECT_EQ(flips_under_threads(*engine_, "membarrier", 50), "");
}

TEST_F(Fetched, NewCodeWhereOtherCodeWas) {
  const std::uint8_t* place = nullptr;
  for (std::uint32_t i = 0; i < 20; ++i) {
    const Code code = answer(i);
    if (place == nullptr) place = code.data();
    ASSERT_EQ(code.data(), place);
    ASSERT_EQ(run(code), static_cast<int>(i)) << old_code;
  }
}

// Nobody may run it: who does all the same must not find what stood there.
TEST_F(Fetched, TheTrapsOfCodeThatEnded) {
  Code alone = answer(1);
  Function* const entry = alone.entry<Function>();
  ASSERT_EQ(run(alone), 1);
  alone = Code();
  EXPECT_TRUE(runs_into_a_trap(entry)) << old_code;

  std::vector<Code> codes;
  std::vector<Function*> entries;
  for (int i = 0; i < 100; ++i) {
    codes.push_back(answer(static_cast<std::uint32_t>(i)));
    entries.push_back(codes.back().entry<Function>());
    ASSERT_EQ(run(codes.back()), i);
  }
  ASSERT_TRUE(engine_->retire(codes));
  ASSERT_TRUE(engine_->await_retired());
  for (Function* const ended : entries) ASSERT_TRUE(runs_into_a_trap(ended)) << old_code;
}

TEST_F(Fetched, AfterAFork) {
  StaticKey key("key");
  const Code code = answering_code(*engine_, key);
  ASSERT_EQ(run(code), 0);
  const auto flips = [&] {
    for (int i = 1; i < 10; ++i) {
      set(key, i % 2 == 1);
      if (run(code) != i % 2) return 1;
    }
    return 0;
  };
  EXPECT_EQ(in_child(flips), 0) << old_code;
  EXPECT_EQ(flips(), 0) << old_code;
}

}  // namespace
}  // namespace shunt::test
