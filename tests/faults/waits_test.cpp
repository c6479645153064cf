// Code is retired and waited for, threads attach, names are told to tools, while a system call fails.
#include <unistd.h>

#include <filesystem>

#include "tests/engine/quiesce/actors.h"
#include "tests/faults/engine_code.h"

namespace shunt::faults {
namespace {

class WaitFaults : public testing::Test {
 protected:
  Operation on_engine() {
    Operation operation;
    operation.prepare = [this] { made_.make(small(Serialisation::Membarrier)); };
    operation.state = [this] { return made_.state(); };
    operation.works = [this] { made_.works(); };
    operation.finish = [this] { made_.end(); };
    operation.leaves = [](const Error& error) { return error.code() == ErrorCode::SerialisationFailed; };
    return operation;
  }
  Answering made_;
};

// With a thread in guest code, so that somebody has to be waited for.
TEST_F(WaitFaults, Retire) {
  std::optional<test::Actor> actor;
  std::optional<StaticKey> key;
  Code old;
  bool freed = false;
  Operation operation = on_engine();
  operation.prepare = [&] {
    made_.make(small(Serialisation::Membarrier));
    actor.emplace();
    actor->attach(*made_.engine, {});
    actor->enter();
    key.emplace("old");
    auto code = publish_answers(*made_.engine, *key);
    ASSERT_TRUE(code) << code.error().message();
    old = std::move(*code);
    freed = false;
  };
  operation.state = [&] { return made_.state() + ", handle " + std::to_string(old.size()); };
  operation.attempt = [&] { return made_.engine->retire(std::move(old), [&] { freed = true; }); };
  operation.works = [&] {
    EXPECT_EQ(old.size(), 0U);
    actor->leave();
    const Status status = made_.engine->await_retired();
    EXPECT_TRUE(status) << (status ? "" : status.error().message());
    EXPECT_TRUE(freed);
    made_.works();
  };
  operation.finish = [&] {
    actor->detach();
    actor.reset();
    key.reset();
    made_.end();
  };
  EXPECT_GT(sweep("retire", operation).refused, 0U);
}

TEST_F(WaitFaults, Settle) {
  std::optional<test::Actor> actor;
  Operation operation = on_engine();
  operation.prepare = [&] {
    made_.make(small(Serialisation::Membarrier));
    actor.emplace();
    actor->attach(*made_.engine, {});
    actor->enter();
  };
  // The thread stays in guest code, so a wait that is let begin ends by its limit.
  operation.attempt = [&] {
    auto report = made_.engine->settle(test::moment);
    return !report && report.error().code() == ErrorCode::TimedOut ? Status(Ok{}) : status_of(report);
  };
  operation.works = [&] {
    actor->leave();
    EXPECT_TRUE(made_.engine->settle());
    made_.works();
  };
  operation.finish = [&] {
    actor->detach();
    actor.reset();
    made_.end();
  };
  EXPECT_GT(sweep("settle", operation).refused, 0U);
}

class NameFaults : public WaitFaults {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "shunt-faults-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // Observation from its beginning, then a name.
  void sweep_observation(const char* name, const ObserveOptions& options, const EngineOptions& engine_options) {
    Operation operation = on_engine();
    operation.prepare = [&] { made_.make(engine_options); };
    operation.state = [this] { return made_.state() + ", names " + std::to_string(made_.engine->names_wanted()); };
    operation.attempt = [&] { return made_.engine->observe(options); };
    operation.works = [this] {
      EXPECT_TRUE(made_.engine->names_wanted());
      const CodeSymbol symbols[] = {{0, 32, "answer"}};
      EXPECT_TRUE(made_.engine->name(made_.code, symbols));
      made_.works();
    };
    EXPECT_GT(sweep(name, operation).refused, 0U);

    operation.prepare = [&] {
      made_.make(engine_options);
      ASSERT_TRUE(made_.engine->observe(options));
    };
    operation.attempt = [this] {
      const CodeSymbol symbols[] = {{0, 32, "answer"}};
      return made_.engine->name(made_.code, symbols);
    };
    EXPECT_GT(sweep((std::string(name) + ", a name").c_str(), operation).refused, 0U);
  }
  std::filesystem::path folder_;
};

TEST_F(NameFaults, PerfMap) {
  EngineOptions engine_options = small(Serialisation::Membarrier);
  engine_options.anonymous_code = true;
  ObserveOptions options;
  options.perf_map = true;
  options.perf_map_directory = folder_;
  sweep_observation("perf map", options, engine_options);
}

}  // namespace
}  // namespace shunt::faults
