// An optimising compiler whose code a test wrote by hand, in C++: a function, and what is left of it at each of its
// loops, by its name in the module.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/wasm/instance/instance_state.h"
#include "runtime/wasm/module/module_loader.h"
#include "tests/runtime/wasm/instance/guest_fixture.h"

namespace shunt::test {

using wasm::SlotsEntry;
using wasm::VmContext;

class WrittenCode final : public wasm::OptimisedCode {
 public:
  WrittenCode(std::vector<wasm::OptimisedFunction> functions, std::vector<wasm::OptimisedLoop> loops)
      : functions_(std::move(functions)), loops_(std::move(loops)) {}
  [[nodiscard]] std::span<const wasm::OptimisedFunction> functions() const override { return functions_; }
  [[nodiscard]] std::span<const wasm::OptimisedLoop> loops() const override { return loops_; }
  [[nodiscard]] const Code& code() const override { return code_; }
  [[nodiscard]] std::optional<wasm::CodePlace> place_of(std::uintptr_t) const override { return std::nullopt; }

 private:
  std::vector<wasm::OptimisedFunction> functions_;
  std::vector<wasm::OptimisedLoop> loops_;
  Code code_;
};

inline std::map<std::string, SlotsEntry> written;             // what the compiler knows
inline std::map<std::string, wasm::LoopEntry> written_loops;  // likewise

inline Result<std::unique_ptr<wasm::OptimisedCode>> take_written(const wasm::OptimisingOptions& options,
                                                                 const wasm::ModuleData& module,
                                                                 std::span<const wasm::FunctionBody> bodies) {
  std::vector<wasm::OptimisedFunction> functions;
  for (const wasm::FunctionBody& body : bodies) {
    const auto found = written.find(module.display_name(body.function));
    if (found == written.end()) continue;
    functions.push_back(
        {body.function, reinterpret_cast<const void*>(reinterpret_cast<std::uintptr_t>(found->second)), found->second});
  }
  std::vector<wasm::OptimisedLoop> loops;
  for (const wasm::CodePlace& loop : options.loops) {
    const auto found = written_loops.find(module.display_name(loop.function));
    if (found != written_loops.end()) loops.push_back({loop, found->second});
  }
  return std::unique_ptr<wasm::OptimisedCode>(std::make_unique<WrittenCode>(std::move(functions), std::move(loops)));
}

// Uses more float registers than any convention keeps, and general ones. True, which no compiler can know.
inline bool wear_registers(std::uint64_t seed) {
  volatile double source[24];
  for (int i = 0; i < 24; ++i) source[i] = i + 0.5;
  std::array<double, 24> live{};
  for (std::size_t i = 0; i < live.size(); ++i) live[i] = source[i];
  for (int round = 0; round < 3; ++round) {
    for (std::size_t i = 0; i < live.size(); ++i) live[i] = live[i] * 1.5 + live[(i + 7) % live.size()];
  }
  double sum = 0;
  for (const double value : live) sum += value;
  std::uint64_t mixed = seed;
  for (int i = 0; i < 24; ++i) mixed = mixed * 31 + static_cast<std::uint64_t>(source[i]);
  return sum != 0 || mixed != 0;
}

// Modules whose functions that are `written` are optimised.
class TiersTest : public GuestTest {
 protected:
  void SetUp() override {
    written.clear();
    written_loops.clear();
  }
  Instance instantiate_tiered(const std::string& text, const std::string& name = "m.wat") {
    const std::vector<std::uint8_t> bytes = must(runtime::assemble(text, name));
    wasm::ModuleLoader loader(*engine, *flags, &take_written);
    return must(linker.instantiate(must(loader.load(bytes, {.name = name, .tier = runtime::Tier::Optimising}))));
  }
};

}  // namespace shunt::test
