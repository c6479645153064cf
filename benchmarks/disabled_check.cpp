// What a check that is off costs, in three loops, by what it is made of.
//
//   loop     an iteration                                   checks in it
//   hash     sixteen dependent xor and multiply steps       16, one a step
//   crc      one crc32 instruction, the tightest chain      16
//   frontend 24 independent instructions, as many as the    4
//            core can take in: an instruction more shows
//
//   check    instructions
//   word     an AlignedWord site that is off: one no-op
//   toggle   a Toggle site that is off: one `test eax, imm32`
//   load     a relaxed atomic load and a branch, as GCC 12 and clang 19 compile them: movzx, test, jne
//   pointer  a relaxed atomic load of a function pointer and a call: mov, call, ret
//   virtual  a call of an empty virtual function: mov, mov, call, ret
//
// All loops are assembled, so that no compiler moves anything, and the call checks are as cheap as they can be: nothing
// is spilled for them. Where code lies moves such loops by more than a check does, so each is made at 16 places, 4
// bytes further each, all interleaved, and what is shown is the median over the places.
//
// Counters: NAME_ns, nanoseconds an iteration (the fastest and the slowest place: NAME_least_ns, NAME_most_ns);
// NAME_bytes, code bytes a check in that loop; word_padding and toggle_padding, bytes beyond the instruction's five,
// averaged over all addresses. With --count no time is taken: each loop
// runs 10,000 iterations under callgrind, and a dump named LOOP/CHECK tells its instructions (book/chapters/engine.py).
#include <asmjit/x86.h>
#include <benchmark/benchmark.h>
#include <valgrind/callgrind.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "benchmarks/support/measure.h"
#include "shunt/codegen/asmjit.h"
#include "shunt/engine.h"

namespace shunt::bench {
namespace {

namespace x86 = asmjit::x86;

enum class Check { None, Word, Toggle, Load, Pointer, Virtual };
constexpr std::array checks = {Check::None, Check::Word, Check::Toggle, Check::Load, Check::Pointer, Check::Virtual};
constexpr std::array check_names = {"none", "word", "toggle", "load", "pointer", "virtual"};

enum class Loop { Hash, Crc, Frontend };
constexpr std::array loops = {Loop::Hash, Loop::Crc, Loop::Frontend};
constexpr std::array loop_names = {"hash", "crc", "frontend"};

constexpr unsigned places = 16;

unsigned checks_in(Loop loop) {
  return loop == Loop::Frontend ? 4 : 16;
}

// What the checks ask. The loops read `flag` as std::atomic<bool>::load(relaxed) does.
struct Asked {
  StaticKey key{"rare"};
  std::atomic<bool> flag = false;
  void (*hook)() = [] {};
  struct Object {
    virtual void call() {}
    virtual ~Object() = default;
  } object;
};

Asked& asked() {
  static Asked all;
  return all;
}

using Function = std::uint64_t(std::uint64_t iterations, std::uint64_t state);

// Assembles one loop with one kind of check. Registers: rcx iterations left, rax state, rsi addend, rdx and rdi
// scratch, rbx the object, r8 to r13 and xmm0 to xmm5 targets of independent instructions.
class LoopMaker {
 public:
  LoopMaker(Loop loop, Check check, unsigned place) : check_(check) {
    must_do(holder_.init(asmjit::Environment::host()));
    must_do(holder_.attach(&assembler_));
    sites_.emplace(assembler_);
    slow_ = assembler_.newLabel();
    data_ = assembler_.newLabel();
    prologue(place);
    const asmjit::Label head = assembler_.newLabel();
    assembler_.bind(head);
    body(loop);
    assembler_.dec(x86::rcx);
    assembler_.jnz(head);
    epilogue();
    size_ = assembler_.offset();
    embed_data();
  }

  // Bytes of code, without what the checks refer to.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  PublishedFunction<Function> publish(Engine& engine) {
    return must(shunt::publish<Function>(engine, holder_, *sites_));
  }

 private:
  static void must_do(asmjit::Error error) {
    if (error != asmjit::kErrorOk) fail(asmjit::DebugUtils::errorAsString(error));
  }

  void prologue(unsigned place) {
    for (const x86::Gp& saved : {x86::rbx, x86::r12, x86::r13}) assembler_.push(saved);
    assembler_.mov(x86::rcx, x86::rdi);
    assembler_.mov(x86::rax, x86::rsi);
    assembler_.mov(x86::rbx, reinterpret_cast<std::uint64_t>(&asked().object));
    constexpr std::array<std::uint8_t, 4> no_operation = {0x0F, 0x1F, 0x40, 0x00};
    for (unsigned i = 0; i < place; ++i) assembler_.embed(no_operation.data(), no_operation.size());
  }

  void epilogue() {
    for (const x86::Gp& saved : {x86::r13, x86::r12, x86::rbx}) assembler_.pop(saved);
    assembler_.ret();
    assembler_.bind(slow_);
    assembler_.ud2();
  }

  // On a cache line of its own, as data is.
  void embed_data() {
    assembler_.align(asmjit::AlignMode::kData, 64);
    assembler_.bind(data_);
    const auto hook = reinterpret_cast<std::uint64_t>(asked().hook);
    assembler_.embed(&hook, sizeof hook);
    const std::uint64_t flag = 0;
    assembler_.embed(&flag, sizeof flag);
  }

  void check() {
    switch (check_) {
      case Check::None:
        break;
      case Check::Word:
        sites_->branch(asked().key, slow_, Flags::Live);
        break;
      case Check::Toggle:
        sites_->branch(asked().key, slow_, Flags::Dead);
        break;
      case Check::Load:
        assembler_.movzx(x86::edx, x86::byte_ptr(data_, 8));
        assembler_.test(x86::dl, x86::dl);
        assembler_.jne(slow_);
        break;
      case Check::Pointer:
        assembler_.mov(x86::rdx, x86::qword_ptr(data_));
        assembler_.call(x86::rdx);
        break;
      case Check::Virtual:
        assembler_.mov(x86::rdx, x86::qword_ptr(x86::rbx));
        assembler_.mov(x86::rdi, x86::rbx);
        assembler_.call(x86::qword_ptr(x86::rdx));
        break;
    }
  }

  void body(Loop loop) {
    switch (loop) {
      case Loop::Hash:
        for (unsigned i = 0; i < 16; ++i) {
          assembler_.xor_(x86::rax, x86::rsi);
          assembler_.imul(x86::rax, x86::rax, 0x01000193);
          check();
        }
        break;
      case Loop::Crc:
        assembler_.crc32(x86::rax, x86::rsi);
        for (unsigned i = 0; i < 16; ++i) check();
        break;
      case Loop::Frontend:
        for (unsigned i = 0; i < 24; ++i) {
          independent_instruction(i);
          if (i % 6 == 5) check();
        }
        break;
    }
  }

  // Half of them on the integer side, a quarter vector additions, a quarter loads: no side is short of units.
  void independent_instruction(unsigned number) {
    const unsigned target = number / 4 % 6;
    if (number % 2 == 0) {
      assembler_.add(x86::gpq(8 + target), x86::rsi);
    } else if (number % 4 == 1) {
      assembler_.paddd(x86::xmm(target), x86::xmm7);
    } else {
      assembler_.mov(x86::rdx, x86::qword_ptr(x86::rsp));
    }
  }

  const Check check_;
  asmjit::CodeHolder holder_;
  x86::Assembler assembler_;
  std::optional<SiteEmitter> sites_;  // of the attached assembler
  asmjit::Label slow_, data_;
  std::size_t size_ = 0;
};

struct Variant {
  std::size_t size;
  PublishedFunction<Function> run;
};

Variant make(Engine& engine, Loop loop, Check check, unsigned place) {
  LoopMaker maker(loop, check, place);
  const std::size_t size = maker.size();
  return {size, maker.publish(engine)};
}

double median_of(const std::vector<double>& values) {
  Samples samples;
  for (const double value : values) samples.add(value);
  return samples.median();
}

// Of an idle site, over all places in a cache line.
double average_padding(SiteForm form) {
  double bytes = 0;
  for (std::uint32_t offset = 0; offset < 64; ++offset)
    bytes += idle_site(InstructionSet::X86_64, form, offset).length - 5;
  return bytes / 64;
}

void measure(benchmark::State& state, Loop loop) {
  Engine& engine = *must(Engine::process());
  const std::uint64_t turns = loop == Loop::Hash ? 1'000 : 4'000;
  std::vector<std::vector<Variant>> variants(checks.size());  // by check, then place
  for (std::size_t c = 0; c < checks.size(); ++c) {
    for (unsigned place = 0; place < places; ++place) variants[c].push_back(make(engine, loop, checks[c], place));
  }
  std::vector<std::array<Samples, places>> samples(checks.size());
  for (auto _ : state) {
    double all = 0;
    for (unsigned place = 0; place < places; ++place) {
      for (std::size_t c = 0; c < checks.size(); ++c) {
        const double took = time_ns([&] { benchmark::DoNotOptimize(variants[c][place].run(turns, 1)); });
        samples[c][place].add(took / static_cast<double>(turns));
        all += took;
      }
    }
    state.SetIterationTime(all * 1e-9);
  }
  for (std::size_t c = 0; c < checks.size(); ++c) {
    std::vector<double> by_place, bytes;
    for (unsigned place = 0; place < places; ++place) {
      by_place.push_back(samples[c][place].median());
      bytes.push_back((static_cast<double>(variants[c][place].size) - static_cast<double>(variants[0][place].size)) /
                      checks_in(loop));
    }
    const std::string name = check_names[c];
    state.counters[name + "_ns"] = median_of(by_place);
    state.counters[name + "_least_ns"] = *std::min_element(by_place.begin(), by_place.end());
    state.counters[name + "_most_ns"] = *std::max_element(by_place.begin(), by_place.end());
    double sum = 0;
    for (const double one : bytes) sum += one;
    state.counters[name + "_bytes"] = sum / places;
  }
  state.counters["word_padding"] = average_padding(SiteForm::AlignedWord);
  state.counters["toggle_padding"] = average_padding(SiteForm::Toggle);
}

// Under callgrind: one dump for each loop and check.
void count_instructions() {
  Engine& engine = *must(Engine::process());
  for (std::size_t l = 0; l < loops.size(); ++l) {
    for (std::size_t c = 0; c < checks.size(); ++c) {
      const Variant variant = make(engine, loops[l], checks[c], 0);
      const std::string name = std::string(loop_names[l]) + "/" + check_names[c];
      CALLGRIND_ZERO_STATS;
      benchmark::DoNotOptimize(variant.run(10'000, 1));
      CALLGRIND_DUMP_STATS_AT(name.c_str());
    }
  }
}

void register_all() {
  for (std::size_t l = 0; l < loops.size(); ++l)
    benchmark::RegisterBenchmark((std::string("disabled_check/") + loop_names[l]).c_str(), measure, loops[l])
        ->UseManualTime();
}

}  // namespace
}  // namespace shunt::bench

int main(int argc, char** argv) {
  if (shunt::bench::must(shunt::Engine::process())->instruction_set() != shunt::InstructionSet::X86_64) {
    std::fprintf(stderr, "disabled_check: its loops are x86-64 code; nothing is measured here\n");
    return 0;
  }
  if (argc == 2 && std::strcmp(argv[1], "--count") == 0) {
    shunt::bench::count_instructions();
    return 0;
  }
  return shunt::bench::run_main(argc, argv, shunt::bench::register_all);
}
