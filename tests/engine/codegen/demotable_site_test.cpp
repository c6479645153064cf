// Demotable sites through asmjit: what they run in each state, and that no execution after a commit runs the old path,
// whatever kind of flip it was.
#include <asmjit/arm/a64assembler.h>
#include <asmjit/x86.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "engine/patch/engine_parts.h"
#include "engine/serialise/membarrier.h"
#include "shunt/codegen/asmjit.h"
#include "tests/engine/recording.h"

namespace shunt::test {
namespace {

namespace x86 = asmjit::x86;
namespace a64 = asmjit::a64;

constexpr std::uint64_t second = 1'000'000'000;
std::uint64_t now_ns = 0;  // written and read under the commit lock, or by one thread

class DemotableSite : public testing::Test {
 protected:
  void SetUp() override {
    auto serialiser = detail::make_membarrier_serialiser();
    ASSERT_TRUE(serialiser) << serialiser.error().message();
    detail::EngineParts parts{detail::make_host_patcher(), std::move(*serialiser)};
    parts.clock = []() noexcept { return now_ns; };
    auto engine = Engine::create({.code_reservation = 1 << 20, .flip_limit = limit}, std::move(parts));
    ASSERT_TRUE(engine);
    engine_ = std::move(*engine);
    holder_.init(asmjit::Environment(asmjit::Arch::kX64));
    holder_.attach(&a_);
  }
  void set(DemotableKey& key, bool on) {
    PatchBatch batch(*engine_);
    batch.set(key, on);
    const auto report = batch.commit();
    EXPECT_TRUE(report);
  }
  static constexpr std::uint32_t limit = 4;
  std::unique_ptr<Engine> engine_;
  asmjit::CodeHolder holder_;
  x86::Assembler a_;
};

// rdi, rcx, the flags and the red zone live across the site: returns 100 + on + 10 * (the flag was kept) if all are.
TEST_F(DemotableSite, KeepsFlagsRegistersAndTheRedZone) {
  now_ns = second;
  DemotableKey key("key");
  SiteEmitter sites(a_);
  const asmjit::Label on = a_.newLabel(), wrong = a_.newLabel(), check = a_.newLabel();
  a_.mov(x86::qword_ptr(x86::rsp, -8), x86::rdi);
  a_.mov(x86::qword_ptr(x86::rsp, -128), x86::rdi);
  a_.mov(x86::rcx, 77);
  a_.xor_(x86::eax, x86::eax);
  a_.cmp(x86::edi, 5);
  sites.branch(key, on);
  a_.setz(x86::al);
  a_.jmp(check);
  a_.bind(on);
  a_.setz(x86::al);
  a_.lea(x86::eax, x86::ptr(x86::rax, 100));
  a_.bind(check);
  a_.cmp(x86::rcx, 77);
  a_.jne(wrong);
  a_.cmp(x86::qword_ptr(x86::rsp, -8), x86::rdi);
  a_.jne(wrong);
  a_.cmp(x86::qword_ptr(x86::rsp, -128), x86::rdi);
  a_.jne(wrong);
  a_.ret();
  a_.bind(wrong);
  a_.mov(x86::eax, -1);
  a_.ret();
  const auto f = publish<int(int)>(*engine_, holder_, sites);
  ASSERT_TRUE(f) << f.error().message();
  bool demoted = false;
  for (unsigned flip = 0; flip < 3 * limit; ++flip) {
    const bool wanted = flip % 2 == 0;
    set(key, wanted);
    demoted = demoted || key.demoted();
    EXPECT_EQ((*f)(5), wanted ? 101 : 1) << flip;
    EXPECT_EQ((*f)(4), wanted ? 100 : 0) << flip;
  }
  EXPECT_TRUE(demoted);
  now_ns += 2 * second;
  ASSERT_TRUE(engine_->promote_calm_keys());
  EXPECT_FALSE(key.demoted());
  EXPECT_EQ((*f)(5), 1);
}

// Readers sample the number of the last completed flip before they execute the site, and that of the last begun one
// after: if no flip was under way, they must have run the state of that flip. The key goes through all kinds of flip:
// by code, demoting, by data, promoting.
TEST_F(DemotableSite, NoExecutionAfterACommitRunsTheOldPath) {
  now_ns = second;
  DemotableKey key("key");
  SiteEmitter sites(a_);
  const asmjit::Label on = a_.newLabel();
  sites.branch(key, on);
  a_.xor_(x86::eax, x86::eax);
  a_.ret();
  a_.bind(on);
  a_.mov(x86::eax, 1);
  a_.ret();
  const auto f = publish<int()>(*engine_, holder_, sites);
  ASSERT_TRUE(f) << f.error().message();

  constexpr unsigned flips = 20'000;
  std::atomic<unsigned> begun{0}, completed{0};
  std::atomic<bool> stop{false};
  std::atomic<unsigned> stale{0}, judged{0};
  std::vector<std::jthread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      while (!stop.load(std::memory_order_relaxed)) {
        const unsigned before = completed.load(std::memory_order_acquire);
        const int ran = (*f)();
        const unsigned after = begun.load(std::memory_order_acquire);
        if (before != after) continue;
        judged.fetch_add(1, std::memory_order_relaxed);
        if (ran != static_cast<int>(before % 2)) stale.fetch_add(1, std::memory_order_relaxed);
      }
    });
  }
  for (unsigned flip = 1; flip <= flips; ++flip) {
    if (flip % 16 == 0) now_ns += 3 * second;  // calm: promoted by this flip, demoted again by the sixth
    begun.store(flip, std::memory_order_release);
    set(key, flip % 2 != 0);
    completed.store(flip, std::memory_order_release);
  }
  while (judged.load() == 0) std::this_thread::yield();
  stop.store(true);
  readers.clear();
  EXPECT_EQ(stale.load(), 0U) << "of " << judged.load();
  const EngineStats stats = engine_->stats();
  EXPECT_GT(stats.demotions, flips / 20);
  EXPECT_GT(stats.promotions, flips / 20);
  EXPECT_GT(stats.data_flips, flips / 4);
}

TEST(DemotableStub, Arm64IsEmittedToo) {
  RecordingEngine made = RecordingEngine::arm64(0x8444C004);
  asmjit::CodeHolder holder;
  holder.init(asmjit::Environment(asmjit::Arch::kAArch64));
  a64::Assembler a(&holder);
  DemotableKey key("key");
  SiteEmitter sites(a);
  const asmjit::Label on = a.newLabel();
  sites.branch(key, on);
  a.ret(a64::x30);
  a.bind(on);
  a.nop();
  a.ret(a64::x30);
  const auto code = publish_code(*made.engine, holder, sites);
  ASSERT_TRUE(code) << code.error().message();
  const std::vector<SiteInfo> infos = made.engine->sites(*code);
  ASSERT_EQ(infos.size(), 1U);
  const auto word = [](const std::uint8_t* at) {
    std::uint32_t value = 0;
    std::memcpy(&value, at, sizeof value);
    return value;
  };
  const std::uint8_t* const stub = infos[0].targets[1];
  EXPECT_EQ(infos[0].targets[2], stub);
  EXPECT_EQ(word(stub), 0xF81F0FF0U);                    // str x16, [sp, #-16]!
  EXPECT_EQ(word(stub + 20), 0x88DFFE10U);               // ldar w16, [x16]
  EXPECT_EQ(word(stub + 24) & 0xFF00001F, 0x34000010U);  // cbz w16
  EXPECT_EQ(word(stub + 28), 0xF84107F0U);               // ldr x16, [sp], #16
}

}  // namespace
}  // namespace shunt::test
