// An engine is made while a system call fails. Each round in a process of its own: what there is once in a process is
// made anew (fork handlers, the handler of a signal).
#include "tests/faults/engine_code.h"

namespace shunt::faults {
namespace {

void sweep_creation(const char* name, const EngineOptions& options) {
  Answering made;
  Operation operation;
  operation.attempt = [&] {
    auto engine = Engine::create(options);
    if (!engine) return status_of(engine);
    made.engine = std::move(*engine);
    return Status(Ok{});
  };
  operation.works = [&] {
    made.key.emplace("answer");
    auto code = publish_answers(*made.engine, *made.key);
    ASSERT_TRUE(code) << code.error().message();
    made.code = std::move(*code);
    made.works();
  };
  operation.finish = [&] { made.end(); };
  operation.in_children = true;
  operation.may_keep_mappings = options.serialisation == Serialisation::Signals;  // the table of acknowledgements
  EXPECT_GT(sweep(name, operation).refused, 0U);
}

TEST(StartFaults, ByMembarrierInAMemoryFile) {
  sweep_creation("start, membarrier", small(Serialisation::Membarrier));
}

TEST(StartFaults, InAnonymousMemory) {
  EngineOptions options = small(Serialisation::Membarrier);
  options.anonymous_code = true;
  sweep_creation("start, anonymous", options);
}

TEST(StartFaults, ByWhateverWorks) {
  sweep_creation("start, any mechanism", small());
}

#if !defined(__SANITIZE_THREAD__)
TEST(StartFaults, BySignals) {
  sweep_creation("start, signals", small(Serialisation::Signals));
}
#endif

}  // namespace
}  // namespace shunt::faults
