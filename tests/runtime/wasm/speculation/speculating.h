// Modules of which the optimising tier assumes something, beside the same in the baseline.
#pragma once

#include <string>
#include <vector>

#include "runtime/wasm/module/module_loader.h"
#include "tests/runtime/wasm/instance/guest_fixture.h"

namespace shunt::test {

// What the last compilation made: bytes of code.
inline std::size_t last_code_bytes = 0;

inline Result<std::unique_ptr<wasm::OptimisedCode>> compile_and_measure(const wasm::OptimisingOptions& options,
                                                                        const wasm::ModuleData& module,
                                                                        std::span<const wasm::FunctionBody> bodies) {
  auto code = wasm::compile_optimised(options, module, bodies);
  if (code) last_code_bytes = (*code)->code().size();
  return code;
}

inline Result<std::unique_ptr<wasm::OptimisedCode>> compile_assuming_nothing(
    const wasm::OptimisingOptions& options, const wasm::ModuleData& module,
    std::span<const wasm::FunctionBody> bodies) {
  wasm::OptimisingOptions without = options;
  without.assumptions = nullptr;
  return compile_and_measure(without, module, bodies);
}

inline Value number(std::uint64_t value) {
  return Value::i32(static_cast<std::uint32_t>(value));
}

class SpeculationTest : public GuestTest {
 protected:
  Module load_in(runtime::Tier tier, const std::string& text, const std::string& name = "m.wat",
                 wasm::OptimisingCompiler compiler = &compile_and_measure) {
    const std::vector<std::uint8_t> bytes = must(runtime::assemble(text, name));
    return must(wasm::ModuleLoader(*engine, *flags, compiler).load(bytes, {.name = name, .tier = tier}));
  }
  Module load_optimised(const std::string& text, const std::string& name = "m.wat",
                        wasm::OptimisingCompiler compiler = &compile_and_measure) {
    return load_in(runtime::Tier::Optimising, text, name, compiler);
  }

  struct Counts {
    std::uint64_t commits = 0, sites_written = 0, serialisations = 0;
    bool operator==(const Counts&) const = default;
  };
  [[nodiscard]] Counts counts() const {
    const EngineStats stats = engine->stats();
    Counts counts{stats.commits, stats.sites_written, 0};
    for (const EngineStats::Serialisations& by : stats.serialisations) counts.serialisations += by.count;
    return counts;
  }
  // Sites of the assumption whose name ends so.
  [[nodiscard]] std::uint64_t sites_of(const std::string& fact) const {
    std::uint64_t sites = 0;
    for (const KeyStats& key : engine->key_stats()) sites += key.name.ends_with(fact) ? key.sites : 0;
    return sites;
  }
};

// "42", or why the call failed.
inline std::string outcome(Result<std::vector<Value>> results) {
  return results ? std::to_string(results->at(0).bits) : failure(results);
}

}  // namespace shunt::test
