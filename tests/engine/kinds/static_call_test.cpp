// Static calls: from emitted code and from C++, to functions anywhere in the process.
#include "shunt/static_call.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "shunt/engine.h"
#include "tests/engine/host_code.h"
#include "tests/engine/recording.h"
#include "tests/engine/test_code.h"

namespace shunt::test {
namespace {

int plus_one(int x) {
  return x + 1;
}
int times_two(int x) noexcept {
  return 2 * x;
}
int noted = 0;
void note(int x) {
  noted = x;
}

// What must not compile.
template <class Call, class Function>
concept Settable = requires(PatchBatch& batch, Call& call, Function function) { batch.set(call, function); };
template <class Call>
concept Clearable = requires(PatchBatch& batch, Call& call) { batch.clear(call); };
using IntCall = StaticCall<int(int)>;
using VoidCall = StaticCall<void(int)>;
static_assert(Settable<IntCall, int (*)(int)> && Settable<IntCall, int (*)(int) noexcept>);
static_assert(!Settable<IntCall, int (*)(long)>, "another argument");
static_assert(!Settable<IntCall, long (*)(int)>, "another result");
static_assert(!Settable<IntCall, int (*)()>, "fewer arguments");
static_assert(!Settable<IntCall, const void*> && !Settable<IntCall, int>);
static_assert(Clearable<VoidCall> && !Clearable<IntCall>, "only a call without result may be empty");
static_assert(std::is_constructible_v<VoidCall, const char*>);
static_assert(!std::is_constructible_v<IntCall, const char*>, "a call with a result has a function");
static_assert(!std::is_constructible_v<IntCall, const char*, std::nullptr_t>);
static_assert(!std::is_constructible_v<IntCall, const char*, int (*)(long)>);

constinit IntCall in_static_storage{"in static storage", &plus_one};

// Calls a function instead of serialising, or serialises for real.
class WatchedSerialiser final : public detail::CoreSerialiser {
 public:
  explicit WatchedSerialiser(std::function<Status()>& watch) : watch_(watch) {}
  [[nodiscard]] std::string_view name() const noexcept override { return "watched"; }
  Status serialise() override { return watch_ ? watch_() : Status(Ok{}); }

 private:
  std::function<Status()>& watch_;
};

// Code on the host. Calls are executed.
class StaticCalls : public testing::Test {
 protected:
  void SetUp() override {
    detail::EngineParts parts;
    parts.patcher = detail::make_host_patcher();
    parts.serialiser = std::make_unique<WatchedSerialiser>(watch_);
    auto made = Engine::create({}, std::move(parts));
    ASSERT_TRUE(made) << made.error().message();
    engine_ = std::move(*made);
  }
  Engine& engine() { return *engine_; }

  // A function that calls `call` with its argument, the site standing `shift` instructions of the shortest kind later,
  // and returns the result.
  Code caller(detail::CallBase& call, std::uint32_t shift = 0) {
    const std::uint32_t at = sizeof enter_frame + shift * instruction_alignment;
    const std::vector<TestSite> sites = {{&call, SiteForm::Call, at, {}}};
    const Engine::Allocation allocation = written_code(engine(), 64, sites);
    std::memcpy(allocation.staging, enter_frame, sizeof enter_frame);
    write_no_ops(allocation.staging + sizeof enter_frame, shift * instruction_alignment);
    const SiteBytes idle = idle_site(host_set, SiteForm::Call, at);
    std::memcpy(allocation.staging + at + idle.length, leave_frame, sizeof leave_frame);
    auto code = engine().publish(allocation, new_sites(sites));
    EXPECT_TRUE(code) << (code ? "" : code.error().message());
    return code ? std::move(*code) : Code();
  }
  Code adder(std::uint8_t value) {
    const Engine::Allocation allocation = *engine().allocate(adder_size);
    write_adder(allocation.staging, value);
    return std::move(*engine().publish(allocation, {}));
  }
  template <class Call, class Function>
  CommitReport set(Call& call, Function function) {
    PatchBatch batch(engine());
    batch.set(call, function);
    return committed(batch);
  }

  std::function<Status()> watch_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(StaticCalls, EmittedCodeCallsItsFunctionWherever) {
  IntCall call("call", &plus_one);
  std::vector<Code> codes;
  for (std::uint32_t shift = 0; shift < 8; ++shift) codes.push_back(caller(call, shift));
  const Code near = adder(100);
  const auto all_give = [&](int value) {
    for (const Code& code : codes) EXPECT_EQ(code.entry<int(int)>()(21), value);
    EXPECT_EQ(call(21), value);
  };
  all_give(22);
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(set(call, &times_two).sites_written, 9U) << "eight in code, and the trampoline";
    all_give(42);
    set(call, near.entry<int(int)>());
    all_give(121);
    set(call, &plus_one);
    all_give(22);
  }
  PatchBatch batch(engine());
  batch.set(call, [](int x) { return -x; });
  committed(batch);
  all_give(-21);
}

TEST_F(StaticCalls, NewCodeCallsTheCurrentFunction) {
  IntCall call("call", &plus_one);
  set(call, &times_two);
  const Code code = caller(call);
  EXPECT_EQ(code.entry<int(int)>()(21), 42);
}

TEST_F(StaticCalls, AVoidCallMayBeEmpty) {
  VoidCall call("void");
  const Code code = caller(call, 3);
  noted = 0;
  call(1);
  code.entry<void(int)>()(2);
  EXPECT_EQ(noted, 0);
  EXPECT_EQ(engine().instruction_now(engine().sites(code)[0]), "nop");
  for (int round = 0; round < 2; ++round) {
    set(call, &note);
    call(3);
    EXPECT_EQ(noted, 3);
    code.entry<void(int)>()(4);
    EXPECT_EQ(noted, 4);
    PatchBatch batch(engine());
    batch.clear(call);
    EXPECT_EQ(committed(batch).sites_written, 2U);
    call(5);
    code.entry<void(int)>()(6);
    EXPECT_EQ(noted, 4);
    EXPECT_EQ(engine().instruction_now(engine().sites(code)[0]), "nop");
    EXPECT_EQ(caller(call).entry<void(int)>() == nullptr, false) << "new code of an empty call";
  }
}

TEST_F(StaticCalls, OneWithAResultIsNeverEmpty) {
  IntCall call("with a result", &plus_one);
  PatchBatch batch(engine());
  int (*const null)(int) = nullptr;
  batch.set(call, null);
  const auto report = batch.commit();
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code(), ErrorCode::InvalidArgument);
  EXPECT_NE(report.error().message().find("\"with a result\""), std::string::npos);
  EXPECT_EQ(call(1), 2);
}

TEST_F(StaticCalls, TheLastSettingOfABatchCounts) {
  IntCall call("call", &plus_one);
  const Code code = caller(call);
  PatchBatch batch(engine());
  batch.set(call, &times_two);
  batch.set(call, [](int x) { return -x; });
  batch.set(call, &times_two);
  EXPECT_EQ(committed(batch).serialisations, 1U);
  EXPECT_EQ(code.entry<int(int)>()(21), 42);
  EXPECT_EQ(call(21), 42);
}

TEST_F(StaticCalls, AFunctionThatIsSetAlreadyIsNothingToDo) {
  IntCall call("call", &plus_one);
  const Code code = caller(call);
  EXPECT_EQ(set(call, &plus_one).mechanism, "none") << "the initial one";
  EXPECT_EQ(set(call, &times_two).mechanism, "watched");
  EXPECT_EQ(set(call, &times_two).mechanism, "none");
  EXPECT_EQ(set(call, &plus_one).mechanism, "watched");
}

TEST_F(StaticCalls, NobodyEntersATrampolineThatIsNotSerialised) {
  IntCall call("call", &plus_one);
  int during = 0;
  watch_ = [&] {
    during = call(21);
    return Status(Ok{});
  };
  set(call, &times_two);
  EXPECT_EQ(during, 22) << "still the initial function, by its pointer";
  EXPECT_EQ(call(21), 42);
}

TEST_F(StaticCalls, AFailedSerialisationIsCompletedLater) {
  IntCall call("call", &plus_one);
  const Code code = caller(call);
  watch_ = [] { return Status(make_error(ErrorCode::SerialisationFailed, "as the test wants")); };
  PatchBatch batch(engine());
  batch.set(call, &times_two);
  ASSERT_FALSE(batch.commit());
  EXPECT_EQ(call(21), 22) << "not entered yet";
  watch_ = nullptr;
  batch.set(call, &times_two);
  const CommitReport again = committed(batch);
  EXPECT_EQ(again.sites_written, 0U);
  EXPECT_EQ(again.serialisations, 1U);
  EXPECT_EQ(call(21), 42);
  EXPECT_EQ(code.entry<int(int)>()(21), 42);
}

TEST_F(StaticCalls, ARefusedBatchLeavesThemAsTheyWere) {
  IntCall call("call", &plus_one);
  const Code code = caller(call);
  set(call, &plus_one);  // makes the trampoline
  const auto next = *engine().allocate(16);
  engine().release(next);
  StaticSwitch choice("choice", 3);
  for (int round = 0; round < 2; ++round) {
    PatchBatch batch(engine());
    batch.set(call, &times_two);
    batch.set(choice, 3);  // there is no such state
    ASSERT_FALSE(batch.commit());
    EXPECT_EQ(code.entry<int(int)>()(21), 22);
    EXPECT_EQ(call(21), 22);
    const auto again = *engine().allocate(16);
    EXPECT_EQ(again.rx, next.rx) << "a veneer that nobody reached is left behind";
    engine().release(again);
  }
}

TEST_F(StaticCalls, CallsOfOneFunctionShareItsVeneer) {
  IntCall first("first", &plus_one), second("second", &times_two);
  const Code a = caller(first), b = caller(second);
  set(second, &plus_one);
  const auto target = [&](const Code& code) { return engine().sites(code)[0].targets[0]; };
  EXPECT_EQ(target(a), target(b));
  EXPECT_NE(reinterpret_cast<const void*>(target(a)), reinterpret_cast<const void*>(&plus_one));
}

TEST_F(StaticCalls, AVeneerOutlivesItsLastUser) {
  IntCall call("call", &plus_one);
  const Code code = caller(call);
  set(call, &times_two);
  const std::uint8_t* const veneer = engine().sites(code)[0].targets[0];
  set(call, &plus_one);
  // A thread may have entered it before, and stand on its first instruction.
  ASSERT_FALSE(traps(veneer)) << "the veneer was freed while a thread may stand in it";
  EXPECT_EQ(reinterpret_cast<int (*)(int)>(reinterpret_cast<std::uintptr_t>(veneer))(21), 42);
  set(call, &times_two);
  EXPECT_EQ(engine().sites(code)[0].targets[0], veneer) << "used again";
}

TEST_F(StaticCalls, CodeOutlivesTheCall) {
  std::optional<Code> code;
  {
    IntCall call("passing", &plus_one);
    code = caller(call);
    set(call, &times_two);
  }
  EXPECT_EQ(code->entry<int(int)>()(21), 42) << "as it was last set";
  EXPECT_TRUE(engine().sites(*code).empty());
}

TEST_F(StaticCalls, TheCallOutlivesTheEngine) {
  VoidCall empty("empty", &note);
  IntCall inside("inside", &plus_one);
  {
    const Code near = adder(5);
    set(in_static_storage, &times_two);
    set(inside, near.entry<int(int)>());
    PatchBatch batch(engine());
    batch.clear(empty);
    committed(batch);
    EXPECT_EQ(inside(1), 6);
    EXPECT_EQ(in_static_storage(21), 42);
  }
  engine_.reset();
  EXPECT_EQ(in_static_storage(21), 42);
  EXPECT_EQ(inside(1), 2) << "its function ended with the engine: the initial one";
  noted = 0;
  empty(7);
  EXPECT_EQ(noted, 0);
  SetUp();
  EXPECT_EQ(caller(in_static_storage).entry<int(int)>()(21), 42);
  set(in_static_storage, &plus_one);
  EXPECT_EQ(in_static_storage(21), 22);
}

TEST_F(StaticCalls, PublishRefusesOtherFormsAndTargets) {
  IntCall call("call", &plus_one);
  const auto refusal = [&](const std::vector<TestSite>& sites) {
    const auto code = try_publish(engine(), 64, sites);
    EXPECT_FALSE(code);
    return code ? std::string() : code.error().message();
  };
  EXPECT_NE(refusal({{&call, SiteForm::AlignedWord, 0, {}}}).find("of form Call"), std::string::npos);
  EXPECT_NE(refusal({{&call, SiteForm::Call, 0, {32}}}).find("no targets"), std::string::npos);
}

TEST_F(StaticCalls, AreRetargetedWhileThreadsCall) {
  auto host = Engine::create();
  ASSERT_TRUE(host);
  engine_ = std::move(*host);
  IntCall call("call", &plus_one);
  const Code code = caller(call);
  std::atomic<bool> stop = false;
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      while (!stop.load(std::memory_order_relaxed)) {
        const int emitted = code.entry<int(int)>()(21);
        const int compiled = call(21);
        if ((emitted != 22 && emitted != 42) || (compiled != 22 && compiled != 42)) ++wrong;
      }
    });
  }
  for (int i = 0; i < 2000; ++i) {
    set(call, i % 2 == 0 ? &times_two : &plus_one);
    if (call(21) != (i % 2 == 0 ? 42 : 22) || code.entry<int(int)>()(21) != (i % 2 == 0 ? 42 : 22)) ++wrong;
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong.load(), 0);
}

TEST(Arm64StaticCalls, AreBranchesWithLinkOrNoOps) {
  RecordingEngine made = RecordingEngine::arm64(0xB444C004);
  Engine& engine = *made.engine;
  VoidCall call("call");
  const Code code = published(engine, 64, {{&call, SiteForm::Call, 8, {}}});
  PatchBatch batch(engine);
  batch.set(call, code.entry<void(int)>(32));
  committed(batch);
  ASSERT_EQ(made.recording->stores.size(), 2U);
  EXPECT_EQ(made.recording->stores[0].old_value, arch::arm64::nop_word);
  EXPECT_EQ(made.recording->stores[0].new_value, *arch::arm64::encode_bl(8, 32));
  const std::uint64_t trampoline = made.recording->stores[1].offset;
  EXPECT_EQ(trampoline % 16, 0U);
  EXPECT_EQ(made.recording->stores[1].new_value, *arch::arm64::encode_b(trampoline, 32));

  made.recording->clear();
  // Far away, so through a veneer, which is maintained before a branch leads to it.
  const std::uintptr_t far_away = reinterpret_cast<std::uintptr_t>(code.data()) + (std::uintptr_t{1} << 32);
  batch.set(call, reinterpret_cast<void (*)(int)>(far_away));
  committed(batch);
  EXPECT_EQ(made.recording->steps,
            (Steps{"dsb", "isb",  //
                   "check rx+0x8", "check rx+0x40", "store4 rw+0x8", "store4 rw+0x40", "dsb", "isb", "serialise"}));
  const std::uint8_t* const veneer = engine.sites(code)[0].targets[0];
  const std::uint8_t load_and_branch[] = {0x50, 0x00, 0x00, 0x58, 0x00, 0x02, 0x1F, 0xD6};
  EXPECT_EQ(std::memcmp(veneer, load_and_branch, sizeof load_and_branch), 0);
  std::uint64_t function = 0;
  std::memcpy(&function, veneer + 8, sizeof function);
  EXPECT_EQ(function, far_away);
  for (const Store& store : made.recording->stores) {
    EXPECT_TRUE(arch::arm64::legal_words(static_cast<std::uint32_t>(store.old_value),
                                         static_cast<std::uint32_t>(store.new_value)));
  }
}

}  // namespace
}  // namespace shunt::test
