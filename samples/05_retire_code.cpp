// Replace a function while threads run it, and free the old code as soon as no thread can come back to it.
#include <asmjit/arm/a64assembler.h>
#include <asmjit/x86.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "shunt/codegen/asmjit.h"
#include "shunt/engine.h"
#include "shunt/thread.h"

namespace x86 = asmjit::x86;
namespace a64 = asmjit::a64;
using Assembler = std::conditional_t<asmjit::Arch::kHost == asmjit::Arch::kAArch64, a64::Assembler, x86::Assembler>;

static shunt::StaticSwitch current("current", 2);

// int f(int n): n times `version`, in a loop that passes a safepoint each time around: one instruction, a no-op.
// Frame pointers, so that the engine finds the frames. For the instruction set that the machine has.
[[maybe_unused]] static void emit(x86::Assembler& a, shunt::SiteEmitter& sites, shunt::Engine& engine, int version) {
  const asmjit::Label loop = a.newLabel(), done = a.newLabel();
  a.push(x86::rbp);
  a.mov(x86::rbp, x86::rsp);
  a.xor_(x86::eax, x86::eax);
  a.bind(loop);
  sites.safepoint(engine, shunt::Flags::Dead);
  a.sub(x86::edi, 1);
  a.js(done);
  a.add(x86::eax, version);
  a.jmp(loop);
  a.bind(done);
  a.pop(x86::rbp);
  a.ret();
}
[[maybe_unused]] static void emit(a64::Assembler& a, shunt::SiteEmitter& sites, shunt::Engine& engine, int version) {
  const asmjit::Label loop = a.newLabel(), done = a.newLabel();
  a.stp(a64::x29, a64::x30, a64::ptr_pre(a64::sp, -16));
  a.mov(a64::x29, a64::sp);
  a.mov(a64::w1, a64::w0);
  a.mov(a64::w0, 0);
  a.bind(loop);
  sites.safepoint(engine);
  a.cbz(a64::w1, done);
  a.sub(a64::w1, a64::w1, 1);
  a.add(a64::w0, a64::w0, version);
  a.b(loop);
  a.bind(done);
  a.ldp(a64::x29, a64::x30, a64::ptr_post(a64::sp, 16));
  a.ret(a64::x30);
}

static shunt::Result<shunt::Code> compile(shunt::Engine& engine, int version) {
  asmjit::CodeHolder holder;
  holder.init(asmjit::Environment::host());
  Assembler a(&holder);
  shunt::SiteEmitter sites(a);
  emit(a, sites, engine, version);
  return shunt::publish_code(engine, holder, sites);
}

// What callers call: one branch, to the current version. Never passed while the key is in state 0.
static shunt::Result<shunt::Code> compile_gate(shunt::Engine& engine) {
  asmjit::CodeHolder holder;
  holder.init(asmjit::Environment::host());
  Assembler a(&holder);
  shunt::SiteEmitter sites(a);
  const asmjit::Label nowhere = a.newLabel();
  sites.branch(current, {&nowhere, 1});
  a.bind(nowhere);
  a.nop();
  return shunt::publish_code(engine, holder, sites);
}

int main() {
  auto made = shunt::Engine::create();
  if (!made) return std::fprintf(stderr, "%s\n", made.error().message().c_str()), 1;
  shunt::Engine& engine = **made;
  constexpr int versions = 20, rounds = 1'000;

  auto gate = compile_gate(engine);
  auto code = compile(engine, 1);
  if (!gate || !code) return std::fprintf(stderr, "cannot compile\n"), 1;
  shunt::PatchBatch batch(engine);
  batch.retarget(current, gate->data(), 1, code->data());
  batch.set(current, 1);
  if (!batch.commit()) return 1;

  std::atomic<bool> stop = false, right = true;
  std::atomic<long> calls = 0;
  std::vector<std::thread> workers;
  for (int i = 0; i < 2; ++i) {
    workers.emplace_back([&] {
      auto thread = shunt::Thread::attach(engine);
      if (!thread) return;
      while (!stop) {
        const shunt::GuestScope guest(*thread);
        const int found = gate->entry<int(int)>()(rounds);
        right = right && found % rounds == 0 && found / rounds >= 1 && found / rounds <= versions;
        ++calls;
      }
    });
  }

  for (int version = 2; version <= versions; ++version) {
    auto next = compile(engine, version);
    if (!next) return std::fprintf(stderr, "%s\n", next.error().message().c_str()), 1;
    batch.retarget(current, gate->data(), 1, next->data());
    if (!batch.commit()) return 1;  // from here on nobody enters the old version ...
    const shunt::Status retired = engine.retire(std::exchange(*code, std::move(*next)), [version] {
      std::printf("version %d is free\n", version - 1);  // ... and here nobody is in it any more
    });
    if (!retired) return std::fprintf(stderr, "%s\n", retired.error().message().c_str()), 1;
    std::this_thread::yield();
  }
  if (!engine.await_retired()) return 1;
  stop = true;
  for (std::thread& worker : workers) worker.join();

  const shunt::QuiescenceCounts counts = engine.quiescence_counts();
  std::printf("%lu versions retired, %lu freed, by %lu looks at threads in %lu rounds, under %ld calls\n",
              counts.retired, counts.freed, counts.looks, counts.rounds, calls.load());
  return right && counts.freed == versions - 1 ? 0 : 1;
}
