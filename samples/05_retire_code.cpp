// Replace a function while threads run it, and free the old code as soon as no thread can come back to it.
#include <asmjit/x86.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <thread>
#include <utility>
#include <vector>

#include "shunt/codegen/asmjit.h"
#include "shunt/engine.h"
#include "shunt/thread.h"

namespace x86 = asmjit::x86;

static shunt::StaticSwitch current("current", 2);

// int f(int n): n times `version`, in a loop that passes a safepoint each time around: one instruction, a no-op.
static shunt::Result<shunt::Code> compile(shunt::Engine& engine, int version) {
  asmjit::CodeHolder holder;
  holder.init(asmjit::Environment::host());
  x86::Assembler a(&holder);
  shunt::SiteEmitter sites(a);
  const asmjit::Label loop = a.newLabel(), done = a.newLabel();
  a.push(x86::rbp);  // frame pointers, so that the engine finds the frames
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
  return shunt::publish_code(engine, holder, sites);
}

// What callers call: one branch, to the current version.
static shunt::Result<shunt::Code> compile_gate(shunt::Engine& engine) {
  asmjit::CodeHolder holder;
  holder.init(asmjit::Environment::host());
  x86::Assembler a(&holder);
  shunt::SiteEmitter sites(a);
  const asmjit::Label nowhere = a.newLabel();
  sites.branch(current, {&nowhere, 1});
  a.bind(nowhere);
  a.int3();
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
