// A test's own engine, flags, store and linker, and modules in the text format, in the tier under test.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shunt/engine.h"
#include "shunt/runtime/flags.h"
#include "shunt/runtime/instance.h"
#include "shunt/runtime/module_file.h"
#include "tests/runtime/wasm/tier_under_test.h"

namespace shunt::test {

using runtime::Caller;
using runtime::Instance;
using runtime::Linker;
using runtime::Memory;
using runtime::Module;
using runtime::Store;
using runtime::Value;
using runtime::ValueType;

// Unwraps a Result; a failure ends the test by an exception.
template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message());
  return std::move(result).value();
}

class GuestTest : public testing::Test {
 protected:
  Result<Module> load(std::string_view text, const std::string& name = "m.wat") {
    const Result<std::vector<std::uint8_t>> bytes = runtime::assemble(text, name);
    if (!bytes) return bytes.error();
    return Module::load(*engine, *flags, *bytes, {.name = name, .tier = tier_under_test()});
  }
  Instance instantiate(std::string_view text, const std::string& name = "m.wat") {
    return must(linker.instantiate(must(load(text, name))));
  }
  // The message of an instantiation that fails with this code.
  std::string refusal(std::string_view text, ErrorCode code) {
    const Result<Instance> instance = linker.instantiate(must(load(text)));
    if (instance) {
      ADD_FAILURE() << "instantiated: " << text;
      return "";
    }
    EXPECT_EQ(instance.error().code(), code) << instance.error().message();
    return instance.error().message();
  }

  std::unique_ptr<Engine> engine = must(Engine::create());
  std::unique_ptr<flags::FlagSet> flags = std::make_unique<flags::FlagSet>(*engine);
  Store store = must(Store::create());
  Linker linker{store};
};

// What a call fails with: "Trap: m.wat: unreachable ...", or "returned".
inline std::string failure(const Result<std::vector<Value>>& results) {
  return results ? "returned" : std::string(name_of(results.error().code())) + ": " + results.error().message();
}

// The only result of a call, as bits.
inline std::uint64_t bits(Result<std::vector<Value>> results) {
  const std::vector<Value> values = must(std::move(results));
  EXPECT_EQ(values.size(), 1u);
  return values.at(0).bits;
}

}  // namespace shunt::test
