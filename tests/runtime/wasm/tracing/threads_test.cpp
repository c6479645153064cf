// Traces of several threads, switched while they run; and memory that is bounded.
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <set>
#include <thread>

#include "tests/runtime/wasm/tracing/traced_guest.h"

namespace shunt::test {
namespace {

class TracedThreads : public TracedGuest {
 protected:
  // Each of so many threads calls `work` with an instance of its own, until it returns false.
  void run(const Module& module, int threads, const std::function<bool(Instance&)>& work) {
    std::vector<std::thread> all;
    for (int i = 0; i < threads; ++i) {
      all.emplace_back([&module, &work] {
        Store own = must(Store::create());
        Linker linking(own);
        Instance instance = must(linking.instantiate(module));
        while (work(instance)) {
        }
      });
    }
    for (std::thread& thread : all) thread.join();
  }
  const std::vector<Value> argument{Value::i32(fib_argument)};
};

TEST_F(TracedThreads, HaveSpansOfTheirOwn) {
  const Module module = load_traceable(fibonacci);
  Tracer tracer;
  start(tracer, module, {"fib"});
  run(module, 3, [&](Instance& instance) {
    EXPECT_EQ(bits(instance.call("fib", argument)), fib_result);
    return false;
  });
  const Trace trace = read_trace(tracer);
  expect_nested(trace);
  EXPECT_EQ(trace.spans.size(), 3U * fib_calls);
  std::map<int, std::size_t> of_thread;
  for (const Span& span : trace.spans) ++of_thread[span.thread];
  EXPECT_EQ(of_thread.size(), 3U);
  for (const auto& [thread, count] : of_thread) EXPECT_EQ(count, fib_calls) << thread;
}

TEST_F(TracedThreads, AreSwitchedWhileTheyRun) {
  const Module module = load_traceable(fibonacci);
  Tracer tracer({.max_bytes = std::size_t{1} << 18});
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> calls{0};
  std::thread switcher([&] {
    for (int i = 0; i < 40; ++i) {
      const std::uint64_t before = calls;
      start(tracer, module, {"fib"});
      while (calls < before + 4) std::this_thread::yield();
      EXPECT_TRUE(tracer.stop());
      if (i % 10 == 0) expect_nested(read_trace(tracer));
    }
    done = true;
  });
  run(module, 3, [&](Instance& instance) {
    EXPECT_EQ(bits(instance.call("fib", argument)), fib_result);
    ++calls;
    return !done;
  });
  switcher.join();
  const std::uint64_t recorded = tracer.report().events + tracer.report().lost;
  EXPECT_GT(recorded, 100U);
  run(module, 1, [&](Instance& instance) { return bits(instance.call("fib", argument)) != fib_result; });
  EXPECT_EQ(tracer.report().events + tracer.report().lost, recorded) << "it is off";
  const Trace trace = read_trace(tracer);
  expect_nested(trace);
  EXPECT_GT(trace.spans.size(), 50U);
  // A frame of fib that was entered while tracing was off has no beginning; one that was left while it was off is
  // noticed.
  for (const Span& span : trace.spans) {
    EXPECT_TRUE(span.ended.empty() || span.ended == "not seen" || span.ended == "running") << span.ended;
  }
}

// --- memory ---

constexpr std::size_t chunk = 16 * 1024;

TEST_F(TracedThreads, KeepWhatIsNewestAndCountWhatIsLost) {
  const Module module = load_traceable(fibonacci);
  constexpr std::size_t limit = 3 * chunk;
  Tracer tracer({.max_bytes = limit});
  start(tracer, module, {"fib"});
  Instance instance = must(linker.instantiate(module));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(bits(instance.call("fib", argument)), fib_result);
  const TraceReport report = tracer.report();
  EXPECT_LE(report.bytes, limit);
  EXPECT_GT(report.events, 2U * fib_calls);
  EXPECT_LE(report.events * 24, limit);
  EXPECT_EQ(report.events + report.lost, 20U * 2U * fib_calls);
  const Trace trace = read_trace(tracer);
  expect_nested(trace);
  EXPECT_EQ(trace.json["otherData"]["events_lost"], report.lost);
  EXPECT_NE(trace.json.dump().find(std::to_string(report.lost) + " events lost"), std::string::npos);
  // The last call is there whole.
  for (const Span& span : trace.spans) EXPECT_EQ(span.ended, "");
  EXPECT_GE(trace.spans.size(), std::size_t{fib_calls});
  EXPECT_LE(trace.spans.size() * 2, report.events);
}

TEST_F(TracedThreads, WithoutRoomLoseAll) {
  const Module module = load_traceable(fibonacci);
  Tracer tracer({.max_bytes = 100});
  start(tracer, module, {"fib"});
  Instance instance = must(linker.instantiate(module));
  EXPECT_EQ(bits(instance.call("fib", argument)), fib_result);
  EXPECT_EQ(tracer.report().events, 0U);
  EXPECT_EQ(tracer.report().lost, 2U * fib_calls);
  const Trace trace = read_trace(tracer);
  EXPECT_EQ(trace.spans.size(), 0U);
  EXPECT_EQ(trace.json["otherData"]["events_lost"], 2U * fib_calls);
}

TEST_F(TracedThreads, StoresThatHaveEndedMakeRoom) {
  const Module module = load_traceable(fibonacci);
  constexpr std::size_t limit = 4 * chunk;
  Tracer tracer({.max_bytes = limit});
  start(tracer, module, {"fib"});
  constexpr std::uint64_t stores = 20;
  for (std::uint64_t i = 0; i < stores; ++i) {
    run(module, 1, [&](Instance& instance) { return bits(instance.call("fib", std::vector{Value::i32(1)})) != 1; });
  }
  const TraceReport report = tracer.report();
  EXPECT_LE(report.bytes, limit);
  EXPECT_EQ(report.events, 8U) << "of the last four";
  EXPECT_EQ(report.events + report.lost, 2 * stores);
}

// The store outlives the tracer, and the tracer the store.
TEST_F(TracedThreads, StoresAndTracersEndInAnyOrder) {
  const Module module = load_traceable(fibonacci);
  Instance instance = must(linker.instantiate(module));
  Tracer outer;
  for (int i = 0; i < 3; ++i) {
    {
      Tracer inner;
      start(inner, module, {"fib"});
      EXPECT_EQ(bits(instance.call("fib", argument)), fib_result);
      EXPECT_EQ(read_trace(inner).spans.size(), fib_calls);
    }
    start(outer, module, {"fib"});
    run(module, 1, [&](Instance& own) { return bits(own.call("fib", argument)) != fib_result; });
    ASSERT_TRUE(outer.stop());
    EXPECT_EQ(bits(instance.call("fib", argument)), fib_result);
  }
  EXPECT_EQ(read_trace(outer).spans.size(), 3U * fib_calls);
}

}  // namespace
}  // namespace shunt::test
