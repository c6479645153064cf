// Hostile modules: random changes to good ones. Whatever they decode to, the reader returns; it never aborts, never
// reads outside (AddressSanitizer sees that), and every failure has a message.
#include <gtest/gtest.h>

#include <chrono>
#include <iostream>
#include <random>

#include "shunt/runtime/module_file.h"
#include "tests/runtime/wasm/module/recording_sink.h"

namespace shunt::test {
namespace {

constexpr std::string_view seeds[] = {
    R"((module
      (import "env" "f" (func (param i32) (result i64)))
      (import "flags" "fast" (func (result i32)))
      (import "env" "g" (global i64))
      (global (mut i64) (global.get 0))
      (memory (export "memory") 1 3)
      (table 4 externref) (table $t 5 funcref)
      (elem (table $t) (i32.const 1) func 0 1)
      (elem declare func 2)
      (elem funcref (ref.null func) (ref.func 2))
      (data (i32.const 8) "abc") (data "passive")
      (type $many (func (param i32 i64) (result f32 f64)))
      (func (param i32) (local f64 i64)
        (memory.init 1 (i32.const 0) (i32.const 0) (i32.const 1)) (data.drop 1) (elem.drop 2)
        (memory.fill (i32.const 0) (i32.const 0) (i32.const 1))
        (table.set 0 (i32.const 0) (ref.null extern))
        (drop (select (result funcref) (ref.func 2) (ref.null func) (local.get 0)))
        (if (call 1) (then (return)))
        (block (loop (br_if 1 (local.get 0)) (br_table 0 1 0 (local.get 0))))
        (i32.const 1) (i64.const 2) (call_indirect $t (type $many) (i32.const 0)) drop drop)
      (start 3) (func)))",
    R"((module
      (type $pair (func (param i32) (result i32 i64)))
      (func (export "sum") (param i32 i32) (result i32) (local i32)
        (block $out (loop $top
          (br_if $out (i32.eqz (local.get 0)))
          (local.set 2 (i32.add (local.get 2) (i32.mul (local.get 1) (local.get 0))))
          (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
          (br $top)))
        (i32.const 7) (block (type $pair) (i64.extend_i32_s (i32.const 3))) drop drop
        (unreachable) (i32.trunc_sat_f64_s) (select) (drop) (local.get 2))))",
};

TEST(ReaderMutation, NeverAborts) {
  const std::uint64_t seed = std::random_device{}();
  std::cout << "seed " << seed << '\n';
  std::mt19937_64 random(seed);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(3);
  std::size_t count = 0, good = 0;
  std::vector<std::vector<std::uint8_t>> modules;
  for (const std::string_view text : seeds) {
    Result<std::vector<std::uint8_t>> bytes = runtime::assemble(text, "seed.wat");
    ASSERT_TRUE(bytes) << bytes.error().message();
    modules.push_back(std::move(*bytes));
  }
  for (; std::chrono::steady_clock::now() < end; ++count) {
    std::vector<std::uint8_t> bytes = modules[random() % modules.size()];
    for (std::uint64_t changes = 1 + random() % 4; changes != 0; --changes) {
      const std::size_t at = 8 + random() % (bytes.size() - 8);
      switch (random() % 4) {
        case 0:
          bytes[at] = static_cast<std::uint8_t>(random());
          break;
        case 1:
          bytes.erase(bytes.begin() + static_cast<std::ptrdiff_t>(at));
          break;
        case 2:
          bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(at), static_cast<std::uint8_t>(random()));
          break;
        default:
          bytes[at] = static_cast<std::uint8_t>(bytes[at] ^ (1u << random() % 8));
      }
    }
    RecordingSink sink;
    const auto module = wasm::read_module(bytes, "mutant.wasm", sink);
    good += module.has_value();
    if (!module) {
      ASSERT_GT(module.error().message().size(), std::string_view("mutant.wasm: byte 0x0000: ").size()) << count;
    }
  }
  std::cout << count << " modules, " << good << " of them valid\n";
  EXPECT_GT(good, 0u);
  EXPECT_LT(good, count);
}

}  // namespace
}  // namespace shunt::test
