// A patch site in code of one's own: emit it, publish it, flip it, while another thread runs the code.
#include <asmjit/arm/a64assembler.h>
#include <asmjit/x86.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <thread>
#include <type_traits>

#include "shunt/codegen/asmjit.h"
#include "shunt/engine.h"

namespace x86 = asmjit::x86;
namespace a64 = asmjit::a64;
using Assembler = std::conditional_t<asmjit::Arch::kHost == asmjit::Arch::kAArch64, a64::Assembler, x86::Assembler>;

static shunt::StaticKey doubled("doubled");  // off

// int f(int x) { return doubled ? 2 * x : x; }, the question being one instruction that is a no-op while the answer is
// no. For the instruction set that the machine has.
[[maybe_unused]] static void emit(x86::Assembler& a, shunt::SiteEmitter& sites) {
  const asmjit::Label slow = a.newLabel();
  a.mov(x86::eax, x86::edi);
  sites.branch(doubled, slow, shunt::Flags::Dead);
  a.ret();
  a.bind(slow);
  a.add(x86::eax, x86::eax);
  a.ret();
}
[[maybe_unused]] static void emit(a64::Assembler& a, shunt::SiteEmitter& sites) {
  const asmjit::Label slow = a.newLabel();
  sites.branch(doubled, slow, shunt::Flags::Dead);
  a.ret(a64::x30);
  a.bind(slow);
  a.add(a64::w0, a64::w0, a64::w0);
  a.ret(a64::x30);
}

int main() {
  auto engine = shunt::Engine::process();
  if (!engine) return std::fprintf(stderr, "%s\n", engine.error().message().c_str()), 1;

  asmjit::CodeHolder holder;
  holder.init(asmjit::Environment::host());
  Assembler a(&holder);
  shunt::SiteEmitter sites(a);
  emit(a, sites);
  auto f = shunt::publish<int(int)>(**engine, holder, sites);
  if (!f) return std::fprintf(stderr, "%s\n", f.error().message().c_str()), 1;

  std::atomic<bool> stop = false;
  std::atomic<long> plain = 0, twice = 0;
  std::thread runner([&] {
    while (!stop.load(std::memory_order_relaxed))
      ((*f)(21) == 42 ? twice : plain).fetch_add(1, std::memory_order_relaxed);
  });

  bool right = true;
  for (int flip = 0; flip < 5; ++flip) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    std::printf("f(21) = %d, the site is `%s`\n", (*f)(21),
                (*engine)->instruction_now((*engine)->sites(f->code())[0]).c_str());
    right = right && (*f)(21) == (doubled.enabled() ? 42 : 21);
    shunt::PatchBatch batch(**engine);
    batch.set(doubled, !doubled.enabled());
    auto report = batch.commit();  // when it returns, no thread starts the old path any more
    if (!report) return std::fprintf(stderr, "%s\n", report.error().message().c_str()), 1;
    std::printf("flipped %zu site in %lu ns\n", report->sites_written, report->write_ns + report->serialise_ns);
  }
  stop = true;
  runner.join();
  std::printf("meanwhile another thread called it %ld times\n", plain.load() + twice.load());
  return right ? 0 : 1;
}
