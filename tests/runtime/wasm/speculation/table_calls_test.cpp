// Calls through tables that the optimising tier knows: results and traps are those of the baseline, before and after
// somebody writes; and what is assumed is withdrawn in one batch, before the write.
#include <array>
#include <atomic>
#include <chrono>
#include <thread>

#include "engine/patch/engine_parts.h"
#include "engine/serialise/mechanism.h"
#include "runtime/wasm/speculation/module_assumptions.h"
#include "runtime/wasm/tiers/module_bodies.h"
#include "tests/runtime/wasm/speculation/speculating.h"

namespace shunt::test {
namespace {

using runtime::Tier;

constexpr std::uint32_t table_size = 12;
constexpr std::array<std::uint32_t, 17> indices = {0, 1,  2,  3,  4,  5,           6,           7,          8,
                                                   9, 10, 11, 12, 13, 0x7fff'ffff, 0x8000'0001, 0xffff'ffff};

// A table with holes, functions of two types, and one function twice; `functions` of the type that is asked for. Who
// writes, and whether it is exported, is in `more` and `table`.
std::string guest(unsigned functions, const std::string& table, const std::string& more) {
  std::string text =
      "(module (type $one (func (param i32) (result i32))) (type $same (func (param i32) (result i32)))"
      "(type $other (func (param i64) (result i32))) " +
      table + " (elem (i32.const 2)";
  for (unsigned i = 0; i < functions; ++i) text += " $f" + std::to_string(i);
  text +=
      " $wide $f0) (elem declare func $new) (func $wide (type $other) (i32.const 99))"
      "(func $new (type $one) (i32.add (local.get 0) (i32.const 1000)))";
  for (unsigned i = 0; i < functions; ++i) {
    text += "(func $f" + std::to_string(i) + " (type $" + (i % 2 == 0 ? "one" : "same") +
            ") (i32.add (i32.mul (local.get 0) (i32.const 3)) (i32.const " + std::to_string(i) + ")))";
  }
  text += "(func (export \"at\") (param i32) (result i32) (call_indirect (type $one) (i32.const 20) (local.get 0)))";
  for (const std::uint32_t index : indices) {
    const std::string number = std::to_string(index);
    text += "(func (export \"at " + number + "\") (result i32) (call_indirect (type $one) (i32.const 20) (i32.const " +
            number + ")))";
  }
  return text + more + ")";
}

const std::string inside = "(table 12 funcref)";
const std::string exported = "(table (export \"table\") 12 funcref)";
const std::string writer = R"(
    (func (export "set") (param i32) (result i32) (table.set 0 (local.get 0) (ref.func $new)) (i32.const 0))
    (func (export "clear") (param i32) (result i32) (table.set 0 (local.get 0) (ref.null func)) (i32.const 0))
    (func (export "grow") (param i32) (result i32) (table.grow 0 (ref.func $new) (local.get 0))))";

class TableCalls : public SpeculationTest {
 protected:
  // Every call gives the same, and every trap the same message.
  static void expect_alike(Instance& optimised, Instance& baseline) {
    for (const std::uint32_t index : indices) {
      const std::vector<Value> argument = {number(index)};
      EXPECT_EQ(outcome(optimised.call("at", argument)), outcome(baseline.call("at", argument))) << index;
      const std::string fixed = "at " + std::to_string(index);
      EXPECT_EQ(outcome(optimised.call(fixed)), outcome(baseline.call(fixed))) << index;
    }
  }
};

const std::string fact = "nobody has written table 0";

// --- exact, whoever may write ---

TEST_F(TableCalls, GiveAndTrapAsInTheBaseline) {
  for (const unsigned functions : {1U, 3U, 7U}) {
    const std::array texts = {guest(functions, inside, ""), guest(functions, exported, ""),
                              guest(functions, inside, writer)};
    for (const std::string& text : texts) {
      Instance optimised = must(linker.instantiate(load_optimised(text)));
      Instance baseline = must(linker.instantiate(load_in(Tier::Baseline, text)));
      SCOPED_TRACE(text);
      expect_alike(optimised, baseline);
      EXPECT_EQ(outcome(optimised.call("at", std::vector{number(2)})), "60");
      EXPECT_TRUE(failure(optimised.call("at 0")).starts_with("Trap: m.wat: uninitialized element")) << "null";
      EXPECT_TRUE(failure(optimised.call("at 12")).starts_with("Trap: m.wat: undefined element")) << "beyond";
    }
  }
}

TEST_F(TableCalls, GiveAndTrapAsInTheBaselineAfterEachWrite) {
  for (const unsigned functions : {1U, 3U, 7U}) {
    const std::string text = guest(functions, exported, writer);
    Instance optimised = must(linker.instantiate(load_optimised(text)));
    Instance baseline = must(linker.instantiate(load_in(Tier::Baseline, text)));
    const auto both = [&](const char* name, std::uint32_t argument) {
      const std::vector<Value> arguments = {number(argument)};
      EXPECT_EQ(outcome(optimised.call(name, arguments)), outcome(baseline.call(name, arguments))) << name;
      expect_alike(optimised, baseline);
    };
    SCOPED_TRACE(functions);
    both("set", 12);
    both("set", 2);
    EXPECT_EQ(outcome(optimised.call("at 2")), "1020");
    both("clear", 3);
    both("set", 0);
    both("grow", 2);
    EXPECT_EQ(outcome(optimised.call("at 13")), "1020");
  }
}

// --- one batch ---

TEST_F(TableCalls, TheFirstWriteFlipsAllSitesInOneBatch) {
  const Module module = load_optimised(guest(3, inside, writer));
  Instance instance = must(linker.instantiate(module));
  const std::uint64_t sites = sites_of(fact);
  // In "at", and for each constant index that is a candidate's: the others need no site.
  EXPECT_EQ(sites, 1u + 3 + 1);
  const Counts before = counts();
  EXPECT_EQ(outcome(instance.call("set", std::vector{number(2)})), "0");
  EXPECT_EQ(counts(), (Counts{before.commits + 1, before.sites_written + sites, before.serialisations + 1}));
  EXPECT_EQ(module.tier_stats().withdrawn, 1u);
  const Counts after = counts();
  for (const std::uint32_t index : {3U, 4U, 2U})
    EXPECT_EQ(outcome(instance.call("set", std::vector{number(index)})), "0");
  EXPECT_EQ(counts(), after) << "withdrawn once, for ever";
}

struct Write {
  const char* what;
  const char* code;
  bool writes;
};

TEST_F(TableCalls, EveryWriteWithdrawsAndNothingElseDoes) {
  const std::array writes = {
      Write{"set", "(table.set 0 (i32.const 2) (ref.func $new))", true},
      Write{"fill", "(table.fill 0 (i32.const 1) (ref.func $new) (i32.const 3))", true},
      Write{"copy", "(table.copy (i32.const 2) (i32.const 3) (i32.const 1))", true},
      Write{"init", "(table.init $passive (i32.const 2) (i32.const 0) (i32.const 1))", true},
      Write{"grow", "(drop (table.grow 0 (ref.func $new) (i32.const 1)))", true},
      Write{"set beyond", "(table.set 0 (i32.const 12) (ref.func $new))", false},
      Write{"fill beyond", "(table.fill 0 (i32.const 11) (ref.func $new) (i32.const 2))", false},
      Write{"copy beyond", "(table.copy (i32.const 11) (i32.const 0) (i32.const 2))", false},
      Write{"init beyond", "(table.init $passive (i32.const 12) (i32.const 0) (i32.const 1))", false},
      Write{"fill nothing", "(table.fill 0 (i32.const 2) (ref.func $new) (i32.const 0))", false},
      Write{"copy nothing", "(table.copy (i32.const 2) (i32.const 3) (i32.const 0))", false},
      Write{"init nothing", "(table.init $passive (i32.const 2) (i32.const 0) (i32.const 0))", false},
      Write{"grow by nothing", "(drop (table.grow 0 (ref.func $new) (i32.const 0)))", false},
      Write{"get", "(drop (table.get 0 (i32.const 2)))", false},
  };
  for (const Write& write : writes) {
    const std::string text = guest(3, exported,
                                   "(elem $passive func $new) (func (export \"write\") (result i32) " +
                                       std::string(write.code) + " (i32.const 0))");
    const Module module = load_optimised(text);
    Instance optimised = must(linker.instantiate(module));
    Instance baseline = must(linker.instantiate(load_in(Tier::Baseline, text)));
    EXPECT_EQ(outcome(optimised.call("write")), outcome(baseline.call("write"))) << write.what;
    EXPECT_EQ(module.tier_stats().withdrawn, write.writes ? 1u : 0u) << write.what;
    SCOPED_TRACE(write.what);
    expect_alike(optimised, baseline);
  }
}

TEST_F(TableCalls, AnotherModulesWriteWithdraws) {
  const std::string segment =
      R"((module (import "m" "table" (table 12 funcref)) (type $one (func (param i32) (result i32)))
      (elem (i32.const 2) $theirs) (func $theirs (type $one) (i32.const 5))))";
  const std::string code =
      R"((module (import "m" "table" (table 12 funcref)) (type $one (func (param i32) (result i32)))
      (elem declare func $theirs) (func $theirs (type $one) (i32.const 5))
      (func (export "write") (result i32) (table.set 0 (i32.const 2) (ref.func $theirs)) (i32.const 0))))";
  const std::string beyond = R"((module (import "m" "table" (table 12 funcref)) (func $f) (elem (i32.const 12) $f)))";
  for (const std::string& other : {segment, code}) {
    const Module module = load_optimised(guest(3, exported, ""));
    Instance instance = must(linker.instantiate(module));
    linker.define_instance("m", instance);
    EXPECT_FALSE(linker.instantiate(load_in(Tier::Baseline, beyond)));
    EXPECT_EQ(module.tier_stats().withdrawn, 0u) << "nothing was written";
    Instance writes = must(linker.instantiate(load_in(Tier::Baseline, other, "other.wat")));
    if (other == code) {
      EXPECT_EQ(outcome(instance.call("at 2")), "60");
      EXPECT_EQ(outcome(writes.call("write")), "0");
    }
    EXPECT_EQ(module.tier_stats().withdrawn, 1u);
    EXPECT_EQ(outcome(instance.call("at 2")), "5");
    EXPECT_EQ(outcome(instance.call("at", std::vector{number(2)})), "5");
    EXPECT_EQ(outcome(instance.call("at 3")), "61");
  }
}

// --- who sees it when ---

TEST_F(TableCalls, AFunctionThatWritesFindsItsOwnWrite) {
  const Module module = load_optimised(guest(3, inside, R"((func (export "run") (param $count i32) (result i32)
      (local $i i32) (local $sum i32)
      (loop $again
        (if (i32.eq (local.get $i) (i32.const 10)) (then (table.set 0 (i32.const 2) (ref.func $new))))
        (local.set $sum (i32.add (local.get $sum) (call_indirect (type $one) (i32.const 1) (i32.const 2))))
        (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $count))))
      (local.get $sum)))"));
  Instance instance = must(linker.instantiate(module));
  EXPECT_EQ(outcome(instance.call("run", std::vector{number(10)})), "30");
  EXPECT_EQ(module.tier_stats().withdrawn, 0u);
  EXPECT_EQ(outcome(instance.call("run", std::vector{number(25)})), std::to_string(10 * 3 + 15 * 1001));
  EXPECT_EQ(module.tier_stats().withdrawn, 1u);
}

TEST_F(TableCalls, OtherInstancesKeepTheirTables) {
  const Module module = load_optimised(guest(3, inside, writer));
  Instance before = must(linker.instantiate(module));
  Instance writes = must(linker.instantiate(module));
  EXPECT_EQ(outcome(writes.call("set", std::vector{number(2)})), "0");
  Instance after = must(linker.instantiate(module));
  EXPECT_EQ(outcome(writes.call("at 2")), "1020");
  for (Instance* const other : {&before, &after}) {
    EXPECT_EQ(outcome(other->call("at 2")), "60");
    EXPECT_EQ(outcome(other->call("at", std::vector{number(2)})), "60");
    EXPECT_EQ(outcome(other->call("set", std::vector{number(3)})), "0");
    EXPECT_EQ(outcome(other->call("at 3")), "1020");
  }
}

// Four threads call, each in its own instance, while this one writes; then each writes too.
TEST_F(TableCalls, EveryThreadSeesItsOwnWritesAndNobodyElses) {
  for (int round = 0; round < 3; ++round) {
    const Module module = load_optimised(guest(3, inside, writer));
    std::atomic<int> running{0};
    std::atomic<bool> written{false}, stop{false};
    std::atomic<std::uint64_t> wrong{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&, i] {
        Store own = must(Store::create());
        Linker own_linker(own);
        Instance instance = must(own_linker.instantiate(module));
        const auto expect = [&](const std::string& value) {
          if (outcome(instance.call("at 2")) != value) ++wrong;
          if (outcome(instance.call("at", std::vector{number(2)})) != value) ++wrong;
        };
        expect("60");
        ++running;
        while (!written) expect("60");
        for (int more = 0; more < 100; ++more) expect("60");
        if (outcome(instance.call(i % 2 == 0 ? "set" : "clear", std::vector{number(2)})) != "0") ++wrong;
        const std::string after = i % 2 == 0 ? "1020" : "Trap";
        while (!stop) {
          if (!outcome(instance.call("at 2")).starts_with(after)) ++wrong;
        }
      });
    }
    while (running < 4) std::this_thread::yield();
    Instance instance = must(linker.instantiate(module));
    EXPECT_EQ(outcome(instance.call("at 2")), "60");
    EXPECT_EQ(outcome(instance.call("set", std::vector{number(2)})), "0");
    for (int i = 0; i < 1000; ++i) ASSERT_EQ(outcome(instance.call("at 2")), "1020");
    written = true;
    for (int i = 0; i < 1000; ++i) ASSERT_EQ(outcome(instance.call("at", std::vector{number(2)})), "1020");
    stop = true;
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(wrong, 0u);
    EXPECT_EQ(module.tier_stats().withdrawn, 1u);
  }
}

// --- what is compiled when ---

TEST_F(TableCalls, CodeThatIsCompiledLaterAssumesNoLonger) {
  const std::string text = guest(3, inside, writer);
  const Module module = load_optimised(text);
  Instance instance = must(linker.instantiate(module));
  EXPECT_EQ(outcome(instance.call("set", std::vector{number(2)})), "0");
  wasm::Tiers& tiers = *module.state()->tiers;
  std::vector<std::uint32_t> all;
  for (std::uint32_t i = 0; i < module.state()->data->functions.size(); ++i) all.push_back(i);
  ASSERT_TRUE(tiers.revert(all));
  EXPECT_EQ(must(tiers.collect({})), 0u);
  ASSERT_TRUE(engine->await_retired());
  EXPECT_EQ(sites_of(fact), 0u);
  const auto bodies =
      must(wasm::ModuleBodies::read(must(runtime::assemble(text, "m.wat")), *module.state()->data, &all));
  ASSERT_TRUE(tiers.compile(bodies.all()));
  EXPECT_EQ(sites_of(fact), 0u);
  EXPECT_EQ(outcome(instance.call("at 2")), "1020");
  EXPECT_EQ(outcome(instance.call("at 3")), "61");
}

std::chrono::microseconds delay{0};

// Somebody writes while LLVM compiles.
Result<std::unique_ptr<wasm::OptimisedCode>> compile_while_it_is_withdrawn(const wasm::OptimisingOptions& options,
                                                                           const wasm::ModuleData& module,
                                                                           std::span<const wasm::FunctionBody> bodies) {
  std::thread writes([&] {
    std::this_thread::sleep_for(delay);
    (void)options.assumptions->withdraw(options.assumptions->of_table(0));
  });
  auto code = wasm::compile_optimised(options, module, bodies);
  writes.join();
  return code;
}

TEST_F(TableCalls, WhatIsWithdrawnWhileItIsCompiledIsCompiledAgain) {
  const auto refused = [this] {
    for (const EngineStats::Failures& failures : engine->stats().failures) {
      if (failures.code == ErrorCode::AssumptionBroken) return failures.count;
    }
    return std::uint64_t{0};
  };
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  for (int round = 0; refused() == 0 && std::chrono::steady_clock::now() < end; ++round) {
    delay = std::chrono::microseconds(1000 + 1500 * (round % 40));
    const Module module = load_optimised(guest(3, inside, writer), "m.wat", &compile_while_it_is_withdrawn);
    Instance instance = must(linker.instantiate(module));
    EXPECT_EQ(module.tier_stats().optimised, module.state()->data->functions.size());
    EXPECT_EQ(outcome(instance.call("set", std::vector{number(2)})), "0");
    EXPECT_EQ(outcome(instance.call("at 2")), "1020");
  }
  EXPECT_GT(refused(), 0u) << "no write fell into a compilation";
}

TEST_F(TableCalls, BecomeDirectAndAreInlined) {
  const auto bytes = [this](wasm::OptimisingCompiler compiler, const std::string& index) {
    (void)load_optimised(R"((module (type $one (func (param i32) (result i32))) (table 2 funcref)
        (elem (i32.const 0) $double $wide) (func $double (type $one) (i32.mul (local.get 0) (i32.const 2)))
        (func $wide (param i64)) (func (export "run") (param i32) (result i32)
          (call_indirect (type $one) (call_indirect (type $one) (local.get 0) )" +
                             index + ") " + index + ")))",
                         "m.wat", compiler);
    return last_code_bytes;
  };
  EXPECT_LT(2 * bytes(&compile_and_measure, "(i32.const 0)"), bytes(&compile_assuming_nothing, "(i32.const 0)"));
}

TEST_F(TableCalls, ReachFunctionsOfOtherInstancesAndOfTheHost) {
  Instance other = instantiate(R"((module (global $n (mut i32) (i32.const 40))
      (func (export "next") (result i32) (global.set $n (i32.add (global.get $n) (i32.const 1))) (global.get $n))))");
  linker.define_instance("other", other);
  linker.define_function("env", "host", {{}, {ValueType::I32}},
                         [](Caller, std::span<const Value>, std::span<Value> results) -> Status {
                           results[0] = Value::i32(7);
                           return Ok{};
                         });
  must(flags->set("on", true));
  Instance instance = must(linker.instantiate(load_optimised(R"((module
      (import "other" "next" (func $next (result i32))) (import "env" "host" (func $host (result i32)))
      (import "flags" "on" (func $on (result i32))) (type $t (func (result i32))) (global $own i32 (i32.const 3))
      (table 4 funcref) (elem (i32.const 0) $next $host $on $own)
      (func $own (type $t) (global.get $own))
      (func (export "at") (param i32) (result i32) (call_indirect (type $t) (local.get 0)))
      (func (export "next") (result i32) (call_indirect (type $t) (i32.const 0)))))")));
  const std::array<std::string, 4> expected = {"41", "7", "1", "3"};
  for (std::uint32_t i = 0; i < 4; ++i) EXPECT_EQ(outcome(instance.call("at", std::vector{number(i)})), expected[i]);
  EXPECT_EQ(outcome(instance.call("next")), "42");
}

// --- the automatic tier ---

TEST_F(TableCalls, OfFunctionsThatBecomeHotAreRightBeforeAndAfterAWrite) {
  const Module module = load_in(Tier::Auto, guest(3, inside, writer));
  Instance instance = must(linker.instantiate(module));
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (sites_of(fact) == 0 && std::chrono::steady_clock::now() < end) {
    for (std::uint32_t i = 0; i < 2000; ++i) {
      ASSERT_EQ(outcome(instance.call("at", std::vector{number(2 + i % 3)})), std::to_string(60 + i % 3));
    }
  }
  ASSERT_GT(sites_of(fact), 0u) << "nothing became hot";
  EXPECT_EQ(outcome(instance.call("set", std::vector{number(3)})), "0");
  EXPECT_EQ(module.tier_stats().withdrawn, 1u);
  const std::array<std::string, 3> expected = {"60", "1020", "62"};
  for (std::uint32_t i = 0; i < 30'000; ++i) {
    ASSERT_EQ(outcome(instance.call("at", std::vector{number(2 + i % 3)})), expected[i % 3]);
  }
}

// --- an engine that cannot serialise ---

std::atomic<bool> serialisation_fails{false};

class SometimesFails final : public detail::CoreSerialiser {
 public:
  explicit SometimesFails(std::unique_ptr<detail::CoreSerialiser> real) : real_(std::move(real)) {}
  [[nodiscard]] std::string_view name() const noexcept override { return real_->name(); }
  Status serialise() override {
    if (serialisation_fails) return make_error(ErrorCode::SerialisationFailed, "not now");
    return real_->serialise();
  }

 private:
  std::unique_ptr<detail::CoreSerialiser> real_;
};

TEST_F(TableCalls, ATableIsNotWrittenIfTheAssumptionCannotBeWithdrawn) {
  flags.reset();
  detail::EngineParts parts{detail::make_host_patcher(),
                            std::make_unique<SometimesFails>(must(detail::make_core_serialiser({})))};
  parts.probes_alias = true;
  engine = must(Engine::create({}, std::move(parts)));
  flags = std::make_unique<flags::FlagSet>(*engine);
  const Module module = load_optimised(R"((module (type $t (func (result i32))) (table 1 funcref)
      (elem (i32.const 0) $old) (elem declare func $new) (func $old (type $t) (i32.const 1))
      (func $new (type $t) (i32.const 2))
      (func (export "set") (result i32) (table.set 0 (i32.const 0) (ref.func $new)) (i32.const 0))
      (func (export "run") (result i32) (call_indirect (type $t) (i32.const 0)))))");
  Instance instance = must(linker.instantiate(module));
  serialisation_fails = true;
  EXPECT_EQ(outcome(instance.call("set")).substr(0, 19), "SerialisationFailed");
  EXPECT_EQ(outcome(instance.call("run")), "1");
  serialisation_fails = false;
  EXPECT_EQ(outcome(instance.call("set")), "0");
  EXPECT_EQ(outcome(instance.call("run")), "2");
  EXPECT_EQ(module.tier_stats().withdrawn, 1u);
}

}  // namespace
}  // namespace shunt::test
