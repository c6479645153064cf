// Functions whose code is larger than the reach of an instruction set's shorter branches.
#include <array>

#include "tests/runtime/wasm/instance/guest_fixture.h"
#include "tests/runtime/wasm/module/module_bytes.h"

namespace shunt::test {
namespace {

using LargeFunctionTest = GuestTest;

constexpr std::size_t kRepetitions = 65'537;  // an odd number; 2 MB of code
constexpr std::uint64_t kMask = 0x5a5a'1234'8765'4321;

Bytes i64_const(std::uint64_t value) {  // signed LEB128
  Bytes out{0x42};
  for (auto rest = static_cast<std::int64_t>(value);;) {
    const auto low = static_cast<int>(rest & 0x7f);
    rest >>= 7;
    const bool is_last = (rest == 0 && (low & 0x40) == 0) || (rest == -1 && (low & 0x40) != 0);
    out.add({is_last ? low : low | 0x80});
    if (is_last) return out;
  }
}

// f(n): i = 6 / n; do { if (i != 3) x ^= kMask, kRepetitions times, each time dividing i by itself; x += 1 } while
// (--i)
Bytes far_branches() {
  const Bytes once = Bytes{0x20, 0, 0x20, 0, 0x6e, 0x1a, 0x20, 1}.add(i64_const(kMask)).add({0x85, 0x21, 1});
  const Bytes body = Bytes{1, 1, 0x7e}                                           // (local i64)
                         .add({0x41, 6, 0x20, 0, 0x6e, 0x21, 0})                 // i = 6 / n
                         .add({0x03, 0x40, 0x02, 0x40})                          // loop, block
                         .add({0x20, 0, 0x41, 3, 0x46, 0x0d, 0})                 // br_if (i == 3)
                         .repeat(kRepetitions, once)                             //
                         .add({0x0b, 0x20, 1, 0x42, 1, 0x7c, 0x21, 1})           // end, x += 1
                         .add({0x20, 0, 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0, 0x0b})  // br_if (--i), end
                         .add({0x20, 1, 0x0b});
  return header()
      .section(1, {1, 0x60, 1, 0x7f, 1, 0x7e})
      .section(3, {1, 0})
      .section(7, Bytes{1}.name("f").add({0, 0}))
      .section(10, Bytes{1}.sized(body));
}

std::uint64_t expected(std::uint32_t n) {
  std::uint64_t x = 0;
  for (std::uint32_t i = 6 / n; i != 0; --i) x = (i == 3 ? x : x ^ kMask) + 1;
  return x;
}

TEST_F(LargeFunctionTest, BranchesReachForwardsBackwardsAndToTraps) {
  const Bytes bytes = far_branches();
  Instance instance = must(linker.instantiate(must(Module::load(*engine, *flags, bytes.get(), {.name = "far.wasm"}))));
  for (const std::uint32_t n : {1U, 2U, 3U, 6U}) {
    EXPECT_EQ(bits(instance.call("f", std::array{Value::i32(n)})), expected(n)) << n;
  }
  const std::string failed = failure(instance.call("f", std::array{Value::i32(0)}));
  EXPECT_EQ(failed.substr(0, 57), "Trap: far.wasm: integer divide by zero in function f at b") << failed;
}

}  // namespace
}  // namespace shunt::test
