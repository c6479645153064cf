// A site in the program's own text is flipped, for which the text has to be moved, while a system call fails.
#include "shunt/host_site.h"
#include "tests/engine/child.h"
#include "tests/faults/engine_code.h"

namespace shunt::faults {
namespace {

StaticKey host_key{"host text"};

[[gnu::noinline]] int answer() {
  if (SHUNT_UNLIKELY(host_key)) return 1;
  return 0;
}

Engine& process() {
  return **Engine::process();
}

Operation flip() {
  Operation operation;
  operation.in_children = true;
  operation.prepare = [] { ASSERT_TRUE(Engine::process()); };
  operation.attempt = [] { return commit(process(), host_key, true); };
  operation.state = [] { return std::to_string(answer()) + std::to_string(host_key.enabled()); };
  operation.leaves = [](const Error& error) { return error.code() == ErrorCode::SerialisationFailed; };
  operation.works = [] {
    EXPECT_EQ(answer(), 1);
    EXPECT_TRUE(commit(process(), host_key, false));
    EXPECT_EQ(answer(), 0);
  };
  return operation;
}

TEST(HostTextFaults, TheFirstFlip) {
  EXPECT_GT(sweep("first flip of host text", flip()).refused, 0U);
}

// After a fork() both sides move the text anew.
TEST(HostTextFaults, TheFirstFlipAfterAFork) {
  Operation operation = flip();
  operation.prepare = [] {
    ASSERT_TRUE(Engine::process());
    ASSERT_TRUE(commit(process(), host_key, true));
    ASSERT_TRUE(commit(process(), host_key, false));
    EXPECT_EQ(test::in_child([] { return 0; }), 0);
  };
  EXPECT_GT(sweep("host text after a fork", operation).refused, 0U);
}

}  // namespace
}  // namespace shunt::faults
