// After fork(), the first to write takes code memory of its own: parent and child, while a system call fails.
#include <unistd.h>

#include <sys/wait.h>

#include "tests/engine/child.h"
#include "tests/faults/engine_code.h"

namespace shunt::faults {
namespace {

class ForkFaults : public testing::TestWithParam<bool> {
 protected:
  static EngineOptions options() {
    EngineOptions options = small(Serialisation::Membarrier);
    options.anonymous_code = GetParam();
    return options;
  }
  // The commit of whoever forked, or was forked, just before.
  Operation commit_after_fork() {
    Operation operation;
    operation.attempt = [this] { return commit(*made_.engine, *made_.key, true); };
    operation.state = [this] { return made_.state(); };
    operation.works = [this] {
      EXPECT_EQ(made_.answer(), 1);
      made_.works();
    };
    operation.finish = [this] { made_.end(); };
    operation.leaves = [](const Error& error) {  // copied, and the copy is not serialised yet: nothing else has changed
      return error.code() == ErrorCode::SerialisationFailed;
    };
    return operation;
  }

  Answering made_;
};

INSTANTIATE_TEST_SUITE_P(Backings, ForkFaults, testing::Bool(),
                         [](const auto& instance) { return instance.param ? "Anonymous" : "MemoryFile"; });

TEST_P(ForkFaults, CommitInTheParent) {
  Operation operation = commit_after_fork();
  operation.prepare = [this] {
    made_.make(options());
    EXPECT_EQ(test::in_child([] { return 0; }), 0);
  };
  EXPECT_GT(sweep("commit in a parent", operation).refused, 0U);
}

TEST_P(ForkFaults, CommitInTheChild) {
  made_.make(options());  // each round is a child
  Operation operation = commit_after_fork();
  operation.in_children = true;
  EXPECT_GT(sweep("commit in a child", operation).refused, 0U);
  EXPECT_EQ(made_.answer(), 0);  // none of the children's flips is the parent's
  made_.works();
  made_.end();
}

TEST_P(ForkFaults, PublishInTheParent) {
  Code more;
  Operation operation = commit_after_fork();
  operation.prepare = [this] {
    made_.make(options());
    EXPECT_EQ(test::in_child([] { return 0; }), 0);
  };
  operation.attempt = [&] {
    auto code = publish_answers(*made_.engine, *made_.key, SiteForm::AlignedWord, std::size_t{200} << 10);
    if (!code) return status_of(code);
    more = std::move(*code);
    return Status(Ok{});
  };
  operation.works = [this] { made_.works(); };
  operation.finish = [&] {
    more = Code();
    made_.end();
  };
  EXPECT_GT(sweep("publish in a parent", operation).refused, 0U);
}

}  // namespace
}  // namespace shunt::faults
