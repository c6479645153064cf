// What the compiler makes of small functions for arm64, instruction by instruction, on any host.
#include <asmjit/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <iomanip>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "runtime/wasm/baseline/arm64_selection.h"
#include "runtime/wasm/baseline/module_compiler.h"
#include "shunt/engine.h"
#include "shunt/runtime/flags.h"
#include "shunt/runtime/module_file.h"
#include "tests/runtime/wasm/module/module_bytes.h"

namespace shunt::test {
namespace {

using wasm::BaselineCode;
using wasm::FlagImport;
using wasm::FunctionBody;
using wasm::ModuleData;

// Imported functions are all flags.
class Arm64Sink final : public wasm::FunctionSink {
 public:
  explicit Arm64Sink(flags::FlagSet& flags) : flags_(flags) {}

  Status begin_code(const ModuleData& module) override {
    for (std::uint32_t i = 0; i < module.imported_functions; ++i) {
      const wasm::ValueType result = module.types[module.functions[i].type].results[0];
      const flags::FlagType type = result == wasm::ValueType::F64   ? flags::FlagType::F64
                                   : result == wasm::ValueType::I64 ? flags::FlagType::I64
                                                                    : flags::FlagType::I32;
      Result<flags::Flag*> flag = flags_.want(module.functions[i].name, type, "m.wat");
      if (!flag) return flag.error();
      imports_.push_back({.flag = *flag, .type = type, .variant = {}});
    }
    compiler.emplace(asmjit::Environment(asmjit::Arch::kAArch64), wasm::baseline::Arm64Features::none(), imports_);
    return compiler->begin(module, wasm::BaselineOptions{});
  }
  Status function(const FunctionBody& body) override { return compiler->function(body); }

  std::optional<wasm::baseline::ModuleCompiler<wasm::baseline::Arm64Selection>> compiler;

 private:
  flags::FlagSet& flags_;
  std::vector<FlagImport> imports_;
};

class Arm64Code : public testing::Test {
 protected:
  void compile(const std::string& text) {
    const auto bytes = runtime::assemble(text, "m.wat");
    ASSERT_TRUE(bytes) << bytes.error().message();
    compile(*bytes);
  }
  void compile(const std::vector<std::uint8_t>& bytes) {
    code_.emplace();
    Arm64Sink sink(flags_);
    const auto module = wasm::read_module(bytes, "m.wat", sink);
    ASSERT_TRUE(module) << module.error().message();
    const Status finished = sink.compiler->finish(*code_);
    ASSERT_TRUE(finished) << finished.error().message();
    asmjit::CodeHolder& holder = sink.compiler->holder();
    ASSERT_EQ(holder.flatten(), asmjit::kErrorOk);
    ASSERT_EQ(holder.resolveUnresolvedLinks(), asmjit::kErrorOk);
    ASSERT_FALSE(holder.hasUnresolvedLinks());
    bytes_.resize(holder.codeSize());
    ASSERT_EQ(holder.copyFlattenedData(bytes_.data(), bytes_.size()), asmjit::kErrorOk);
  }
  // The instructions of the module's n-th own function.
  std::vector<std::uint32_t> words(std::size_t function = 0) const {
    const wasm::FunctionRange range = code_->functions.at(function);
    std::vector<std::uint32_t> out((range.end - range.begin) / 4);
    std::memcpy(out.data(), bytes_.data() + range.begin, out.size() * 4);
    return out;
  }
  // Of a function with these parameters and result that computes `body`: without the frame, up to the return.
  std::string computation(const std::string& type, const std::string& body) {
    compile("(module (memory 1) (func " + type + " " + body + "))");
    std::vector<std::uint32_t> all = words();
    constexpr std::uint32_t ret = 0xd65f03c0;
    std::ostringstream out;
    for (const std::uint32_t word : all) {
      if (word == ret) break;
      if ((word & 0xff0003ff) == 0xd10003ff || (word & 0xff0003ff) == 0x910003ff) continue;  // sub, add of sp
      out << (out.tellp() > 0 ? " " : "") << std::hex << std::setw(8) << std::setfill('0') << word;
    }
    return out.str();
  }

  std::unique_ptr<Engine> engine_ = std::move(Engine::create()).value();
  flags::FlagSet flags_{*engine_};
  std::optional<BaselineCode> code_;
  std::vector<std::uint8_t> bytes_;
};

TEST_F(Arm64Code, IsTheseInstructions) {
  struct Case {
    const char *type, *body, *words, *text;
  };
  const Case cases[] = {
      {"(param i32) (result i32)", "(i32.add (local.get 0) (i32.const 4096))", "11400421 2a0103e0",
       "add w1, w1, #1, lsl 12; mov w0, w1"},
      {"(param i32) (result i32)", "(i32.add (local.get 0) (i32.const -1))", "51000421 2a0103e0",
       "sub w1, w1, #1; mov w0, w1"},
      {"(param i32) (result i32)", "(i32.add (local.get 0) (i32.const 0x12345678))",
       "528acf11 72a24691 0b110021 2a0103e0",
       "mov w17, #0x5678; movk w17, #0x1234, lsl 16; add w1, w1, w17; mov w0, w1"},
      {"(param i32) (result i32)", "(i32.sub (i32.const 0) (local.get 0))", "4b0103e0", "neg w0, w1"},
      {"(param i64) (result i64)", "(i64.mul (local.get 0) (i64.const 8))", "d37df021 aa0103e0",
       "lsl x1, x1, #3; mov x0, x1"},
      {"(param i32 i32) (result i32)", "(i32.div_s (local.get 0) (local.get 1))",
       "34000102 3100045f 7a410820 540000c6 1ac20c21 2a0103e0",
       "cbz w2, trap; cmn w2, #1; ccmp w1, #1, #0, eq; b.vs trap; sdiv w1, w1, w2; mov w0, w1"},
      {"(param i32 i32) (result i32)", "(i32.rem_s (local.get 0) (local.get 1))", "340000c2 1ac20c30 1b028601 2a0103e0",
       "cbz w2, trap; sdiv w16, w1, w2; msub w1, w16, w2, w1; mov w0, w1"},
      {"(param i32) (result i32)", "(i32.rem_s (local.get 0) (i32.const 8))",
       "131f7c31 0b517431 121d7231 4b110021 2a0103e0",
       "asr w17, w1, #31; add w17, w1, w17, lsr 29; and w17, w17, #-8; sub w1, w1, w17; mov w0, w1"},
      {"(param i32) (result i32)", "(i32.div_u (local.get 0) (i32.const 7))", "528000f1 1ad10821 2a0103e0",
       "mov w17, #7; udiv w1, w1, w17; mov w0, w1"},
      {"(param i64) (result i64)", "(i64.xor (local.get 0) (i64.const 0x123456789abcdef0))",
       "d29bde11 f2b35791 f2cacf11 f2e24691 ca110021 aa0103e0",
       "mov x17, #0xdef0; three movk; eor x1, x1, x17; mov x0, x1"},
      {"(param i32 i32) (result i32)", "(i32.rotl (local.get 0) (local.get 1))", "4b0203f1 1ad12c21 2a0103e0",
       "neg w17, w2; ror w1, w1, w17; mov w0, w1"},
      {"(param i32) (result i32)", "(i32.rotl (local.get 0) (i32.const 3))", "13817421 2a0103e0",
       "ror w1, w1, #29; mov w0, w1"},
      {"(param i64) (result i64)", "(i64.popcnt (local.get 0))", "9e67003f 0e205bff 0e31bbff 1e2603e1 aa0103e0",
       "fmov d31, x1; cnt v31.8b, v31.8b; addv b31, v31.8b; fmov w1, s31; mov x0, x1"},
      {"(param i32) (result i32)", "(i32.ctz (local.get 0))", "5ac00021 5ac01021 2a0103e0",
       "rbit w1, w1; clz w1, w1; mov w0, w1"},
      {"(param i32 i32) (result i32)", "(i32.gt_s (i32.const 5) (local.get 1))", "7100145f 1a9fa7e0",
       "cmp w2, #5; cset w0, lt"},
      {"(param f64 f64) (result i32)", "(f64.lt (local.get 0) (local.get 1))", "1e622020 1a9f57e0",
       "fcmp d1, d2; cset w0, mi"},
      {"(param f32 f32) (result i32)", "(f32.le (local.get 0) (f32.const 0))", "1e202028 1a9f87e0",
       "fcmp s1, #0.0; cset w0, ls"},
      {"(param f64 f64) (result f64)", "(f64.copysign (local.get 0) (local.get 1))",
       "d2f00011 9e67023e 2ebe1c41 1e604020",
       "mov x17, #1 << 63; fmov d30, x17; bit v1.8b, v2.8b, v30.8b; fmov d0, d1"},
      {"(param f64) (result f64)", "(f64.add (local.get 0) (f64.const 1.5))", "1e6f101f 1e7f2821 1e604020",
       "fmov d31, #1.5; fadd d1, d1, d31; fmov d0, d1"},
      {"(param f64) (result i64)", "(i64.trunc_sat_f64_u (local.get 0))", "9e790020", "fcvtzu x0, d1"},
      {"(param i32) (result i32)", "(i32.load (local.get 0))", "b8616b61 2a0103e0", "ldr w1, [x27, x1]; mov w0, w1"},
      {"(param i32) (result i32)", "(i32.load offset=16 (local.get 0))", "8b010370 b9401201 2a0103e0",
       "add x16, x27, x1; ldr w1, [x16, #16]; mov w0, w1"},
      {"(param i32) (result f32)", "(f32.load offset=2 (local.get 0))", "8b010370 bc402200",
       "add x16, x27, x1; ldur s0, [x16, #2]"},
      {"(param i32 i32)", "(i32.store (local.get 0) (local.get 1))", "8b010370 39400e1f b9000202",
       "add x16, x27, x1; ldrb wzr, [x16, #3]; str w2, [x16]"},
      {"(param i32 f64)", "(f64.store (i32.const 8) (local.get 1))", "fd000761", "str d1, [x27, #8]"},
      {"(param i32)", "(i32.store (i32.const 8) (i32.const 0))", "b9000b7f", "str wzr, [x27, #8]"},
      {"(param i32 i32 i32) (result i32)",
       "(select (local.get 0) (local.get 1) (i32.lt_s (local.get 2) (i32.const 3)))", "71000c7f 1a82b021 2a0103e0",
       "cmp w3, #3; csel w1, w1, w2, lt; mov w0, w1"},
      {"(param f32 f32 i32) (result f32)", "(select (local.get 0) (f32.const 1.25) (local.get 2))",
       "7100003f 1e2e901f 1e3f1c21 1e204020", "cmp w1, #0; fmov s31, #1.25; fcsel s1, s1, s31, ne; fmov s0, s1"},
      {"(param i64 i64) (result i64)", "(i64.add (local.get 0) (i64.shl (local.get 1) (i64.const 3)))",
       "8b020c22 aa0203e0", "add x2, x1, x2, lsl 3; mov x0, x2"},
      {"(param i32) (result i64)", "(i64.load32_s offset=0xffffffff (local.get 0))",
       "12800010 8b010210 b8b06b61 aa0103e0", "mov w16, #-1; add x16, x16, x1; ldrsw x1, [x27, x16]; mov x0, x1"},
  };
  for (const Case& c : cases) EXPECT_EQ(computation(c.type, c.body), c.words) << c.body << ": " << c.text;
}

bool is_conditional_branch(std::uint32_t word) {
  return (word & 0xff000010) == 0x54000000 || (word & 0x7e000000) == 0x34000000;
}
std::int64_t conditional_distance(std::uint32_t word) {  // in instructions
  return static_cast<std::int32_t>(word << 8) >> 13;
}

// The instructions, but for how far conditional branches go.
std::vector<std::uint32_t> without_distances(std::vector<std::uint32_t> words) {
  for (std::uint32_t& word : words) {
    if (is_conditional_branch(word)) word &= ~0xffffe0U;
  }
  return words;
}

// A loop that reads a flag in each round in one of the ways that compilers write it, and the same without.
TEST_F(Arm64Code, AFlagThatIsOffIsOneInstructionANop) {
  constexpr std::uint32_t nop = 0xd503201f;
  const auto loop = [](const std::string& round) {
    return "(module (import \"flags\" \"rare\" (func $rare (result i32))) (memory 1)"
           "(func (param i32) (result i32) (local i32) (loop " +
           round +
           "(local.set 1 (i32.add (local.get 1) (local.get 0)))"
           "(br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (local.get 1)))";
  };
  compile(loop(""));
  const std::vector<std::uint32_t> plain = without_distances(words());
  for (const char* const round : {"(if (call $rare) (then (i32.store (i32.const 0) (local.get 0))))",
                                  "(block (br_if 0 (i32.eqz (call $rare))) (i32.store (i32.const 0) (local.get 0)))"}) {
    compile(loop(round));
    const std::vector<std::uint32_t> checked = without_distances(words());
    // Up to the return, the plain code and one no-op; behind it, what runs while the flag is on.
    std::vector<std::uint32_t> hot(checked.begin(), checked.begin() + static_cast<std::ptrdiff_t>(plain.size()) + 1);
    const auto site = std::find(hot.begin(), hot.end(), nop);
    ASSERT_NE(site, hot.end()) << round;
    hot.erase(site);
    EXPECT_EQ(hot, plain) << round;
    ASSERT_EQ(code_->flag_sites.size(), 1u);
  }
}

// As many conditional branches forwards as a body can hold, each to its end, which is up to 15 MB away.
TEST_F(Arm64Code, ConditionalBranchesReachTheEndOfTheLargestFunction) {
  constexpr std::size_t branches = 1'900'000;
  const Bytes body = Bytes{0, 0x02, 0x40}.repeat(branches, {0x20, 0, 0x0d, 0}).add({0x0b, 0x0b});
  const Bytes module = header().section(1, {1, 0x60, 1, 0x7f, 0}).section(3, {1, 0}).section(10, Bytes{1}.sized(body));
  compile(module.get());
  const std::vector<std::uint32_t> code = words();
  constexpr std::uint32_t ret = 0xd65f03c0;
  std::size_t found = 0;
  for (std::size_t i = 0; i < code.size(); ++i) {
    if (!is_conditional_branch(code[i])) continue;
    ++found;
    std::int64_t goal = static_cast<std::int64_t>(i) + conditional_distance(code[i]);
    ASSERT_GT(goal, static_cast<std::int64_t>(i));
    ASSERT_LT(goal, static_cast<std::int64_t>(code.size()));
    const std::uint32_t there = code[static_cast<std::size_t>(goal)];
    if ((there & 0xfc000000) == 0x14000000) goal += static_cast<std::int32_t>(there << 6) >> 6;
    ASSERT_EQ(goal, static_cast<std::int64_t>(code.size()) - 2) << "branch " << i;  // the frame's end
  }
  EXPECT_EQ(found, branches);
  EXPECT_EQ(code.back(), ret);
}

}  // namespace
}  // namespace shunt::test
