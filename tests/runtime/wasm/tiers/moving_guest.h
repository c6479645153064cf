// A guest whose calls go on in optimised code at a loop that the test chooses.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/wasm/module/module_loader.h"
#include "runtime/wasm/tiers/module_bodies.h"
#include "tests/runtime/wasm/instance/guest_fixture.h"

namespace shunt::test {

// Counts the interruption sites that a call passes, which are at the heads of loops and the entries of functions that
// call. At one of them all functions are compiled, with entries at their loops: what runs goes on there at the next
// head of a loop, which may be this one.
class MovingGuest {
 public:
  MovingGuest(Engine& engine, flags::FlagSet& flags, Store& store, Linker& linker, std::vector<std::uint8_t> bytes,
              wasm::OptimisingCompiler compiler)
      : engine_(engine),
        bytes_(std::move(bytes)),
        handle_(store.interrupt_handle()),
        module_(must(wasm::ModuleLoader(engine, flags, compiler)
                         .load(bytes_, {.name = "m.wat", .tier = runtime::Tier::Auto, .hot_count = never}))),
        instance_(must(linker.instantiate(module_))),
        all_(must(wasm::ModuleBodies::read(bytes_, *module_.state()->data, nullptr))) {
    for (const wasm::LoopHead& head : module_.state()->code->loop_heads) {
      if (head.leave != 0) loops_.push_back({head.function, head.module_offset});
    }
    store.on_yield([this] { return at_site(); });
  }
  MovingGuest(const MovingGuest&) = delete;
  MovingGuest& operator=(const MovingGuest&) = delete;

  // Calls the export in the baseline; behind so many sites the functions change. Nothing: never.
  Result<std::vector<Value>> call(const std::string& name, const std::vector<Value>& arguments,
                                  std::optional<unsigned> sites) {
    std::vector<std::uint32_t> functions;
    for (const wasm::FunctionBody& body : all_.all()) functions.push_back(body.function);
    if (Status back = tiers().revert(functions); !back) return back.error();
    (void)tiers().collect({});
    left_ = sites;
    // All sites lead to the runtime, also while a yield that was asked for by a yield is not served yet.
    StaticKey& key = module_.state()->control->interrupt;
    if (sites) {
      if (Status asked = handle_.request_yield(); !asked) return asked.error();
      if (Status on = key.acquire(engine_); !on) return on.error();
    }
    Result<std::vector<Value>> results = instance_.call(name, arguments);
    if (sites) (void)key.release(engine_);
    has_moved_ = sites && !left_;
    left_.reset();
    (void)handle_.clear();
    return results;
  }
  // Whether the last call came to its site.
  [[nodiscard]] bool has_moved() const { return has_moved_; }
  [[nodiscard]] Instance& instance() { return instance_; }
  [[nodiscard]] runtime::TierStats stats() const { return module_.tier_stats(); }
  [[nodiscard]] std::vector<wasm::CodePlace>& loops() { return loops_; }  // that get entries
  [[nodiscard]] wasm::Tiers& tiers() { return *module_.state()->tiers; }
  [[nodiscard]] const Module& module() const { return module_; }

 private:
  static constexpr std::uint32_t never = 1U << 30;

  // The first one is before the call begins.
  Status at_site() {
    if (!left_) return Ok{};
    if (*left_ != 0) {
      --*left_;
      return handle_.request_yield();
    }
    left_.reset();
    return tiers().compile(all_.all(), loops_);
  }

  Engine& engine_;
  std::vector<std::uint8_t> bytes_;
  runtime::InterruptHandle handle_;
  Module module_;
  Instance instance_;
  wasm::ModuleBodies all_;
  std::vector<wasm::CodePlace> loops_;
  std::optional<unsigned> left_;
  bool has_moved_ = false;
};

}  // namespace shunt::test
