// Safepoints in code that asmjit made: one instruction, every register kept, frames found by their frame pointers.
#include <asmjit/arm/a64assembler.h>
#include <asmjit/x86.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "shunt/codegen/asmjit.h"
#include "tests/engine/recording.h"

namespace shunt::test {
namespace {

namespace x86 = asmjit::x86;
namespace a64 = asmjit::a64;

using namespace std::chrono_literals;

// One function being written.
struct Writing {
  Writing() {
    holder.init(asmjit::Environment(asmjit::Arch::kX64));
    holder.attach(&a);
    sites.emplace(a);
  }
  void prologue() {
    a.push(x86::rbp);
    a.mov(x86::rbp, x86::rsp);
  }
  void epilogue() {
    a.mov(x86::rsp, x86::rbp);
    a.pop(x86::rbp);
    a.ret();
  }
  asmjit::CodeHolder holder;
  x86::Assembler a;
  std::optional<SiteEmitter> sites;
};

class Safepoint : public testing::Test {
 protected:
  void SetUp() override {
    auto engine = Engine::create();
    ASSERT_TRUE(engine) << engine.error().message();
    engine_ = std::move(*engine);
  }
  Code publish(Writing& writing) {
    auto code = publish_code(*engine_, writing.holder, *writing.sites);
    EXPECT_TRUE(code) << (code ? "" : code.error().message());
    return code ? std::move(*code) : Code();
  }
  void switch_safepoints(bool on) {
    PatchBatch batch(*engine_);
    batch.set(engine_->safepoint_key(), on);
    ASSERT_TRUE(batch.commit());
  }

  std::unique_ptr<Engine> engine_;
};

TEST_F(Safepoint, IsOneInstructionThatFallsThrough) {
  for (const Flags flags : {Flags::Live, Flags::Dead}) {
    Writing writing;
    writing.sites->safepoint(*engine_, flags);
    const std::size_t length = writing.a.offset();
    EXPECT_GE(length, 5U);
    EXPECT_LE(length, 9U);
    writing.a.mov(x86::eax, 7);
    writing.a.ret();
    const Code code = publish(writing);
    const auto sites = engine_->sites(code);
    ASSERT_EQ(sites.size(), 1U);
    EXPECT_EQ(sites[0].length, length);
    EXPECT_EQ(sites[0].key, &engine_->safepoint_key());
    EXPECT_EQ(engine_->instruction_now(sites[0]).substr(0, 3), flags == Flags::Live ? "nop" : "tes");
    EXPECT_EQ(code.entry<int()>()(), 7);
    switch_safepoints(true);
    EXPECT_EQ(code.entry<int()>()(), 7) << "of a thread that is not attached";
    switch_safepoints(false);
  }
}

// What a thread has at a safepoint, and has to have behind it.
struct Machine {
  std::array<std::uint64_t, 14> general;  // all but rsp and rbp
  std::uint64_t flags;
  std::uint64_t control;                                // MXCSR
  std::array<std::array<std::uint64_t, 4>, 16> vector;  // ymm, or xmm in the lower halves
  std::array<std::uint64_t, 16> red_zone;
};

const std::array general_registers = {x86::rax, x86::rcx, x86::rdx, x86::rbx, x86::rsi, x86::r8,  x86::r9,
                                      x86::r10, x86::r11, x86::r12, x86::r13, x86::r14, x86::r15, x86::rdi};

bool has_avx() {
  return asmjit::CpuInfo::host().features().x86().hasAVX();
}

void move_vectors(x86::Assembler& a, x86::Gp base, bool load) {
  for (std::uint32_t i = 0; i < 16; ++i) {
    const x86::Mem memory = x86::ptr(base, static_cast<std::int32_t>(offsetof(Machine, vector) + 32 * i));
    if (has_avx()) {
      load ? a.vmovdqu(x86::ymm(i), memory) : a.vmovdqu(memory, x86::ymm(i));
    } else {
      load ? a.movups(x86::xmm(i), memory) : a.movups(memory, x86::xmm(i));
    }
  }
}

// void f(const Machine* before, Machine* after): passes a safepoint with `misaligned` bytes on the stack.
void write_register_test(Writing& writing, Engine& engine, Flags flags, int misaligned) {
  x86::Assembler& a = writing.a;
  writing.prologue();
  for (const x86::Gp& kept : {x86::rbx, x86::r12, x86::r13, x86::r14, x86::r15}) a.push(kept);
  a.push(x86::rsi);  // [rbp - 48]
  a.sub(x86::rsp, 256 + misaligned);
  a.stmxcsr(x86::ptr(x86::rbp, -64));
  a.ldmxcsr(x86::ptr(x86::rdi, offsetof(Machine, control)));
  move_vectors(a, x86::rdi, true);
  a.push(x86::ptr(x86::rdi, offsetof(Machine, flags), 8));
  a.popfq();
  for (int i = 0; i < 16; ++i) {
    a.mov(x86::rax, x86::ptr(x86::rdi, static_cast<std::int32_t>(offsetof(Machine, red_zone)) + 8 * i));
    a.mov(x86::ptr(x86::rsp, -128 + 8 * i), x86::rax);
  }
  for (std::size_t i = 0; i < general_registers.size(); ++i)
    a.mov(general_registers[i], x86::ptr(x86::rdi, static_cast<std::int32_t>(8 * i)));
  writing.sites->safepoint(engine, flags);
  a.lea(x86::rsp, x86::ptr(x86::rsp, -128));
  a.pushfq();
  a.push(x86::rax);
  a.mov(x86::rax, x86::ptr(x86::rbp, -48));
  for (std::size_t i = 1; i < general_registers.size(); ++i)
    a.mov(x86::ptr(x86::rax, static_cast<std::int32_t>(8 * i)), general_registers[i]);
  a.pop(x86::ptr(x86::rax, 0, 8));
  a.pop(x86::ptr(x86::rax, offsetof(Machine, flags), 8));
  for (int i = 0; i < 16; ++i) {
    a.mov(x86::rcx, x86::ptr(x86::rsp, 8 * i));
    a.mov(x86::ptr(x86::rax, static_cast<std::int32_t>(offsetof(Machine, red_zone)) + 8 * i), x86::rcx);
  }
  move_vectors(a, x86::rax, false);
  a.stmxcsr(x86::ptr(x86::rax, offsetof(Machine, control)));
  a.ldmxcsr(x86::ptr(x86::rbp, -64));
  a.cld();
  if (has_avx()) a.vzeroupper();
  a.lea(x86::rsp, x86::ptr(x86::rbp, -40));
  for (const x86::Gp& kept : {x86::r15, x86::r14, x86::r13, x86::r12, x86::rbx}) a.pop(kept);
  a.pop(x86::rbp);
  a.ret();
}

// void clobber(): what a function may do to the registers that it need not keep.
void write_clobber(x86::Assembler& a) {
  for (const x86::Gp& reg : {x86::rax, x86::rcx, x86::rdx, x86::rsi, x86::rdi, x86::r8, x86::r9, x86::r10, x86::r11})
    a.mov(reg, -1);
  for (std::uint32_t i = 0; i < 16; ++i) a.pcmpeqd(x86::xmm(i), x86::xmm(i));
  if (has_avx()) a.vzeroupper();
  a.add(x86::rax, 1);
  a.ret();
}

TEST_F(Safepoint, KeepsEveryRegisterTheFlagsAndTheRedZone) {
  Writing clobber_code;
  write_clobber(clobber_code.a);
  const Code clobber = publish(clobber_code);
  std::atomic<int> walks = 0;
  auto thread = Thread::attach(*engine_, {"walked", [&](const GuestFrame&, const void*, AddressVisitor&) {
                                            clobber.entry<void()>()();
                                            ++walks;
                                          }});
  ASSERT_TRUE(thread);
  std::mt19937_64 random(20261123);
  for (const int misaligned : {0, 8, 16, 4, 1}) {
    for (const Flags live : {Flags::Live, Flags::Dead}) {
      Writing writing;
      write_register_test(writing, *engine_, live, misaligned);
      const Code code = publish(writing);
      std::atomic<bool> stop = false;
      std::thread waiter([&] {
        while (!stop) EXPECT_TRUE(engine_->settle());
      });
      const int enough = walks + 20;
      std::optional<GuestScope> guest(std::in_place, *thread);  // until the end: seen at safepoints alone
      while (walks < enough) {
        Machine before, after;
        for (std::uint64_t& word : before.general) word = random();
        for (auto& words : before.vector) {
          for (std::uint64_t& word : words) word = random();
        }
        for (std::uint64_t& word : before.red_zone) word = random();
        constexpr std::uint64_t status_flags = 0x8D5, direction = 0x400, always = 0x202;
        before.flags = (random() & (status_flags | direction)) | always;
        before.control = 0x1F80 | (random() & 3) << 13;  // rounding
        std::memset(&after, 0, sizeof after);
        code.entry<void(const Machine*, Machine*)>()(&before, &after);
        EXPECT_EQ(after.general, before.general);
        if (live == Flags::Live) {
          EXPECT_EQ(after.flags, before.flags);
        }
        EXPECT_EQ(after.control & 0x6000, before.control & 0x6000);
        for (std::size_t i = 0; i < 16; ++i) {
          EXPECT_EQ(after.vector[i][0], before.vector[i][0]) << i;
          EXPECT_EQ(after.vector[i][1], before.vector[i][1]) << i;
          if (has_avx()) {
            EXPECT_EQ(after.vector[i][3], before.vector[i][3]) << i;
          }
        }
        EXPECT_EQ(after.red_zone, before.red_zone);
        if (HasFailure()) break;
      }
      stop = true;
      guest.reset();
      waiter.join();
      if (HasFailure()) return;
    }
  }
}

// int f(int depth): calls itself `depth` times, then `other` if it is given, else passes safepoints until *go is set.
// Every function has a frame pointer. Returns how many calls deep it was.
void write_recursion(Writing& writing, Engine& engine, const std::atomic<bool>* go, int (*other)(int)) {
  x86::Assembler& a = writing.a;
  const asmjit::Label entry = a.newLabel(), bottom = a.newLabel(), loop = a.newLabel(), up = a.newLabel();
  a.bind(entry);
  writing.prologue();
  a.test(x86::edi, x86::edi);
  a.jz(bottom);
  a.sub(x86::edi, 1);
  a.call(entry);
  a.jmp(up);
  a.bind(bottom);
  if (other != nullptr) {
    a.mov(x86::edi, 10);
    a.mov(x86::rax, reinterpret_cast<std::uint64_t>(other));
    a.call(x86::rax);
  } else {
    a.mov(x86::rcx, reinterpret_cast<std::uint64_t>(go));
    a.xor_(x86::eax, x86::eax);
    a.bind(loop);
    writing.sites->safepoint(engine, Flags::Dead);
    a.cmp(x86::byte_ptr(x86::rcx), 0);
    a.jz(loop);
  }
  a.bind(up);
  a.add(x86::eax, 1);
  writing.epilogue();
}

TEST_F(Safepoint, FramesAreFoundByTheirFramePointers) {
  std::atomic<bool> go = false;
  Writing inner_code, outer_code;
  write_recursion(inner_code, *engine_, &go, nullptr);
  const Code inner = publish(inner_code);
  write_recursion(outer_code, *engine_, nullptr, inner.entry<int(int)>());
  const Code outer = publish(outer_code);
  Writing bystander_code;
  bystander_code.a.ret();
  const Code bystander = publish(bystander_code);
  std::atomic<int> result = 0;
  std::promise<void> attached;
  std::thread runner([&] {
    auto thread = Thread::attach(*engine_, {"runner", {}});
    ASSERT_TRUE(thread);
    const GuestScope guest(*thread);
    attached.set_value();
    result = outer.entry<int(int)>()(5);
  });
  attached.get_future().wait();
  const auto drained = [&](const Code& code, std::chrono::milliseconds limit) {
    const std::array extents = {CodeExtent{code.data(), code.size()}};
    const auto report = engine_->drain(extents, limit);
    if (!report) {
      EXPECT_EQ(report.error().code(), ErrorCode::TimedOut) << report.error().message();
    }
    return report.has_value();
  };
  EXPECT_TRUE(engine_->settle(10min)) << "the loop passes its safepoint";
  EXPECT_TRUE(drained(bystander, 10min));
  EXPECT_FALSE(drained(inner, 20ms)) << "it runs there";
  EXPECT_FALSE(drained(outer, 20ms)) << "it returns there";
  go = true;
  runner.join();
  EXPECT_EQ(result, 6 + 11);
  EXPECT_TRUE(drained(outer, 10min));
}

// Called by guest code.
struct HostCall {
  Thread* thread;
  std::promise<void> arrived;
  std::promise<void> go_on;
};
HostCall* host_call = nullptr;
int block_in_host(int) {
  const HostScope host(*host_call->thread);
  host_call->arrived.set_value();
  host_call->go_on.get_future().wait();
  return 0;
}

TEST_F(Safepoint, AHostFunctionPublishesItsCallersFrames) {
  Writing writing;
  write_recursion(writing, *engine_, nullptr, &block_in_host);
  Code code = publish(writing);
  HostCall call;
  host_call = &call;
  std::thread runner([&] {
    auto thread = Thread::attach(*engine_, {"blocked", {}});
    ASSERT_TRUE(thread);
    call.thread = &*thread;
    const GuestScope guest(*thread);
    EXPECT_EQ(code.entry<int(int)>()(3), 4);
  });
  call.arrived.get_future().wait();
  const std::array extents = {CodeExtent{code.data(), code.size()}};
  const auto refused = engine_->drain(extents, 20ms);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::TimedOut);
  EXPECT_NE(refused.error().message().find("\"blocked\""), std::string::npos) << refused.error().message();
  EXPECT_TRUE(engine_->settle());
  call.go_on.set_value();
  EXPECT_TRUE(engine_->drain(extents));
  runner.join();
}

TEST_F(Safepoint, GuestCodeOutsideOfAGuestScopeIsNeverDrained) {
  Writing writing;
  writing.prologue();
  writing.sites->safepoint(*engine_);
  writing.epilogue();
  const Code code = publish(writing);
  auto thread = Thread::attach(*engine_, {"careless", {}});
  ASSERT_TRUE(thread);
  switch_safepoints(true);
  code.entry<void()>()();
  switch_safepoints(false);
  auto waiting = std::async(std::launch::async, [&] {
    const std::array extents = {CodeExtent{code.data(), code.size()}};
    return engine_->drain(extents, 20ms);
  });
  const auto refused = waiting.get();
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message().find("without a GuestScope"), std::string::npos) << refused.error().message();
}

TEST(Arm64Safepoint, IsOneInstructionAndAStub) {
  RecordingEngine made = RecordingEngine::arm64(0x8444C004);
  asmjit::CodeHolder holder;
  holder.init(asmjit::Environment(asmjit::Arch::kAArch64));
  a64::Assembler a(&holder);
  SiteEmitter sites(a);
  sites.safepoint(*made.engine);
  EXPECT_EQ(a.offset(), 4U);
  a.ret(a64::x30);
  auto code = publish_code(*made.engine, holder, sites);
  ASSERT_TRUE(code) << code.error().message();
  PatchBatch batch(*made.engine);
  batch.enable(made.engine->safepoint_key());
  ASSERT_TRUE(batch.commit());
  const auto infos = made.engine->sites(*code);
  ASSERT_EQ(infos.size(), 1U);
  EXPECT_EQ(made.engine->instruction_now(infos[0]), "b +0x8");
}

}  // namespace
}  // namespace shunt::test
