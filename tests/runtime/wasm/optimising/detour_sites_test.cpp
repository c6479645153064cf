// Where optimised code can be interrupted.
#include "runtime/wasm/optimising/detour_sites.h"

#include <algorithm>
#include <string>
#include <vector>

#include "runtime/wasm/instance/instance_state.h"
#include "runtime/wasm/module/module_loader.h"
#include "tests/runtime/wasm/instance/guest_fixture.h"
#include "tests/runtime/wasm/optimising/last_compiled.h"

namespace shunt::test {
namespace {

class DetourSites : public GuestTest {
 protected:
  // Detours in the optimised code of a module.
  std::size_t of(const std::string& text, bool interruptible = true) {
    const std::vector<std::uint8_t> bytes = must(runtime::assemble(text, "m.wat"));
    wasm::ModuleLoader loader(*engine, *flags, &compile_and_look);
    const Module module =
        must(loader.load(bytes, {.name = "m.wat", .tier = runtime::Tier::Optimising, .interruptible = interruptible}));
    const std::vector<SiteInfo> sites = engine->sites(last_compiled->code());
    return static_cast<std::size_t>(std::count_if(sites.begin(), sites.end(), [&](const SiteInfo& site) {
      return site.key == &module.state()->control->interrupt;
    }));
  }
};

constexpr const char* straight =
    "(module (func (export \"f\") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 3))))";

// Not to be unrolled, nor replaced by a formula.
constexpr const char* loop = R"((module (func (export "f") (param i32) (result i32) (local i32)
    (loop $again
      (local.set 1 (i32.add (i32.rotl (local.get 1) (local.get 0)) (i32.const 77)))
      (br_if $again (i32.and (local.get 1) (i32.const 0xfff0))))
    (local.get 1))))";

TEST_F(DetourSites, StandAtLoopsAndAtEntriesOfFunctionsThatCall) {
  EXPECT_EQ(of(straight), 0U);
  EXPECT_EQ(of(loop), 1U);
  EXPECT_EQ(of(R"((module (import "host" "h" (func $h)) (func (export "f") (call $h) (call $h))))"), 1U);
}

TEST_F(DetourSites, AreLeftOutOnDemand) {
  EXPECT_EQ(of(loop, false), 0U);
}

// Summing bytes, with a flag that is read for each.
TEST_F(DetourSites, StandInFrontOfAStripAndNotWithinIt) {
  EXPECT_EQ(of(R"((module (import "flags" "f" (func $flag (result i32))) (memory 1)
    (func (export "f") (param $at i32) (param $n i32) (result i32) (local $s i32)
      (loop $again
        (local.set $s (i32.add (local.get $s) (i32.load8_u (local.get $at))))
        (if (call $flag) (then (local.set $s (i32.mul (local.get $s) (i32.const 31)))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
      (local.get $s))))"),
            2U)
      << "one at the head of the loop over strips, one in the exact loop; none in what a strip became";
}

// A loop of eight iterations is one strip, and unrolled in it; a loop behind it has its own.
TEST_F(DetourSites, StandInTheExactVersionOfAShortLoopAlone) {
  const std::string short_loop = R"((module (import "flags" "f" (func $flag (result i32)))
    (func (export "f") (param $x i32) (result i32) (local $i i32)
      (loop $again
        (local.set $x (i32.add (i32.rotl (local.get $x) (local.get $i)) (i32.const 77)))
        (if (call $flag) (then (local.set $x (i32.mul (local.get $x) (i32.const 31)))))
        (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 8))))
      BEHIND
      (local.get $x))))";
  const auto with = [&](const std::string& behind) {
    std::string text = short_loop;
    return of(text.replace(text.find("BEHIND"), 6, behind));
  };
  EXPECT_EQ(with(""), 1U);
  EXPECT_EQ(with(R"((loop $more
        (local.set $x (i32.add (i32.rotl (local.get $x) (i32.const 7)) (i32.const 99)))
        (br_if $more (i32.and (local.get $x) (i32.const 0xfff0)))))"),
            2U);
}

}  // namespace
}  // namespace shunt::test
