// The kinds of switches in one small function: a counted key, a switch of three states, a static call, an assumption.
#include <asmjit/arm/a64assembler.h>
#include <asmjit/x86.h>

#include <array>
#include <cstdio>
#include <type_traits>

#include "shunt/assumption.h"
#include "shunt/codegen/asmjit.h"
#include "shunt/engine.h"
#include "shunt/static_call.h"

namespace x86 = asmjit::x86;
namespace a64 = asmjit::a64;
using Assembler = std::conditional_t<asmjit::Arch::kHost == asmjit::Arch::kAArch64, a64::Assembler, x86::Assembler>;

static int plus_one(int x) {
  return x + 1;
}
static int times_two(int x) {
  return 2 * x;
}

static shunt::StaticKey traced("traced");                         // on while somebody holds a reference
static shunt::StaticSwitch rounding("rounding", 3);               // state 0: as it is; 1: to even; 2: to tens
static shunt::StaticCall<int(int)> step("step", &plus_one);       // a direct call
static shunt::Assumption small("no argument is larger than 99");  // true until broken, for ever

// int f(int x): x = step(x); rounds it; adds 1000 if traced, 2000 once an argument may be large.
// For the instruction set that the machine has.
[[maybe_unused]] static void emit(x86::Assembler& a, shunt::SiteEmitter& sites) {
  const std::array arms = {a.newLabel(), a.newLabel(), a.newLabel()};
  const asmjit::Label trace = a.newLabel(), after_trace = a.newLabel(), large = a.newLabel(), end = a.newLabel();
  a.sub(x86::rsp, 8);
  sites.call(step);                // one CALL, wherever the function is
  sites.redirect(rounding, arms);  // one JMP, to one of three places
  a.bind(arms[2]);                 // to tens
  a.mov(x86::ecx, 10);
  a.cdq();
  a.idiv(x86::ecx);
  a.imul(x86::eax, x86::eax, 10);
  a.jmp(arms[0]);
  a.bind(arms[1]);  // to even
  a.and_(x86::eax, -2);
  a.bind(arms[0]);
  sites.branch(traced, trace, shunt::Flags::Dead);  // a no-op while nobody traces
  a.bind(after_trace);
  sites.branch(small, large, shunt::Flags::Dead);  // a no-op while the assumption holds
  a.bind(end);
  a.add(x86::rsp, 8);
  a.ret();
  a.bind(trace);
  a.add(x86::eax, 1000);
  a.jmp(after_trace);
  a.bind(large);
  a.add(x86::eax, 2000);
  a.jmp(end);
}
[[maybe_unused]] static void emit(a64::Assembler& a, shunt::SiteEmitter& sites) {
  const std::array arms = {a.newLabel(), a.newLabel(), a.newLabel()};
  const asmjit::Label trace = a.newLabel(), after_trace = a.newLabel(), large = a.newLabel(), end = a.newLabel();
  a.stp(a64::x29, a64::x30, a64::ptr_pre(a64::sp, -16));
  sites.call(step);                // one BL
  sites.redirect(rounding, arms);  // one B
  a.bind(arms[2]);
  a.mov(a64::w1, 10);
  a.sdiv(a64::w0, a64::w0, a64::w1);
  a.mul(a64::w0, a64::w0, a64::w1);
  a.b(arms[0]);
  a.bind(arms[1]);
  a.and_(a64::w0, a64::w0, ~1U);
  a.bind(arms[0]);
  sites.branch(traced, trace);
  a.bind(after_trace);
  sites.branch(small, large);
  a.bind(end);
  a.ldp(a64::x29, a64::x30, a64::ptr_post(a64::sp, 16));
  a.ret(a64::x30);
  a.bind(trace);
  a.add(a64::w0, a64::w0, 1000);
  a.b(after_trace);
  a.bind(large);
  a.add(a64::w0, a64::w0, 2000);
  a.b(end);
}

static auto compile(shunt::Engine& engine) {
  asmjit::CodeHolder holder;
  holder.init(asmjit::Environment::host());
  Assembler a(&holder);
  shunt::SiteEmitter sites(a);
  emit(a, sites);
  return shunt::publish<int(int)>(engine, holder, sites);
}

static bool right = true;
static void check(const char* what, int found, int expected) {
  std::printf("%-48s f(23) = %d\n", what, found);
  right = right && found == expected;
}

int main() {
  auto engine = shunt::Engine::process();
  if (!engine) return std::fprintf(stderr, "%s\n", engine.error().message().c_str()), 1;
  auto f = compile(**engine);
  if (!f) return std::fprintf(stderr, "%s\n", f.error().message().c_str()), 1;
  check("as it was compiled", (*f)(23), 24);

  // Two users hold the key; the first reference flips it, the second is a count, the last one flips it back.
  right = traced.acquire(**engine) && traced.acquire(**engine) && traced.release(**engine) && right;
  check("traced, by one of two that held it", (*f)(23), 1024);
  right = traced.release(**engine) && right;

  shunt::PatchBatch batch(**engine);
  batch.set(step, &times_two);  // another signature would not compile
  batch.set(rounding, 2);
  right = batch.commit() && right;
  check("another function, and rounded to tens, at once", (*f)(23), 40);
  std::printf("%-48s step(23) = %d\n", "C++ calls it through its trampoline", step(23));

  batch.invalidate(small);
  batch.set(rounding, 1);
  right = batch.commit() && right;
  check("the assumption is broken, rounded to even", (*f)(23), 2046);
  const auto late = compile(**engine);
  std::printf("compiled again: %s\n", late ? "published" : late.error().message().c_str());
  return right && !late ? 0 : 1;
}
