// Direct calls between functions that were compiled apart: one key switches a function's entry and all calls of it.
#include <algorithm>
#include <string>
#include <vector>

#include "runtime/wasm/module/module_loader.h"
#include "runtime/wasm/tiers/module_bodies.h"
#include "tests/runtime/wasm/instance/guest_fixture.h"

namespace shunt::test {
namespace {

using wasm::OptimisedCode;

// Code in the order in which it was compiled; what is no longer installed may be gone.
std::vector<const OptimisedCode*> compiled;

Result<std::unique_ptr<OptimisedCode>> compile_and_look(const wasm::OptimisingOptions& options,
                                                        const wasm::ModuleData& module,
                                                        std::span<const wasm::FunctionBody> bodies) {
  auto code = wasm::compile_optimised(options, module, bodies);
  if (code) compiled.push_back(code->get());
  return code;
}

constexpr std::uint32_t inner = 1, middle = 2, outer = 3;  // function 0 is imported

class OutsideCalls : public GuestTest {
 protected:
  void load(const std::string& text) {
    compiled.clear();
    bytes_ = must(runtime::assemble(text, "m.wat"));
    module_.emplace(must(wasm::ModuleLoader(*engine, *flags, &compile_and_look)
                             .load(bytes_, {.name = "m.wat", .tier = runtime::Tier::Auto, .hot_count = 1U << 30})));
  }
  wasm::Tiers& tiers() { return *module_->state()->tiers; }
  void compile(const std::vector<std::uint32_t>& functions) {
    const auto bodies = must(wasm::ModuleBodies::read(bytes_, *module_->state()->data, &functions));
    const Status compiled_now = tiers().compile(bodies.all());
    ASSERT_TRUE(compiled_now) << compiled_now.error().message();
  }
  static const void* body(const OptimisedCode& code, std::uint32_t function) {
    for (const wasm::OptimisedFunction& one : code.functions()) {
      if (one.function == function) return one.body;
    }
    return nullptr;
  }
  // The site that calls of `callee` in this code pass.
  SiteInfo site(const OptimisedCode& caller, std::uint32_t callee) {
    for (const wasm::OutsideEntry& entry : caller.outside()) {
      if (entry.function != callee) continue;
      for (const wasm::Tiers::Site& one : tiers().sites()) {
        if (one.site.address == entry.site) return one.site;
      }
    }
    ADD_FAILURE() << "no site for calls of function " << callee;
    return {};
  }
  // Whether calls of `callee` in `caller` go to the body in `code`; null: by reference.
  bool leads(const OptimisedCode& caller, std::uint32_t callee, const OptimisedCode* code) {
    const SiteInfo info = site(caller, callee);
    constexpr auto optimised = static_cast<unsigned>(wasm::EntryState::Optimised);
    if (code == nullptr) return info.state != optimised;
    return info.state == optimised && info.targets.at(optimised - 1) == body(*code, callee);
  }

  std::vector<std::uint8_t> bytes_;
  std::optional<Module> module_;
};

// Each calls the next; values of all classes, in registers and on the stack, and two results.
const char* const chain = R"((module (import "env" "add" (func $add (param i64 i64) (result i64)))
  (func $inner (export "inner") (param i64 f64 i32 f32 i64 i64 i64 i64 i64) (result i64 f64)
    (call $add (i64.add (local.get 0) (local.get 8)) (i64.extend_i32_u (local.get 2)))
    (f64.add (local.get 1) (f64.promote_f32 (local.get 3))))
  (func $middle (export "middle") (param i64) (result i64) (local f64)
    (call $inner (local.get 0) (f64.const 0.5) (i32.const 100) (f32.const 1.5) (i64.const 1) (i64.const 2)
                 (i64.const 3) (i64.const 4) (i64.const 10000))
    (local.set 1)
    (i64.add (i64.trunc_f64_s (f64.mul (local.get 1) (f64.const 1000000)))))
  (func $outer (export "outer") (param i64) (result i64)
    (i64.add (call $middle (local.get 0)) (call $middle (i64.const 0))))
))";

TEST_F(OutsideCalls, LeadToTheBodyWhileTheCalleeIsOptimised) {
  linker.define_function("env", "add", {{ValueType::I64, ValueType::I64}, {ValueType::I64}},
                         [](Caller, std::span<const Value> arguments, std::span<Value> results) -> Status {
                           results[0] = Value::i64(arguments[0].bits + arguments[1].bits);
                           return Ok{};
                         });
  load(chain);
  Instance instance = must(linker.instantiate(*module_));
  Instance other = must(linker.instantiate(*module_));
  const auto right = [&] {
    return bits(instance.call("outer", std::vector{Value::i64(7)})) == 4'020'207 &&
           bits(other.call("middle", std::vector{Value::i64(8)})) == 2'010'108;
  };
  ASSERT_TRUE(right());

  compile({middle});  // the callee comes later
  const OptimisedCode& m = *compiled.at(0);
  ASSERT_TRUE(leads(m, inner, nullptr));
  EXPECT_TRUE(right());
  compile({inner});
  const OptimisedCode& i = *compiled.at(1);
  ASSERT_TRUE(leads(m, inner, &i));
  EXPECT_TRUE(i.outside().empty()) << "imports are called by reference";
  EXPECT_TRUE(right());
  compile({outer});  // the callee was there before
  const OptimisedCode& o = *compiled.at(2);
  ASSERT_TRUE(leads(o, middle, &m));
  EXPECT_TRUE(right());

  const std::vector<std::uint32_t> reverted = {inner};
  ASSERT_TRUE(tiers().revert(reverted));
  ASSERT_TRUE(leads(m, inner, nullptr));
  ASSERT_TRUE(leads(o, middle, &m));
  EXPECT_TRUE(right());
  ASSERT_EQ(must(tiers().collect({})), 0u);
  compile({inner});  // another body
  const OptimisedCode& again = *compiled.at(3);
  ASSERT_TRUE(leads(m, inner, &again));
  EXPECT_TRUE(right());

  ASSERT_TRUE(tiers().hold_in_baseline());
  ASSERT_TRUE(leads(m, inner, nullptr));
  ASSERT_TRUE(leads(o, middle, nullptr));
  EXPECT_TRUE(right());
  compile({inner, middle});  // waits
  ASSERT_TRUE(leads(o, middle, nullptr));
  EXPECT_TRUE(right());
  ASSERT_TRUE(tiers().let_optimise());
  ASSERT_TRUE(leads(o, middle, compiled.at(4)));
  EXPECT_TRUE(compiled.at(4)->outside().empty()) << "compiled together";
  EXPECT_TRUE(right());
  ASSERT_EQ(must(tiers().collect({})), 0u) << "nothing leads to the older ones any more";
  EXPECT_TRUE(right());
}

TEST_F(OutsideCalls, OneBatchSwitchesTheEntryAndAllCalls) {
  std::string text = "(module (import \"env\" \"none\" (func)) (func $f (export \"f\") (result i32) (i32.const 42))";
  constexpr std::uint32_t callers = 20;
  std::vector<Instance> none;
  linker.define_function("env", "none", {{}, {}},
                         [](Caller, std::span<const Value>, std::span<Value>) -> Status { return Ok{}; });
  for (std::uint32_t i = 0; i < callers; ++i) {
    text += "(func (export \"c" + std::to_string(i) + "\") (result i32) (i32.add (call $f) (call $f)))";
  }
  load(text + ")");
  Instance instance = must(linker.instantiate(*module_));
  for (std::uint32_t i = 0; i < callers; ++i) compile({2 + i});
  const EngineStats before = engine->stats();
  compile({1});
  EXPECT_EQ(engine->stats().commits - before.commits, 1u);
  EXPECT_EQ(engine->stats().sites_written - before.sites_written, 1 + callers);
  for (std::uint32_t i = 0; i < callers; ++i) {
    EXPECT_TRUE(leads(*compiled.at(i), 1, compiled.at(callers)));
    EXPECT_EQ(compiled.at(i)->outside().size(), 1u) << "two calls pass one site";
    EXPECT_EQ(bits(instance.call("c" + std::to_string(i))), 84u);
  }
}

// The frame of a call by reference is not one of the function's: endless recursion over both is a trap.
TEST_F(OutsideCalls, RecursionThatNeverEndsIsATrap) {
  linker.define_function("env", "none", {{}, {}},
                         [](Caller, std::span<const Value>, std::span<Value>) -> Status { return Ok{}; });
  load(R"((module (import "env" "none" (func))
      (func $even (export "even") (param i32) (result i32) (call $odd (i32.add (local.get 0) (i32.const 1))))
      (func $odd (param i32) (result i32) (call $even (i32.add (local.get 0) (i32.const 1))))))");
  Instance instance = must(linker.instantiate(*module_));
  for (const std::uint32_t function : {1U, 2U}) {
    compile({function});
    EXPECT_TRUE(failure(instance.call("even", std::vector{Value::i32(0)})).starts_with("Trap: m.wat: call stack"));
  }
}

}  // namespace
}  // namespace shunt::test
