// Instances of one module with evaluation contexts of their own, and flags whose rules tell them apart.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <thread>

#include "tests/runtime/wasm/instance/guest_fixture.h"

namespace shunt::test {
namespace {

const std::string gold = R"({"targetingKey": "g", "tier": "gold"})";
const std::string iron = R"({"targetingKey": "i", "tier": "iron"})";

// Variants `no` and `yes`, by the tier.
std::string by_tier(std::string_view key, std::string_view no, std::string_view yes, std::string_view tier) {
  std::string out = "\"" + std::string(key) + R"(": {"state": "ENABLED", "variants": {"no": )";
  out += std::string(no) + R"(, "yes": )" + std::string(yes) + R"(}, "defaultVariant": "no", "targeting": )";
  return out + R"({"if": [{"==": [{"var": "tier"}, ")" + std::string(tier) + R"("]}, "yes", "no"]}})";
}
std::string fixed(std::string_view key, std::string_view value) {
  return "\"" + std::string(key) + R"(": {"state": "ENABLED", "variants": {"v": )" + std::string(value) +
         R"(}, "defaultVariant": "v"})";
}
std::string all_flags(std::string_view tier) {
  return R"({"flags": {)" + by_tier("on", "false", "true", tier) + ", " + by_tier("size", "0", "7", tier) + ", " +
         by_tier("long", "1", "-1099511627776", tier) + ", " + by_tier("ratio", "0.5", "-0.0", tier) + ", " +
         by_tier("mode", "\"slow\"", "\"fastest\"", tier) + ", " + fixed("plain", "true") + "}}";
}

class EvaluationContexts : public GuestTest {
 protected:
  // One export for each shape of a read.
  static constexpr std::string_view all_shapes = R"((module
      (import "flags" "on" (func $on (result i32))) (import "flags" "size" (func $size (result i32)))
      (import "flags" "long" (func $long (result i64))) (import "flags" "ratio" (func $ratio (result f64)))
      (import "flags" "mode=yes" (func $fast (result i32)))
      (import "flags" "mode" (func $mode (param i32 i32) (result i32)))
      (import "flags" "plain" (func $plain (result i32)))
      (memory 1) (global $count (mut i32) (i32.const 0)) (global $calls (mut i64) (i64.const 0))
      (table 1 funcref) (elem (i32.const 0) func $size) (type $t (func (result i32)))
      (func (export "value") (result i32) (call $on))
      (func (export "not") (result i32) (i32.eqz (call $on)))
      (func (export "branch") (result i32) (if (result i32) (call $on) (then (i32.const 10)) (else (i32.const 20))))
      (func (export "leave") (result i32)
        (block $out (br_if $out (call $on)) (return (i32.const 30))) (i32.const 40))
      (func (export "select") (param i32 i32) (result i32) (select (local.get 0) (local.get 1) (call $on)))
      (func (export "size") (result i32) (call $size))
      (func (export "is_size") (result i32) (if (result i32) (call $size) (then (i32.const 1)) (else (i32.const 0))))
      (func (export "long") (result i64) (call $long))
      (func (export "is_zero") (result i32) (i64.eqz (call $long)))
      (func (export "ratio") (result f64) (call $ratio))
      (func (export "fast") (result i32) (call $fast))
      (func (export "mode") (result i32) (call $mode (i32.const 0) (i32.const 64)))
      (func (export "indirect") (result i32) (call_indirect (type $t) (i32.const 0)))
      (func (export "plain") (result i32) (call $plain))))";

  static std::uint64_t read(Instance& instance, std::string_view name) { return bits(instance.call(name)); }
  static std::uint64_t chosen(Instance& instance) {
    return bits(instance.call("select", std::vector{Value::i32(11), Value::i32(22)}));
  }

  static void expect(Instance& instance, bool yes) {
    EXPECT_EQ(read(instance, "value"), yes ? 1U : 0U);
    EXPECT_EQ(read(instance, "not"), yes ? 0U : 1U);
    EXPECT_EQ(read(instance, "branch"), yes ? 10U : 20U);
    EXPECT_EQ(read(instance, "leave"), yes ? 40U : 30U);
    EXPECT_EQ(chosen(instance), yes ? 11U : 22U);
    EXPECT_EQ(read(instance, "size"), yes ? 7U : 0U);
    EXPECT_EQ(read(instance, "is_size"), yes ? 1U : 0U);
    EXPECT_EQ(read(instance, "long"), yes ? static_cast<std::uint64_t>(-1099511627776) : 1U);
    EXPECT_EQ(read(instance, "is_zero"), 0U);
    EXPECT_EQ(read(instance, "ratio"), yes ? std::uint64_t{1} << 63 : 0x3fe0'0000'0000'0000U);
    EXPECT_EQ(read(instance, "fast"), yes ? 1U : 0U);
    EXPECT_EQ(read(instance, "mode"), yes ? 7U : 4U);
    EXPECT_EQ(read(instance, "indirect"), yes ? 7U : 0U);
    EXPECT_EQ(read(instance, "plain"), 1U);
  }

  // How many sites of a flag stand as they should: no-ops, or not.
  int no_ops(const Module& module, std::string_view key) const {
    int count = 0;
    for (const runtime::ModuleSite& site : module.sites(*engine)) {
      if (site.site.key == nullptr || site.site.key->name() != key) continue;
      const std::string now = engine->instruction_now(site.site);
      EXPECT_EQ(now.substr(0, now.find(' ')), "nop") << key;
      ++count;
    }
    return count;
  }
};

TEST_F(EvaluationContexts, TellInstancesOfOneModuleApart) {
  must(flags->load_json(all_flags("gold"), "flags.json"));
  const Module module = must(load(all_shapes));
  Instance a = must(linker.instantiate(module, {.context = gold}));
  Instance b = must(linker.instantiate(module, {.context = iron}));
  Instance none = must(linker.instantiate(module));
  expect(a, true);
  expect(b, false);
  expect(none, false);
  must(flags->load_json(all_flags("iron"), "flags.json"));
  expect(a, false);
  expect(b, true);
  expect(none, false);
  must(flags->load_json(all_flags("gold"), "flags.json"));
  expect(a, true);
  expect(b, false);
  ASSERT_TRUE(b.set_context(gold));
  expect(b, true);
  ASSERT_TRUE(a.set_context(""));
  expect(a, false);
  expect(b, true);
  must(flags->set_context(gold));
  expect(a, true);
  expect(none, true);
}

TEST_F(EvaluationContexts, ThatAgreeCostTheirNoOps) {
  must(flags->load_json(all_flags("gold"), "flags.json"));
  const Module module = must(load(all_shapes));
  Instance a = must(linker.instantiate(module, {.context = iron}));
  Instance b = must(linker.instantiate(module));
  expect(a, false);
  expect(b, false);
  EXPECT_GE(no_ops(module, "on"), 4) << "not, branch, leave, select";
  EXPECT_EQ(flags->targeting("on"), flags::Targeting::Agreed);
}

TEST_F(EvaluationContexts, AreRefusedIfTheyMakeNoSense) {
  const Module module = must(load(all_shapes));
  const Result<Instance> wrong = linker.instantiate(module, {.context = "[1]"});
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code(), ErrorCode::InvalidArgument);
  EXPECT_EQ(wrong.error().message(),
            "m.wat: evaluation context: it is not an object: write one, {\"targetingKey\": \"...\"}");
  Instance instance = must(linker.instantiate(module));
  EXPECT_FALSE(instance.set_context("{"));
}

TEST_F(EvaluationContexts, HoldBeforeTheStartFunctionRuns) {
  must(flags->load_json(all_flags("gold"), "flags.json"));
  const Module module = must(load(R"((module
      (import "flags" "size" (func $size (result i32))) (global $seen (export "seen") (mut i32) (i32.const -1))
      (func $start (global.set $seen (call $size))) (start $start)))"));
  const Instance a = must(linker.instantiate(module, {.context = gold}));
  EXPECT_EQ(must(a.global("seen")).bits, 7U);
}

// A loop that is made into strips without reads of the flag: each instance runs the version of its own value.
constexpr std::string_view sum_loop = R"((module
    (import "flags" "on" (func $on (result i32))) (memory (export "memory") 16)
    (func (export "fill") (memory.fill (i32.const 0) (i32.const 1) (i32.const 1000000)))
    (func (export "sum") (param $times i32) (result i64) (local $i i32) (local $s i64)
      (loop $again
        (local.set $s (i64.add (local.get $s) (i64.load8_u (local.get $i))))
        (if (call $on) (then (local.set $s (i64.add (local.get $s) (i64.const 1000)))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $i) (local.get $times))))
      (local.get $s))))";

void tell_loops_apart(Engine& engine, flags::FlagSet& flags, runtime::Tier tier) {
  must(flags.load_json(all_flags("gold"), "flags.json"));
  const auto bytes = must(runtime::assemble(sum_loop, "sum.wat"));
  const Module module = must(Module::load(engine, flags, bytes, {.name = "sum.wat", .tier = tier}));
  Store store = must(Store::create());
  Linker linker(store);
  Instance a = must(linker.instantiate(module, {.context = gold}));
  Instance b = must(linker.instantiate(module, {.context = iron}));
  const auto sum = [](Instance& instance) { return bits(instance.call("sum", std::vector{Value::i32(1'000'000)})); };
  for (Instance* instance : {&a, &b}) ASSERT_TRUE(instance->call("fill"));
  EXPECT_EQ(sum(a), 1'001'000'000U);
  EXPECT_EQ(sum(b), 1'000'000U);
  must(flags.load_json(all_flags("iron"), "flags.json"));
  EXPECT_EQ(sum(a), 1'000'000U);
  EXPECT_EQ(sum(b), 1'001'000'000U);
  must(flags.load_json(all_flags("nobody"), "flags.json"));
  EXPECT_EQ(flags.targeting("on"), flags::Targeting::Agreed);
  EXPECT_EQ(sum(a), 1'000'000U);
  EXPECT_EQ(sum(b), 1'000'000U);
}

TEST_F(EvaluationContexts, TellLoopsOfTheBaselineApart) {
  tell_loops_apart(*engine, *flags, runtime::Tier::Baseline);
}

TEST_F(EvaluationContexts, TellVersionsOfLoopsApart) {
  if (runtime::has_optimising_tier()) tell_loops_apart(*engine, *flags, runtime::Tier::Optimising);
}

// Guests on threads of their own; the definitions change under them, and so does one's context. When a change has
// returned, a call that begins gives what it says.
TEST_F(EvaluationContexts, ChangeUnderRunningGuests) {
  must(flags->load_json(all_flags("gold"), "flags.json"));
  const Module module = must(load(all_shapes));
  struct Guest {
    Store store = must(Store::create());
    Linker linker{store};
    std::atomic<std::uint64_t> version{0};  // even: settled; whether it reads yes: bit 1
    std::atomic<std::uint64_t> calls{0}, wrong{0};
    std::atomic<Instance*> instance{nullptr};
    std::thread thread;
  };
  std::array<Guest, 2> guests;
  std::atomic<bool> stop{false};
  std::array<Instance, 2> instances{must(guests[0].linker.instantiate(module, {.context = gold})),
                                    must(guests[1].linker.instantiate(module, {.context = iron}))};
  guests[0].version = 2;
  for (std::size_t i = 0; i < guests.size(); ++i) {
    guests[i].thread = std::thread([&guest = guests[i], &instance = instances[i], &stop] {
      while (!stop.load()) {
        const std::uint64_t before = guest.version.load();
        const bool value = bits(instance.call("value")) != 0;
        const bool branch = bits(instance.call("branch")) == 10;
        const bool size = bits(instance.call("size")) == 7;
        const std::uint64_t after = guest.version.load();
        guest.calls.fetch_add(1);
        if (before != after || (before & 1) != 0) continue;
        const bool yes = (before & 2) != 0;
        if (value != yes || branch != yes || size != yes) guest.wrong.fetch_add(1);
      }
    });
  }
  const auto change = [&](bool first, bool second, const auto& make) {
    const std::array yes{first, second};
    for (std::size_t i = 0; i < 2; ++i) guests[i].version.store((guests[i].version.load() | 3) + 2);  // odd: changing
    make();
    for (std::size_t i = 0; i < 2; ++i) {
      guests[i].version.store(((guests[i].version.load() | 3) + 1) + (yes[i] ? 2 : 0));
    }
  };
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(500);
  std::uint64_t rounds = 0;
  while (std::chrono::steady_clock::now() < end || rounds < 20) {
    change(false, true, [&] { must(flags->load_json(all_flags("iron"), "flags.json")); });
    change(false, false, [&] { EXPECT_TRUE(instances[1].set_context(gold)); });
    change(true, true, [&] { must(flags->load_json(all_flags("gold"), "flags.json")); });
    change(true, false, [&] { EXPECT_TRUE(instances[1].set_context(iron)); });
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    ++rounds;
  }
  const std::uint64_t before = guests[0].calls.load();
  const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (guests[0].calls.load() == before && std::chrono::steady_clock::now() < patience) std::this_thread::yield();
  stop = true;
  for (Guest& guest : guests) {
    guest.thread.join();
    EXPECT_EQ(guest.wrong.load(), 0U);
    EXPECT_GT(guest.calls.load(), 0U);
  }
}

}  // namespace
}  // namespace shunt::test
