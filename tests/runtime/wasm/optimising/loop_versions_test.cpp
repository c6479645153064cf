// Loops with a fast and an exact version: compiled and run, with a host function that answers and counts the reads of
// flags, so that it can be told which version ran.
#include "runtime/wasm/optimising/loop_versions.h"

#include <gtest/gtest.h>
#include <llvm/Analysis/LoopInfo.h>
#include <llvm/Analysis/TargetTransformInfo.h>
#include <llvm/AsmParser/Parser.h>
#include <llvm/ExecutionEngine/Orc/LLJIT.h>
#include <llvm/IR/Dominators.h>
#include <llvm/IR/InstIterator.h>
#include <llvm/IR/Verifier.h>
#include <llvm/Passes/PassBuilder.h>
#include <llvm/Support/SourceMgr.h>
#include <llvm/Transforms/Scalar/LoopPassManager.h>
#include <llvm/Transforms/Utils/LCSSA.h>
#include <llvm/Transforms/Utils/LoopSimplify.h>

#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "runtime/wasm/instance/vm_context.h"
#include "runtime/wasm/optimising/pipeline.h"
#include "runtime/wasm/optimising/target.h"

namespace shunt::wasm {
namespace {

std::function<std::uint32_t(std::uint64_t)> answer;  // to a read of the flag of this import
std::uint64_t reads = 0;

void pass_mark() {}

std::uint32_t read_flag(std::uint64_t import) {
  ++reads;
  return answer ? answer(import) : 0;
}

// Iterations of a strip of the loop below.
constexpr std::uint32_t strip = 32768;

// sum of the bytes at `at`, counted `times` (not 0); while flag 3 is on, each byte counts 1,000 more.
constexpr const char* sum_with_flag = R"(
declare i32 @shunt.flag.i32(i64) nounwind willreturn memory(inaccessiblemem: readwrite)
define i64 @f(ptr %ctx, i32 %at, i32 %times) {
entry:
  %base = load ptr, ptr %ctx
  br label %loop
loop:
  %i = phi i32 [ %at, %entry ], [ %i.next, %go ]
  %n = phi i32 [ %times, %entry ], [ %n.next, %go ]
  %s = phi i64 [ 0, %entry ], [ %s.next, %go ]
  %offset = zext i32 %i to i64
  %p = getelementptr i8, ptr %base, i64 %offset
  %byte = load volatile i8, ptr %p
  %wide = zext i8 %byte to i64
  %flag = call i32 @shunt.flag.i32(i64 3)
  %on = icmp ne i32 %flag, 0
  br i1 %on, label %arm, label %go
arm:
  %more = add i64 %wide, 1000
  br label %go
go:
  %v = phi i64 [ %wide, %loop ], [ %more, %arm ]
  %s.next = add i64 %s, %v
  %i.next = add i32 %i, 1
  %n.next = add i32 %n, -1
  %again = icmp ne i32 %n.next, 0
  br i1 %again, label %loop, label %out
out:
  ret i64 %s.next
}
)";

// b[k] += a[k] for `times` words (not 0), from the last to the first if `step` is -8.
std::string add_words() {
  return R"(
define i64 @f(ptr %ctx, i32 %a, i32 %b, i32 %times) {
entry:
  %base = load ptr, ptr %ctx
  br label %loop
loop:
  %i = phi i32 [ %a, %entry ], [ %i.next, %loop ]
  %j = phi i32 [ %b, %entry ], [ %j.next, %loop ]
  %n = phi i32 [ %times, %entry ], [ %n.next, %loop ]
  %io = zext i32 %i to i64
  %jo = zext i32 %j to i64
  %ip = getelementptr i8, ptr %base, i64 %io
  %jp = getelementptr i8, ptr %base, i64 %jo
  %x = load volatile i64, ptr %ip, align 1
  %y = load volatile i64, ptr %jp, align 1
  %z = add i64 %x, %y
  store volatile i64 %z, ptr %jp, align 1
  %i.next = add i32 %i, STEP
  %j.next = add i32 %j, STEP
  %n.next = add i32 %n, -1
  %again = icmp ne i32 %n.next, 0
  br i1 %again, label %loop, label %out
out:
  ret i64 0
}
)";
}

// Words at `at` are added to themselves, two of them an iteration, `times` times (not 0); flag 3 is read.
constexpr const char* double_two = R"(
declare i32 @shunt.flag.i32(i64) nounwind willreturn memory(inaccessiblemem: readwrite)
define i64 @f(ptr %ctx, i32 %at, i32 %times) {
entry:
  %base = load ptr, ptr %ctx
  br label %loop
loop:
  %i = phi i32 [ %at, %entry ], [ %i.next, %loop ]
  %n = phi i32 [ %times, %entry ], [ %n.next, %loop ]
  %io = zext i32 %i to i64
  %p = getelementptr i8, ptr %base, i64 %io
  %x = load volatile i64, ptr %p, align 1
  %x2 = add i64 %x, %x
  store volatile i64 %x2, ptr %p, align 1
  %j = add i32 %i, 8
  %jo = zext i32 %j to i64
  %q = getelementptr i8, ptr %base, i64 %jo
  %y = load volatile i64, ptr %q, align 1
  %y2 = add i64 %y, %y
  store volatile i64 %y2, ptr %q, align 1
  %flag = call i32 @shunt.flag.i32(i64 3)
  %i.next = add i32 %i, 16
  %n.next = add i32 %n, -1
  %again = icmp ne i32 %n.next, 0
  br i1 %again, label %loop, label %out
out:
  ret i64 0
}
)";

// A checksum of eight steps over `times`, of which flag 3 changes the value in each.
constexpr const char* eight_steps = R"(
declare i32 @shunt.flag.i32(i64) nounwind willreturn memory(inaccessiblemem: readwrite)
define i64 @f(ptr %ctx, i32 %at, i32 %times) {
entry:
  br label %loop
loop:
  %i = phi i32 [ 0, %entry ], [ %i.next, %go ]
  %s = phi i32 [ %times, %entry ], [ %s.next, %go ]
  %flag = call i32 @shunt.flag.i32(i64 3)
  %on = icmp ne i32 %flag, 0
  br i1 %on, label %arm, label %go
arm:
  %more = add i32 %s, 1000
  br label %go
go:
  %v = phi i32 [ %s, %loop ], [ %more, %arm ]
  %odd = and i32 %v, 1
  %half = lshr i32 %v, 1
  %mask = mul i32 %odd, 40961
  %s.next = xor i32 %half, %mask
  %i.next = add i32 %i, 1
  %again = icmp ult i32 %i.next, 8
  br i1 %again, label %loop, label %out
out:
  %wide = zext i32 %s.next to i64
  ret i64 %wide
}
)";

std::string with_step(std::string text, int step) {
  for (std::size_t at = 0; (at = text.find("STEP")) != std::string::npos;) text.replace(at, 4, std::to_string(step));
  return text;
}

class LoopVersions : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { initialise_target(); }
  void SetUp() override {
    answer = nullptr;
    reads = 0;
    std::iota(memory_.begin(), memory_.end(), std::uint8_t{1});
    view_ = {memory_.data(), memory_.size()};
    context_.memory_base = memory_.data();
    context_.memory = &view_;
  }

  // The pass for loops of any length, or for short ones, then the whole optimising pipeline; `plain`: accesses that the
  // pass made plain.
  void* compile(const std::string& text, bool is_short = false) {
    auto context = std::make_unique<llvm::LLVMContext>();
    llvm::SMDiagnostic wrong;
    std::unique_ptr<llvm::Module> module = llvm::parseAssemblyString(text, wrong, *context);
    EXPECT_TRUE(module) << wrong.getMessage().str();
    if (!module) return nullptr;
    jit_ = cantFail(llvm::orc::LLJITBuilder().create());
    module->setDataLayout(jit_->getDataLayout());
    optimise(*module, is_short);
    llvm::orc::SymbolMap symbols;
    symbols[jit_->mangleAndIntern("shunt.flag.i32")] = {llvm::orc::ExecutorAddr::fromPtr(&read_flag),
                                                        llvm::JITSymbolFlags::Exported};
    for (const char* const mark : {"shunt.strip.begin", "shunt.strip.end"}) {
      symbols[jit_->mangleAndIntern(mark)] = {llvm::orc::ExecutorAddr::fromPtr(&pass_mark),
                                              llvm::JITSymbolFlags::Exported};
    }
    cantFail(jit_->getMainJITDylib().define(llvm::orc::absoluteSymbols(std::move(symbols))));
    cantFail(jit_->addIRModule({std::move(module), std::move(context)}));
    return cantFail(jit_->lookup("f")).toPtr<void*>();
  }

  void optimise(llvm::Module& module, bool is_short) {
    llvm::LoopAnalysisManager loops;
    llvm::FunctionAnalysisManager functions;
    llvm::CGSCCAnalysisManager sccs;
    llvm::ModuleAnalysisManager modules;
    // For this machine, so that what the versions allow is done: vectorising.
    const std::unique_ptr<llvm::TargetMachine> machine = std::move(make_target_machine()).value();
    llvm::PassBuilder builder(machine.get());
    functions.registerPass([&] { return machine->getTargetIRAnalysis(); });
    builder.registerModuleAnalyses(modules);
    builder.registerCGSCCAnalyses(sccs);
    builder.registerFunctionAnalyses(functions);
    builder.registerLoopAnalyses(loops);
    builder.crossRegisterProxies(loops, functions, sccs, modules);
    llvm::Function& function = *module.getFunction("f");
    llvm::FunctionPassManager passes;
    passes.addPass(llvm::LoopSimplifyPass());
    passes.addPass(llvm::LCSSAPass());
    if (is_short) {
      passes.addPass(llvm::createFunctionToLoopPassAdaptor(ShortLoopVersionsPass()));
    } else {
      passes.addPass(LoopVersionsPass());
    }
    passes.run(function, functions);
    if (is_short) expect_loop_form(function, functions);
    EXPECT_FALSE(llvm::verifyFunction(function, &llvm::errs()));
    for (const llvm::Instruction& instruction : llvm::instructions(function)) {
      if (llvm::getLoadStorePointerOperand(&instruction) != nullptr && !instruction.isVolatile()) ++plain_;
    }
    builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O3).run(module, modules);
  }

  // What passes over loops rely on between them.
  static void expect_loop_form(llvm::Function& function, llvm::FunctionAnalysisManager& analyses) {
    const auto& dominators = analyses.getResult<llvm::DominatorTreeAnalysis>(function);
    EXPECT_TRUE(dominators.verify());
    const auto& loops = analyses.getResult<llvm::LoopAnalysis>(function);
    llvm::DominatorTree own(function);
    const llvm::LoopInfo found(own);
    EXPECT_EQ(loops.getLoopsInPreorder().size(), found.getLoopsInPreorder().size());
    for (const llvm::Loop* const loop : loops.getLoopsInPreorder()) {
      EXPECT_EQ(found.getLoopFor(loop->getHeader())->getNumBlocks(), loop->getNumBlocks());
      EXPECT_TRUE(loop->isLoopSimplifyForm());
      EXPECT_TRUE(loop->isLCSSAForm(dominators));
    }
  }

  std::uint64_t sum(std::uint32_t at, std::uint32_t times) {
    return reinterpret_cast<std::uint64_t (*)(VmContext*, std::uint32_t, std::uint32_t)>(code_)(&context_, at, times);
  }
  [[nodiscard]] std::uint64_t expected(std::uint32_t at, std::uint32_t times) const {
    return std::accumulate(memory_.begin() + at, memory_.begin() + at + times, std::uint64_t{0});
  }
  void add(std::uint32_t a, std::uint32_t b, std::uint32_t times) {
    reinterpret_cast<void (*)(VmContext*, std::uint32_t, std::uint32_t, std::uint32_t)>(code_)(&context_, a, b, times);
  }

  std::vector<std::uint8_t> memory_ = std::vector<std::uint8_t>(200'000);
  MemoryView view_{};
  VmContext context_{};
  std::unique_ptr<llvm::orc::LLJIT> jit_;
  void* code_ = nullptr;
  int plain_ = 0;
};

TEST_F(LoopVersions, AFlagThatIsOffIsReadOnceAStrip) {
  code_ = compile(sum_with_flag);
  for (const std::uint32_t times : {1U, 2U, strip - 1, strip, strip + 1, 2 * strip, 5 * strip}) {
    reads = 0;
    EXPECT_EQ(sum(7, times), expected(7, times));
    EXPECT_EQ(reads, (times + strip - 1) / strip) << times;
  }
}

TEST_F(LoopVersions, AFlagThatComesOnIsSeenByTheNextStrip) {
  code_ = compile(sum_with_flag);
  answer = [](std::uint64_t import) { return import == 3 && reads > 2 ? 1U : 0U; };
  constexpr std::uint32_t times = 4 * strip;
  EXPECT_EQ(sum(0, times), expected(0, times) + 1000ULL * (times - 2 * strip));
  // Two strips, the question in front of the third, and each iteration from there.
  EXPECT_EQ(reads, 2 + 1 + (times - 2 * strip));
}

TEST_F(LoopVersions, AFlagThatIsOnIsReadInEachIteration) {
  code_ = compile(sum_with_flag);
  bool on = false;
  answer = [&](std::uint64_t) { return (on = !on) ? 1U : 0U; };
  EXPECT_EQ(sum(0, 100), expected(0, 100) + 1000 * 50);  // the question in front was answered yes, the first read no
  EXPECT_EQ(reads, 101);
}

TEST_F(LoopVersions, AShortLoopIsOneStrip) {
  code_ = compile(eight_steps, true);
  const auto steps = [](std::uint32_t value, std::uint32_t on) {
    for (unsigned i = 0; i < 8; ++i, on >>= 1U) {
      value += on % 2 != 0 ? 1000 : 0;
      value = value >> 1U ^ (value % 2 != 0 ? 40961U : 0U);
    }
    return value;
  };
  EXPECT_EQ(sum(0, 12345), steps(12345, 0));
  EXPECT_EQ(reads, 1U);
  reads = 0;
  answer = [](std::uint64_t) { return reads == 1 || reads % 3 == 0 ? 1U : 0U; };
  EXPECT_EQ(sum(0, 12345), steps(12345, 0b10010010)) << "the third, sixth and ninth read; the first is that in front";
  EXPECT_EQ(reads, 9U);
}

TEST_F(LoopVersions, WhatMayTrapRunsExactly) {
  code_ = compile(sum_with_flag);
  view_.bytes = 3000;  // so says the memory; the bytes behind are there, and not to be touched by the fast version
  EXPECT_EQ(sum(1000, 2000), expected(1000, 2000));
  EXPECT_EQ(reads, 1);
  reads = 0;
  EXPECT_EQ(sum(1000, 2001), expected(1000, 2001));
  EXPECT_EQ(reads, 1 + 2001);
}

TEST_F(LoopVersions, AddressesThatWrapRunExactly) {
  code_ = compile(sum_with_flag);
  // From the last byte of the index space on to the first: only an exact loop may try. It must not run here, for there
  // is no such byte, so the memory begins behind 4 GiB of address space that is never touched but at its end.
  std::vector<std::uint8_t> last(16, 5);
  context_.memory_base = last.data() - 0xffff'fff0ULL;
  view_.bytes = std::uint64_t{1} << 32;
  EXPECT_EQ(sum(0xffff'fff0U, 16), 16 * 5);
  EXPECT_EQ(reads, 1);
}

TEST_F(LoopVersions, AnUnrolledLoopIsFast) {
  code_ = compile(double_two);
  std::vector<std::uint8_t> wanted = memory_;
  for (std::size_t at = 24; at < 24 + 1600; at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, wanted.data() + at, 8);
    word += word;
    std::memcpy(wanted.data() + at, &word, 8);
  }
  sum(24, 100);
  EXPECT_EQ(memory_, wanted);
  EXPECT_EQ(reads, 1) << "for the strip";
}

TEST_F(LoopVersions, WordsAreAddedInEveryOrder) {
  for (const int step : {8, -8}) {
    plain_ = 0;
    code_ = compile(with_step(add_words(), step));
    EXPECT_EQ(plain_, 1 + 3 + 2) << "the base; the fast loop's accesses; the memory's size";
    // Apart, overlapping in either direction, the same, and near the end.
    for (const auto& [a, b] : {std::pair{800U, 4000U},
                               {4000U, 800U},
                               {800U, 808U},
                               {808U, 800U},
                               {800U, 803U},
                               {800U, 800U},
                               {199'200U, 800U}}) {
      const std::uint32_t times = 100;
      const std::uint32_t from_a = step > 0 ? a : a + (times - 1) * 8;
      const std::uint32_t from_b = step > 0 ? b : b + (times - 1) * 8;
      std::vector<std::uint8_t> wanted = memory_;
      for (std::uint32_t k = 0; k < times; ++k) {
        std::uint64_t x = 0;
        std::uint64_t y = 0;
        const std::ptrdiff_t move = static_cast<std::ptrdiff_t>(k) * step;
        std::memcpy(&x, wanted.data() + from_a + move, 8);
        std::memcpy(&y, wanted.data() + from_b + move, 8);
        y += x;
        std::memcpy(wanted.data() + from_b + move, &y, 8);
      }
      add(from_a, from_b, times);
      EXPECT_EQ(memory_, wanted) << a << " " << b << " " << step;
    }
  }
}

}  // namespace
}  // namespace shunt::wasm
