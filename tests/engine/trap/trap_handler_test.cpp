// The SIGTRAP handler under real traps. A process installs it once, over whatever was there; so tests of what was there
// before run in processes of their own.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csetjmp>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "engine/patch/engine_parts.h"
#include "engine/serialise/membarrier.h"
#include "shunt/engine.h"
#include "tests/engine/test_code.h"

namespace shunt::test {
namespace {

// Fails when told to, so that a batch stays in flight with its breakpoints in place.
class FailingSerialiser final : public detail::CoreSerialiser {
 public:
  explicit FailingSerialiser(const std::atomic<bool>& fails) : fails_(fails) {}
  [[nodiscard]] std::string_view name() const noexcept override { return "failing"; }
  Status serialise() override {
    if (fails_) return make_error(ErrorCode::SerialisationFailed, "as the test wants");
    return real_->serialise();
  }

 private:
  const std::atomic<bool>& fails_;
  std::unique_ptr<detail::CoreSerialiser> real_ = *detail::make_membarrier_serialiser();
};

// mov eax, value; ret
void write_answer(std::uint8_t* at, std::uint8_t value) {
  const std::array<std::uint8_t, 6> code = {0xB8, value, 0, 0, 0, 0xC3};
  std::memcpy(at, code.data(), code.size());
}

constexpr std::uint32_t site_offset = 62;  // across two cache lines
constexpr std::uint32_t target = 128;
constexpr std::uint32_t foreign = 192;  // int3; mov eax, 3; ret

// A function that answers 10 while its key is off, 11 while it is on; and another with a breakpoint of nobody's.
class Flipped {
 public:
  Flipped() {
    detail::EngineParts parts;
    parts.patcher = detail::make_host_patcher();
    parts.serialiser = std::make_unique<FailingSerialiser>(fails_);
    engine_ = std::move(*Engine::create({}, std::move(parts)));
    const std::vector<TestSite> sites = {{&key_, SiteForm::Unaligned, site_offset, {target}}};
    const Engine::Allocation allocation = written_code(*engine_, 256, sites);
    write_answer(allocation.staging + site_offset + 5, 10);
    write_answer(allocation.staging + target, 11);
    allocation.staging[foreign] = 0xCC;
    write_answer(allocation.staging + foreign + 1, 3);
    code_ = std::move(*engine_->publish(allocation, new_sites(sites)));
  }
  ~Flipped() {
    if (fails_) finish();
  }
  // Leaves the flip in flight: a breakpoint stands at the site.
  void begin(bool on) {
    begin(key_, on);
    EXPECT_EQ(code_.data()[site_offset], 0xCC);
  }
  void begin(StaticKey& key, bool on) {
    fails_ = true;
    PatchBatch batch(*engine_);
    batch.set(key, on);
    EXPECT_FALSE(batch.commit());
  }
  void finish() {
    fails_ = false;
    EXPECT_TRUE(engine_->resynchronise());
  }
  int call() const { return code_.entry<int()>(site_offset)(); }
  int call_foreign() const { return code_.entry<int()>(foreign)(); }
  [[nodiscard]] std::uint64_t address(std::uint32_t offset) const {
    return reinterpret_cast<std::uintptr_t>(code_.data()) + offset;
  }
  Engine& engine() { return *engine_; }

 private:
  std::atomic<bool> fails_ = false;
  StaticKey key_{"key"};
  std::unique_ptr<Engine> engine_;
  Code code_;
};

TEST(TrapHandler, AThreadThatRunsIntoABreakpointGoesOnInTheNewPath) {
  Flipped flipped;
  EXPECT_EQ(flipped.call(), 10);
  flipped.begin(true);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(flipped.call(), 11);
  flipped.finish();
  EXPECT_EQ(flipped.call(), 11);
  flipped.begin(false);
  EXPECT_EQ(flipped.call(), 10);
  std::thread([&] { EXPECT_EQ(flipped.call(), 10); }).join();
  flipped.finish();
}

TEST(TrapHandler, KeepsErrno) {
  Flipped flipped;
  flipped.begin(true);
  errno = EXDEV;
  EXPECT_EQ(flipped.call(), 11);
  EXPECT_EQ(errno, EXDEV);
}

TEST(TrapHandler, RunsOnTheAlternativeStackIfThereIsOne) {
  Flipped flipped;
  flipped.begin(true);
  std::vector<std::uint8_t> memory(64 * 1024, 0x5A);
  stack_t stack{};
  stack_t before{};
  stack.ss_sp = memory.data();
  stack.ss_size = memory.size();
  ASSERT_EQ(sigaltstack(&stack, &before), 0);
  EXPECT_EQ(flipped.call(), 11);
  ASSERT_EQ(sigaltstack(&before, nullptr), 0);
  EXPECT_NE(memory, std::vector<std::uint8_t>(64 * 1024, 0x5A));
}

#ifndef __SANITIZE_THREAD__  // which runs handlers late, with all signals blocked: an INT3 there ends the program
// A site in a signal handler, and the handler's signal while another thread is in ours: nothing is special about them.
const Flipped* signalled = nullptr;
std::atomic<int> answers{0};
void call_in_handler(int) {
  if (signalled->call() == 11) answers.fetch_add(1);
}

TEST(TrapHandler, SitesInSignalHandlersAreHandledToo) {
  Flipped flipped;
  signalled = &flipped;
  struct sigaction action{};
  struct sigaction before{};
  action.sa_handler = &call_in_handler;
  ASSERT_EQ(sigaction(SIGUSR1, &action, &before), 0);
  flipped.begin(true);
  std::atomic<bool> stop = false;
  std::thread runner([&] {
    while (!stop) {
      for (int i = 0; i < 50; ++i) {
        if (flipped.call() != 11) ADD_FAILURE();
      }
      usleep(1);  // the thread sanitizer delivers signals in system calls alone
    }
  });
  const int wanted = 100;
  for (int i = 0; i < wanted; ++i) {
    const int seen = answers.load();
    pthread_kill(runner.native_handle(), SIGUSR1);
    while (answers.load() == seen) std::this_thread::yield();
  }
  stop = true;
  runner.join();
  sigaction(SIGUSR1, &before, nullptr);
  EXPECT_EQ(answers.load(), wanted);
}
#endif

TEST(TrapHandler, AnUnalignedCallReturnsBehindTheSite) {
  Flipped flipped;
  // int f(): push rbx; [call g]; mov eax, ebx; pop rbx; ret     g: mov ebx, 7; ret
  StaticKey key("call");
  const std::vector<TestSite> sites = {{&key, SiteForm::UnalignedCall, 5, {32}}};
  const Engine::Allocation allocation = written_code(flipped.engine(), 64, sites);
  const std::array<std::uint8_t, 5> before = {0x53, 0x31, 0xDB, 0x66, 0x90};  // push rbx; xor ebx, ebx; nop
  const std::array<std::uint8_t, 4> after = {0x89, 0xD8, 0x5B, 0xC3};
  const std::array<std::uint8_t, 6> callee = {0xBB, 7, 0, 0, 0, 0xC3};
  std::memcpy(allocation.staging, before.data(), before.size());
  std::memcpy(allocation.staging + 10, after.data(), after.size());
  std::memcpy(allocation.staging + 32, callee.data(), callee.size());
  auto code = flipped.engine().publish(allocation, new_sites(sites));
  ASSERT_TRUE(code) << code.error().message();
  auto* const f = code->entry<int()>();
  EXPECT_EQ(f(), 0);
  for (bool on : {true, false, true}) {
    flipped.begin(key, on);
    EXPECT_EQ(code->data()[5], 0xCC);
    for (int i = 0; i < 100; ++i) EXPECT_EQ(f(), on ? 7 : 0) << "while the breakpoint stands";
    flipped.finish();
    EXPECT_EQ(f(), on ? 7 : 0);
  }
}

// ------------------------------------------------------------------------- what was there before

class TrapHandlerDeathTest : public testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

using InfoHandler = void (*)(int, siginfo_t*, void*);

void install_before(InfoHandler handler, int flags, std::initializer_list<int> mask = {}) {
  struct sigaction action{};
  action.sa_sigaction = handler;
  action.sa_flags = flags | SA_SIGINFO;
  for (int signal : mask) sigaddset(&action.sa_mask, signal);
  sigaction(SIGTRAP, &action, nullptr);
}
void install_before(void (*handler)(int), int flags = 0) {
  struct sigaction action{};
  action.sa_handler = handler;
  action.sa_flags = flags;
  sigaction(SIGTRAP, &action, nullptr);
}

int calls = 0;
std::uint64_t seen_address = 0;
int seen_code = 0;
bool seen_mask[65] = {};

void note(int, siginfo_t* info, void* context) {
  ++calls;
  seen_code = info->si_code;
  seen_address = static_cast<std::uint64_t>(static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP]);
  sigset_t mask;
  pthread_sigmask(SIG_BLOCK, nullptr, &mask);
  for (int signal = 1; signal <= 64; ++signal) seen_mask[signal] = sigismember(&mask, signal) == 1;
}
void count(int signal) {
  if (signal == SIGTRAP) ++calls;
}

// Ends the child with 0 if every condition holds, else with the number of the first that does not.
[[noreturn]] void leave(std::initializer_list<bool> conditions) {
  int number = 0;
  for (bool condition : conditions) {
    ++number;
    if (!condition) _exit(number);
  }
  _exit(0);
}

void the_handler_gets_what_it_asked_for() {
  install_before(&note, 0, {SIGUSR2});
  Flipped flipped;
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &blocked, nullptr);
  const int answer = flipped.call_foreign();
  flipped.begin(true);
  const int own = flipped.call();
  leave({answer == 3, calls == 1, seen_code == SI_KERNEL, seen_address == flipped.address(foreign + 1),
         seen_mask[SIGTRAP], seen_mask[SIGUSR2], seen_mask[SIGHUP], !seen_mask[SIGUSR1], !seen_mask[SIGALRM],
         own == 11});
}
TEST_F(TrapHandlerDeathTest, AnEarlierHandlerGetsForeignTraps) {
  EXPECT_EXIT(the_handler_gets_what_it_asked_for(), testing::ExitedWithCode(0), "");
}

void nodefer_leaves_the_signal_open() {
  install_before(&note, SA_NODEFER);
  const Flipped flipped;
  flipped.call_foreign();
  leave({calls == 1, !seen_mask[SIGTRAP]});
}
TEST_F(TrapHandlerDeathTest, AnEarlierHandlerWithNodeferCanBeInterruptedByTheSignal) {
  EXPECT_EXIT(nodefer_leaves_the_signal_open(), testing::ExitedWithCode(0), "");
}

void a_plain_handler() {
  install_before(&count);
  Flipped flipped;
  flipped.begin(true);
  const bool right = flipped.call_foreign() == 3 && flipped.call() == 11 && calls == 1;
  raise(SIGTRAP);
  kill(getpid(), SIGTRAP);
  leave({right, calls == 3});
}
TEST_F(TrapHandlerDeathTest, AnEarlierHandlerWithoutInfoIsCalledForTrapsAndSignals) {
  EXPECT_EXIT(a_plain_handler(), testing::ExitedWithCode(0), "");
}

sigjmp_buf back;
void jump_out(int) {
  siglongjmp(back, 1);
}
void a_handler_that_jumps() {
  install_before(&jump_out, SA_NODEFER);
  Flipped flipped;
  for (int i = 0; i < 1000; ++i) {
    if (sigsetjmp(back, 0) == 0) {
      flipped.call_foreign();
      leave({false});
    }
    flipped.begin(i % 2 == 0);  // does not wait for the handler that was left
    if (flipped.call() != (i % 2 == 0 ? 11 : 10)) leave({true, false});
    flipped.finish();
  }
  leave({});
}
TEST_F(TrapHandlerDeathTest, AnEarlierHandlerMayLeaveByAJump) {
  EXPECT_EXIT(a_handler_that_jumps(), testing::ExitedWithCode(0), "");
}

void step_over_two_instructions() {
  asm volatile(
      "pushfq\n orq $0x100, (%%rsp)\n popfq\n"  // TF
      "nop\n nop\n"
      "pushfq\n andq $~0x100, (%%rsp)\n popfq\n" ::
          : "memory", "cc");
}
void single_steps() {
  install_before(&note, 0);
  Flipped flipped;
  flipped.begin(true);
  step_over_two_instructions();
  leave({calls >= 2, seen_code == TRAP_TRACE});
}
TEST_F(TrapHandlerDeathTest, SingleStepsArePassedOn) {
  EXPECT_EXIT(single_steps(), testing::ExitedWithCode(0), "");
}

void reset_after_one_call() {
  install_before(&note, static_cast<int>(SA_RESETHAND));
  const Flipped flipped;
  flipped.call_foreign();
  if (calls != 1) leave({false});
  flipped.call_foreign();
  leave({true, false});
}
TEST_F(TrapHandlerDeathTest, AnEarlierHandlerWithResethandIsCalledOnce) {
  EXPECT_EXIT(reset_after_one_call(), testing::KilledBySignal(SIGTRAP), "");
}

void foreign_trap_by_default() {
  install_before(SIG_DFL);
  Flipped flipped;
  flipped.begin(true);
  if (flipped.call() != 11) leave({false});
  flipped.call_foreign();
  leave({true, false});
}
TEST_F(TrapHandlerDeathTest, AForeignTrapEndsTheProcessByDefault) {
  EXPECT_EXIT(foreign_trap_by_default(), testing::KilledBySignal(SIGTRAP), "");
}

void raised_by_default() {
  install_before(SIG_DFL);
  const Flipped flipped;
  raise(SIGTRAP);
  leave({false});
}
TEST_F(TrapHandlerDeathTest, ARaisedSignalEndsTheProcessByDefault) {
  EXPECT_EXIT(raised_by_default(), testing::KilledBySignal(SIGTRAP), "");
}

void ignored_signal() {
  install_before(SIG_IGN);
  Flipped flipped;
  raise(SIGTRAP);
  kill(getpid(), SIGTRAP);
  flipped.begin(true);
  leave({flipped.call() == 11});
}
TEST_F(TrapHandlerDeathTest, ASignalThatIsIgnoredStaysIgnored) {
  EXPECT_EXIT(ignored_signal(), testing::ExitedWithCode(0), "");
}

void ignored_trap() {
  install_before(SIG_IGN);
  const Flipped flipped;
  flipped.call_foreign();
  leave({false});
}
TEST_F(TrapHandlerDeathTest, AForeignTrapCannotBeIgnored) {
  EXPECT_EXIT(ignored_trap(), testing::KilledBySignal(SIGTRAP), "");
}

struct sigaction chained{};
void later_handler(int signal, siginfo_t* info, void* context) {
  ++calls;
  chained.sa_sigaction(signal, info, context);
}
void a_later_handler_that_passes_on() {
  install_before(&note, 0);
  Flipped flipped;
  struct sigaction action{};
  action.sa_sigaction = &later_handler;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGTRAP, &action, &chained);
  flipped.begin(true);
  const bool own = flipped.call() == 11 && calls == 1;
  flipped.call_foreign();
  leave({own, calls == 3, seen_address == flipped.address(foreign + 1)});
}
TEST_F(TrapHandlerDeathTest, ALaterHandlerThatPassesOnIsFine) {
  EXPECT_EXIT(a_later_handler_that_passes_on(), testing::ExitedWithCode(0), "");
}

void a_blocked_trap() {
  Flipped flipped;
  flipped.begin(true);
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTRAP);
  pthread_sigmask(SIG_BLOCK, &blocked, nullptr);
  flipped.call();
  leave({false});
}
TEST_F(TrapHandlerDeathTest, AThreadThatBlocksTheSignalDies) {
  EXPECT_EXIT(a_blocked_trap(), testing::KilledBySignal(SIGTRAP), "");
}

void freed_code() {
  install_before(SIG_DFL);
  auto flipped = std::make_unique<Flipped>();
  auto* const function = reinterpret_cast<int (*)()>(flipped->address(site_offset));
  StaticKey key("key");
  Code code = published(flipped->engine(), 64, {{&key, SiteForm::Unaligned, 5, {32}}});
  auto* const ended = code.entry<int()>(5);
  code = Code();
  if (function() != 10) leave({false});
  ended();
  leave({true, false});
}
TEST_F(TrapHandlerDeathTest, CodeThatEndedTraps) {
  EXPECT_EXIT(freed_code(), testing::KilledBySignal(SIGTRAP), "");
}

}  // namespace
}  // namespace shunt::test
