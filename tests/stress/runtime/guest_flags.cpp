// Flips flags 100,000 times under 4 threads that read them in guest code. Each reader acquire-loads the generation that
// the flipper stored after the change was committed, then runs the guest's sites: it must never see a value older than
// that generation (stale code), nor a value that the flag never had (a torn site), and the last value must arrive (a
// lost flip).
//
// The numeric flag's value is the generation itself, modulo 50, so that stubs are made, kept and used again; the
// boolean is its parity.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "shunt/engine.h"
#include "shunt/runtime/flags.h"
#include "shunt/runtime/instance.h"
#include "shunt/runtime/module.h"
#include "shunt/runtime/module_file.h"
#include "tests/runtime/wasm/tier_under_test.h"

namespace {

using namespace shunt::runtime;

// `level` as a bare value; `odd` as branch, as select and as a bare value, packed into one result.
constexpr std::string_view kGuest = R"((module
  (import "flags" "level" (func $level (result i32)))
  (import "flags" "odd" (func $odd (result i32)))
  (func (export "level") (result i32) (call $level))
  (func (export "odd") (result i32) (local $seen i32)
    (block $skip
      (br_if $skip (i32.eqz (call $odd)))
      (local.set $seen (i32.const 1)))
    (local.set $seen (i32.or (local.get $seen) (select (i32.const 2) (i32.const 0) (call $odd))))
    (if (call $odd) (then (local.set $seen (i32.or (local.get $seen) (i32.const 4)))))
    (i32.or (local.get $seen) (i32.shl (call $odd) (i32.const 3))))))";

int flips_wanted() {
  const char* text = std::getenv("SHUNT_STRESS_FLIPS");
  return text != nullptr ? std::atoi(text) : 100'000;
}

constexpr std::uint32_t kLevels = 50;

struct Shared {
  std::atomic<std::uint32_t> started{0};    // generation whose change has begun
  std::atomic<std::uint32_t> committed{0};  // generation whose change is committed
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> reads{0}, checked{0}, stale{0}, torn{0};
};

// A reader's whole life: its own store, the shared module.
void read_flags(const Module& module, Shared& shared) {
  auto store = Store::create();
  ASSERT_TRUE(store) << store.error().message();
  Linker linker(*store);
  auto instance = linker.instantiate(module);
  ASSERT_TRUE(instance) << instance.error().message();
  while (!shared.stop.load(std::memory_order_relaxed)) {
    // Acquire: pairs with the flipper's release after commit(), the moment from which old code is forbidden.
    const std::uint32_t before = shared.committed.load(std::memory_order_acquire);
    const auto level = instance->call("level");
    const auto odd = instance->call("odd");
    ASSERT_TRUE(level && odd);
    const std::uint32_t begun = shared.started.load(std::memory_order_acquire);  // nothing newer can have been read
    const auto seen_level = static_cast<std::uint32_t>((*level)[0].as_i32());
    const auto seen_odd = static_cast<std::uint32_t>((*odd)[0].as_i32());
    bool level_fits = false;
    for (std::uint32_t g = before; g <= begun && g <= before + kLevels; ++g) level_fits |= seen_level == g % kLevels;
    if (seen_level >= kLevels || (seen_odd & ~15u) != 0)
      shared.torn++;
    else if (!level_fits)
      shared.stale++;
    if (begun == before) {  // no flip meanwhile: every site must agree
      shared.checked++;
      if (seen_odd != (before % 2 != 0 ? 15u : 0u)) shared.stale++;
    }
    shared.reads++;
  }
}

class GuestFlagsStress : public testing::Test {
 protected:
  void make(const shunt::EngineOptions& options) {
    auto engine = shunt::Engine::create(options);
    ASSERT_TRUE(engine) << engine.error().message();
    engine_ = std::move(*engine);
    flags_.emplace(*engine_);
    auto bytes = assemble(kGuest, "stress.wat");
    ASSERT_TRUE(bytes) << bytes.error().message();
    auto module =
        Module::load(*engine_, *flags_, *bytes, {.name = "stress.wat", .tier = shunt::test::tier_under_test()});
    ASSERT_TRUE(module) << module.error().message();
    module_.emplace(std::move(*module));
    for (int i = 0; i < 4; ++i) readers_.emplace_back([this] { read_flags(*module_, shared_); });
  }

  void flip(std::uint32_t generation) {
    shared_.started.store(generation, std::memory_order_release);
    const auto level = flags_->set("level", std::int64_t{generation % kLevels});
    const auto odd = flags_->set("odd", generation % 2 != 0);
    ASSERT_TRUE(level) << level.error().message();
    ASSERT_TRUE(odd) << odd.error().message();
    shared_.committed.store(generation, std::memory_order_release);
  }
  // Until some reader has read between two flips: then every site must show the last flip.
  void rest() {
    for (const auto seen = shared_.checked.load(); shared_.checked.load() == seen && !HasFailure();)
      std::this_thread::yield();
  }

  void finish(std::uint32_t flips) {
    shared_.stop = true;
    for (std::thread& reader : readers_) reader.join();
    std::printf("flips %u (of two flags), reads %llu, between two flips %llu\n", flips,
                static_cast<unsigned long long>(shared_.reads.load()),
                static_cast<unsigned long long>(shared_.checked.load()));
    EXPECT_EQ(shared_.stale.load(), 0u);
    EXPECT_EQ(shared_.torn.load(), 0u);
  }

  std::unique_ptr<shunt::Engine> engine_;
  std::optional<shunt::flags::FlagSet> flags_;
  std::optional<Module> module_;
  Shared shared_;
  std::vector<std::thread> readers_;
};

TEST_F(GuestFlagsStress, NoReaderSeesAnOldOrTornSiteAfterCommit) {
  ASSERT_NO_FATAL_FAILURE(make({}));
  const auto flips = static_cast<std::uint32_t>(flips_wanted());
  for (std::uint32_t generation = 1; generation <= flips && !HasFailure(); ++generation) {
    flip(generation);
    if (generation % 200 == 0) rest();
  }
  finish(flips);
  EXPECT_GE(shared_.checked.load(), flips / 200);
}

// Bursts of changes, which demote both flags, and calm between, in which they are promoted by themselves.
TEST_F(GuestFlagsStress, NoReaderSeesAnOldValueOfADemotedFlag) {
  ASSERT_NO_FATAL_FAILURE(make({.flip_limit = 20}));
  constexpr std::uint32_t burst = 5'000;
  std::uint32_t generation = 0;
  for (int bursts = 1; bursts <= 2 && !HasFailure(); ++bursts) {
    for (std::uint32_t i = 0; i < burst && !HasFailure(); ++i) {
      flip(++generation);
      if (i % 200 == 0) rest();
    }
    EXPECT_EQ(flags_->demoted(), (std::vector<std::string>{"level", "odd"}));
    const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!flags_->demoted().empty() && std::chrono::steady_clock::now() < patience)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_TRUE(flags_->demoted().empty());
    rest();
  }
  finish(generation);
  EXPECT_GE(engine_->stats().data_flips, burst);
}

}  // namespace
