// Random modules compute the same, trap alike and leave the same memory and globals, compiled and interpreted.
//
// Environment: SHUNT_RANDOM_SEED (a number; default: of this run's own), SHUNT_RANDOM_SECONDS (default 10 for the
// test), SHUNT_TEST_TIER (baseline, the default; optimising; or auto: calls begin in the baseline and go on in
// optimised code, from the head of a loop that they are in at some moment), SHUNT_TEST_BREAKPOINTS
// (tests/runtime/wasm/breakpoints/in_every_function.h).
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <iostream>
#include <random>

#include "shunt/runtime/flags.h"
#include "shunt/runtime/instance.h"
#include "shunt/runtime/module.h"
#include "tests/runtime/wasm/baseline/random_choices.h"
#include "tests/runtime/wasm/baseline/random_module.h"
#include "tests/runtime/wasm/baseline/reference_machine.h"
#include "tests/runtime/wasm/breakpoints/in_every_function.h"
#include "tests/runtime/wasm/tier_under_test.h"
#include "tests/runtime/wasm/tiers/moving_guest.h"

namespace shunt::test {
namespace {

using runtime::Value;
using wasm::ValueType;

constexpr unsigned calls_of_each_function = 3;

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* const text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 0);
}

std::uint64_t random_argument(Choices& random, ValueType type) {
  constexpr std::uint64_t interesting[] = {0, 1, 2, 7, 31, 0x7fffffff, 0x80000000, 0xffffffff};
  std::uint64_t bits = random() % 3 == 0 ? random() : interesting[random() % 8];
  if (type == ValueType::F64) bits = std::bit_cast<std::uint64_t>(static_cast<double>(static_cast<std::int32_t>(bits)));
  if (type == ValueType::F32) bits = std::bit_cast<std::uint32_t>(static_cast<float>(static_cast<std::int32_t>(bits)));
  return type == ValueType::I32 ? bits & 0xffff'ffff : bits;
}

std::vector<ReferenceMachine::Type> reference_types(std::span<const ValueType> types) {
  std::vector<ReferenceMachine::Type> out;
  for (const ValueType type : types) out.push_back(static_cast<ReferenceMachine::Type>(type));  // numbers come first
  return out;
}

std::string text(const std::optional<std::vector<std::uint64_t>>& words) {
  if (!words) return "trap";
  std::string joined;
  for (const std::uint64_t word : *words) joined += std::to_string(word) + " ";
  return joined;
}

class RandomProgram : public testing::Test {
 protected:
  void SetUp() override {
    auto created = Engine::create();
    ASSERT_TRUE(created) << created.error().message();
    engine_ = std::move(*created);
    flags_ = std::make_unique<flags::FlagSet>(*engine_);
  }

  // Whether both machines agree on the module of this seed.
  bool agrees(std::uint64_t seed, const RandomModuleOptions& options) {
    Choices random(seed);
    const RandomModule module = make_random_module(random, options);
    const bool same = compare(module, random);
    if (!same) keep(module, seed);
    return same;
  }

 private:
  using Call = std::function<Result<std::vector<Value>>(const std::string& name, const std::vector<Value>& arguments)>;

  bool compare(const RandomModule& module, Choices& random) {
    std::string message;
    const std::unique_ptr<ReferenceMachine> reference = ReferenceMachine::create(module.without_imports, message);
    if (!reference) {
      ADD_FAILURE() << "the generator made an invalid module: " << message;
      return false;
    }
    auto store = runtime::Store::create();
    if (!store) {
      ADD_FAILURE() << store.error().message();
      return false;
    }
    runtime::Linker linker(*store);
    if (tier_under_test() == runtime::Tier::Auto) return compare_moving(module, random, *reference, *store, linker);
    auto loaded = runtime::Module::load(*engine_, *flags_, module.bytes,
                                        {.tier = tier_under_test(), .debuggable = !breakpoints_under_test().empty()});
    if (!loaded) {
      ADD_FAILURE() << loaded.error().message();
      return false;
    }
    const std::vector<runtime::Breakpoint> breakpoints = breakpoints_under_test(*loaded);
    auto instance = linker.instantiate(*loaded);
    if (!instance) {
      ADD_FAILURE() << instance.error().message();
      return false;
    }
    for (std::uint32_t function = 0; function < module.functions.size(); ++function) {
      for (unsigned i = 0; i < calls_of_each_function; ++i) {
        const Call call = [&](const std::string& name, const std::vector<Value>& values) {
          return instance->call(name, values);
        };
        if (!same_call(module, function, *reference, *instance, random, call)) return false;
      }
    }
    return true;
  }

  bool compare_moving(const RandomModule& module, Choices& random, ReferenceMachine& reference, runtime::Store& store,
                      runtime::Linker& linker) {
    constexpr unsigned sites = 12;
    MovingGuest guest(*engine_, *flags_, store, linker, module.bytes, wasm::built_in_optimising_compiler);
    std::mt19937_64 where(random());
    for (std::uint32_t function = 0; function < module.functions.size(); ++function) {
      for (unsigned i = 0; i < calls_of_each_function; ++i) {
        const auto site = static_cast<unsigned>(where() % sites);
        const Call call = [&](const std::string& name, const std::vector<Value>& values) {
          return guest.call(name, values, site);
        };
        if (!same_call(module, function, reference, guest.instance(), random, call)) return false;
      }
    }
    loop_entries_ += guest.stats().loop_entries;
    return true;
  }

  // A flag that is on or off, or a number.
  void flip(const RandomModule& module, std::uint32_t flag, ReferenceMachine& reference, Choices& random) {
    const bool is_number = flag % 2 != 0;
    const auto value = static_cast<std::uint32_t>(is_number ? random() % 4 : random() % 2);
    const std::string name = "flag" + std::to_string(flag);
    const auto set = is_number ? flags_->set(name, std::int64_t{value}) : flags_->set(name, value != 0);
    EXPECT_TRUE(set) << set.error().message();
    reference.set_global(module.globals + flag, value);
  }

  bool same_call(const RandomModule& module, std::uint32_t function, ReferenceMachine& reference,
                 runtime::Instance& instance, Choices& random, const Call& call) {
    const wasm::FunctionType& type = module.functions[function];
    std::vector<std::uint64_t> words;
    std::vector<Value> values;
    for (const ValueType param : type.params) {
      words.push_back(random_argument(random, param));
      values.push_back({param, words.back()});
    }
    reference.set_global(0, most_random_steps);
    EXPECT_TRUE(instance.set_global("g0", Value::i32(most_random_steps)));
    for (std::uint32_t flag = 0; flag < module.flags; ++flag) flip(module, flag, reference, random);
    const auto expected =
        reference.call(module.flags + function, reference_types(type.params), reference_types(type.results), words);
    const auto results = call("f" + std::to_string(function), values);
    std::optional<std::vector<std::uint64_t>> got;
    if (results) {
      got.emplace();
      for (const Value& value : *results) got->push_back(value.bits);
    }
    if (got != expected) {
      ADD_FAILURE() << "function " << function << " gave " << text(got) << ", expected " << text(expected)
                    << (results ? "" : ": " + results.error().message());
      return false;
    }
    return same_state(module, reference, instance);
  }

  static bool same_state(const RandomModule& module, const ReferenceMachine& reference, runtime::Instance& instance) {
    for (std::uint32_t global = 0; global < module.globals; ++global) {
      const auto got = instance.global("g" + std::to_string(global));
      if (!got || got->bits != reference.global(global)) {
        ADD_FAILURE() << "global " << global << " differs";
        return false;
      }
    }
    const auto [expected, size] = reference.memory();
    const std::span<const std::uint8_t> got = instance.memory().bytes();
    if (got.size() != size || std::memcmp(got.data(), expected, size) != 0) {
      ADD_FAILURE() << "the memory differs";
      return false;
    }
    return true;
  }

  static void keep(const RandomModule& module, std::uint64_t seed) {
    const std::string path = testing::TempDir() + "random_module_" + std::to_string(seed) + ".wasm";
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(module.bytes.data()), static_cast<std::streamsize>(module.bytes.size()));
    std::cout << "seed " << seed << ": the module is in " << path << '\n';
  }

 protected:
  std::uint64_t loop_entries_ = 0;  // calls that moved

 private:
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<flags::FlagSet> flags_;
};

RandomModuleOptions options_for(std::uint64_t seed) {
  RandomModuleOptions options;
  options.floats = seed % 3 != 0;
  options.max_locals = seed % 5 == 0 ? 40 : 12;
  options.expression_depth = seed % 7 == 0 ? 10 : 6;
  options.body_size = seed % 4 == 0 ? 300 : 80;
  options.table_writes = seed % 2 != 0;
  options.segments = seed % 3 == 1;
  options.functions = 2 + static_cast<unsigned>(seed % 4);
  options.flags = static_cast<unsigned>(seed / 2 % 4);
  return options;
}

TEST_F(RandomProgram, AgreesWithTheInterpreter) {
  std::uint64_t seed = number_from("SHUNT_RANDOM_SEED", std::random_device{}());
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(number_from("SHUNT_RANDOM_SECONDS", 10));
  const std::uint64_t first = seed;
  for (; std::chrono::steady_clock::now() < end; ++seed) {
    ASSERT_TRUE(agrees(seed, options_for(seed))) << "SHUNT_RANDOM_SEED=" << seed;
  }
  std::cout << "random programs: " << seed - first << " modules from seed " << first << ", " << loop_entries_
            << " calls moved\n";
  if (tier_under_test() == runtime::Tier::Auto) {
    EXPECT_GT(loop_entries_, 0u);
  }
}

}  // namespace
}  // namespace shunt::test
