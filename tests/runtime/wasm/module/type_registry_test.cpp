#include "runtime/wasm/module/type_registry.h"

#include <gtest/gtest.h>

#include <set>
#include <thread>
#include <vector>

namespace shunt::test {
namespace {

using runtime::FunctionType;
using runtime::ValueType;
using wasm::canonical_type;

TEST(TypeRegistry, GivesEqualTypesOneNumberAndOthersTheirOwn) {
  const std::vector<FunctionType> types = {{{}, {}},
                                           {{ValueType::I32}, {}},
                                           {{}, {ValueType::I32}},
                                           {{ValueType::I32, ValueType::I32}, {}},
                                           {{ValueType::I32}, {ValueType::I32}}};
  std::set<std::uint32_t> numbers;
  for (const FunctionType& type : types) {
    numbers.insert(canonical_type(type));
    EXPECT_EQ(canonical_type(type), canonical_type(FunctionType(type)));
  }
  EXPECT_EQ(numbers.size(), types.size());
}

TEST(TypeRegistry, AgreesBetweenThreads) {
  constexpr std::size_t count = 200;
  std::vector<std::vector<std::uint32_t>> seen(4);
  std::vector<std::thread> threads;
  for (std::vector<std::uint32_t>& numbers : seen) {
    threads.emplace_back([&numbers] {
      for (std::size_t i = 0; i < count; ++i) {
        numbers.push_back(canonical_type({std::vector<ValueType>(i, ValueType::F64), {ValueType::ExternRef}}));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::vector<std::uint32_t>& numbers : seen) EXPECT_EQ(numbers, seen.front());
}

}  // namespace
}  // namespace shunt::test
