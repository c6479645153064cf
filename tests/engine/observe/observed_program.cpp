// A program for gdb and perf to look at: named code with a patch site, before and after a flip.
//
//   usage: observed_program gdb            calls show_state() from generated code, flips, calls it again
//          observed_program perf FOLDER    spends its time in generated code, in one path and then in the other
//          observed_program perf-map FOLDER
#include <asmjit/x86.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "shunt/codegen/asmjit.h"

namespace x86 = asmjit::x86;
using namespace std::string_view_literals;

// The script stops here.
extern "C" [[gnu::noinline]] void show_state(int round) {
  std::printf("round %d\n", round);
}

namespace {

template <class T>
T must(shunt::Result<T> result) {
  if (result) return std::move(*result);
  std::fprintf(stderr, "%s\n", result.error().message().c_str());
  std::exit(1);
}

void must(const shunt::Status& status) {
  if (status) return;
  std::fprintf(stderr, "%s\n", status.error().message().c_str());
  std::exit(1);
}

// int guest_outer(n) calls guest_inner(n), which passes the site, and calls show_state(n) or, if n is above a thousand,
// counts down from n: twice as slowly while the key is on.
void emit(x86::Assembler& a, shunt::SiteEmitter& sites, shunt::StaticKey& key, std::uint32_t& inner_at,
          std::uint32_t& inner_end) {
  const asmjit::Label inner = a.newLabel(), slow = a.newLabel(), call = a.newLabel(), fast_loop = a.newLabel(),
                      slow_loop = a.newLabel(), out = a.newLabel();
  const auto frame = [&] {
    a.push(x86::rbp);
    a.mov(x86::rbp, x86::rsp);
  };
  const auto leave = [&] {
    a.pop(x86::rbp);
    a.ret();
  };
  frame();
  a.call(inner);
  leave();
  a.align(asmjit::AlignMode::kCode, 16);
  inner_at = static_cast<std::uint32_t>(a.offset());
  a.bind(inner);
  frame();
  a.cmp(x86::edi, 1000);
  a.jbe(call);
  sites.branch(key, slow, shunt::Flags::Dead);
  a.bind(fast_loop);
  a.dec(x86::edi);
  a.jnz(fast_loop);
  a.jmp(out);
  a.bind(slow);
  a.bind(slow_loop);
  a.nop();
  a.dec(x86::edi);
  a.jnz(slow_loop);
  a.jmp(out);
  a.bind(call);
  a.mov(x86::rax, reinterpret_cast<std::uint64_t>(&show_state));
  a.call(x86::rax);
  a.bind(out);
  leave();
  inner_end = static_cast<std::uint32_t>(a.offset());
}

shunt::ObserveOptions observers(std::string_view mode, const char* folder) {
  shunt::ObserveOptions options;
  options.gdb = mode == "gdb"sv;
  options.jitdump = mode == "perf"sv;
  options.perf_map = mode == "perf-map"sv;
  if (options.jitdump) options.jitdump_directory = folder;
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view mode = argc > 1 ? argv[1] : "";
  if (argc < 2 || (mode != "gdb"sv && argc < 3)) return 2;
  const auto engine =
      must(shunt::Engine::create({.code_reservation = 1 << 20, .anonymous_code = mode == "perf-map"sv}));
  must(engine->observe(observers(mode, argc > 2 ? argv[2] : "")));

  asmjit::CodeHolder holder;
  holder.init(asmjit::Environment(asmjit::Arch::kX64));
  x86::Assembler assembler(&holder);
  shunt::SiteEmitter sites(assembler);
  shunt::StaticKey key("slow");
  std::uint32_t inner = 0, end = 0;
  emit(assembler, sites, key, inner, end);
  const auto run = must(shunt::publish<void(int)>(*engine, holder, sites));
  must(engine->name(run.code(), std::array{shunt::CodeSymbol{0, inner, "guest_outer"},
                                           shunt::CodeSymbol{inner, end - inner, "guest_inner"}}));

  constexpr int loops = 200'000'000;
  for (int round = 1; round <= 2; ++round) {
    run(mode == "gdb"sv ? round : loops);
    shunt::PatchBatch batch(*engine);
    batch.set(key, round == 1);
    must(batch.commit());
  }
}
