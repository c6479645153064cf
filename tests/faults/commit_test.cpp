// Code is published, and keys are flipped, while a system call fails.
#include <cerrno>

#include "tests/faults/engine_code.h"

namespace shunt::faults {
namespace {

bool is_written(const Error& error) {
  return error.code() == ErrorCode::SerialisationFailed;
}

// An operation on an engine that has a key and its code.
class EngineFaults : public testing::TestWithParam<Serialisation> {
 protected:
  Operation on_engine() {
    Operation operation;
    operation.prepare = [this] { made_.make(small(GetParam())); };
    operation.state = [this] { return made_.state(); };
    operation.works = [this] { made_.works(); };
    operation.finish = [this] {
      more_.clear();
      made_.end();
    };
    operation.in_children = GetParam() == Serialisation::Signals;
    return operation;
  }
  std::string name(const char* what) {
    return std::string(what) + (GetParam() == Serialisation::Signals ? ", signals" : ", membarrier");
  }

  Answering made_;
  std::vector<Code> more_;
};

#if defined(__SANITIZE_THREAD__)  // under it no broadcast can succeed (tests/engine/CMakeLists.txt)
constexpr Serialisation kMechanisms[] = {Serialisation::Membarrier};
#else
constexpr Serialisation kMechanisms[] = {Serialisation::Membarrier, Serialisation::Signals};
#endif
INSTANTIATE_TEST_SUITE_P(Mechanisms, EngineFaults, testing::ValuesIn(kMechanisms), [](const auto& instance) {
  return instance.param == Serialisation::Signals ? "Signals" : "Membarrier";
});

// Code so large that fresh memory is taken for it.
TEST_P(EngineFaults, Publish) {
  Operation operation = on_engine();
  operation.attempt = [this] {
    auto code = publish_answers(*made_.engine, *made_.key, SiteForm::AlignedWord, std::size_t{300} << 10);
    if (!code) return status_of(code);
    more_.push_back(std::move(*code));
    return Status(Ok{});
  };
  const Swept swept = sweep(name("publish").c_str(), operation);
  EXPECT_GT(swept.refused, 0U);
}

// A flip that was written when its core serialisation failed is completed by the next commit.
TEST_P(EngineFaults, Commit) {
  Operation operation = on_engine();
  operation.attempt = [this] { return commit(*made_.engine, *made_.key, true); };
  operation.leaves = is_written;
  const auto works = operation.works;
  operation.works = [this, works] {
    EXPECT_EQ(made_.answer(), 1);
    EXPECT_TRUE(made_.key->enabled());
    works();
  };
  EXPECT_GT(sweep(name("commit").c_str(), operation).refused, 0U);
}

TEST_P(EngineFaults, Resynchronise) {
  Operation operation = on_engine();
  operation.prepare = [this] {
    made_.make(small(GetParam()));
    const char* const call = GetParam() == Serialisation::Signals ? "tgkill" : "membarrier";
    const Injection fault(call, call == std::string_view("tgkill") ? EPERM : EINVAL, Length::ForGood,
                          Reach::ThisThread);
    EXPECT_EQ(commit(*made_.engine, *made_.key, true).has_value(), call == std::string_view("tgkill"));
  };
  if (GetParam() == Serialisation::Signals) return;  // in a process with one thread nobody is sent a signal
  operation.attempt = [this] { return made_.engine->resynchronise(); };
  operation.leaves = is_written;
  EXPECT_GT(sweep(name("resynchronise").c_str(), operation).refused, 0U);
}

// Without a thread of the engine's own, who waits carries out what is queued.
TEST_P(EngineFaults, CommitAsyncWithoutAThread) {
  made_.make(small(GetParam()));
  PatchBatch batch(*made_.engine);
  batch.enable(*made_.key);
  const Injection fault("pthread_create", EAGAIN, Length::ForGood, Reach::AllThreads);
  const auto report = batch.commit_async().wait();
  EXPECT_TRUE(fault.struck());
  EXPECT_TRUE(report) << (report ? "" : report.error().message());
  EXPECT_EQ(made_.answer(), 1);
  made_.works();
  made_.end();
}

TEST_P(EngineFaults, StartOfTheEnginesThread) {
  Operation operation = on_engine();
  operation.attempt = [this] { return made_.engine->start_service_thread(); };
  EXPECT_GT(sweep(name("start_service_thread").c_str(), operation).refused, 0U);
}

}  // namespace
}  // namespace shunt::faults
