// What a set of many flags costs: FLAGS flags, 1 to 10,000, each read at one site of a guest.
//
//   reload/FLAGS     FlagSet::load_json() of a document that changes one flag. Control:
//                      nothing   a document that changes none
//   reload_all/FLAGS a document that changes every flag, in one batch
//   set/FLAGS        FlagSet::set() of one flag: nothing is parsed
//   module/FLAGS     Module::load() of the guest, whose sites take their flags' states
//   evaluate/FLAGS   FlagSet::evaluate() of a flag that is fixed. Control: rule   one with a simple rule, and a context
#include <benchmark/benchmark.h>

#include <cstdint>
#include <string>
#include <vector>

#include "benchmarks/support/measure.h"
#include "shunt/engine.h"
#include "shunt/runtime/flags.h"
#include "shunt/runtime/module.h"
#include "shunt/runtime/module_file.h"

namespace shunt::bench {
namespace {

using flags::FlagSet;
using runtime::Module;

std::string name_of(std::int64_t number) {
  return "flag" + std::to_string(number);
}

// Functions of a hundred reads each.
std::vector<std::uint8_t> guest(std::int64_t count) {
  std::string imports, functions;
  for (std::int64_t i = 0; i < count; ++i) {
    imports += "(import \"flags\" \"" + name_of(i) + "\" (func $" + name_of(i) + " (result i32)))";
    if (i % 100 == 0) functions += std::string(i == 0 ? "" : ")") + "(func (result i32) (i32.const 0)";
    functions += "(if (call $" + name_of(i) + ") (then (return (i32.const 1))))";
  }
  return must(runtime::assemble("(module " + imports + functions + "))", "flags.wat"));
}

// All flags are off but those below `on`; the last one has a rule if that is asked for.
std::string document(std::int64_t count, std::int64_t on, bool rule = false) {
  std::string text = "{\"flags\": {";
  for (std::int64_t i = 0; i < count; ++i) {
    text += (i == 0 ? "" : ", ") + ("\"" + name_of(i)) +
            R"(": {"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": ")" +
            (i < on ? "on\"" : "off\"");
    if (rule && i == count - 1) text += R"(, "targeting": {"if": [{"==": [{"var": "plan"}, "pro"]}, "on", "off"]})";
    text += "}";
  }
  return text + "}}";
}

struct Flags {
  explicit Flags(std::int64_t count)
      : engine(must(Engine::create())), set(*engine), module(must(Module::load(*engine, set, guest(count), {}))) {}
  std::unique_ptr<Engine> engine;
  FlagSet set;
  Module module;
};

void reload(benchmark::State& state) {
  const std::int64_t count = state.range(0);
  Flags flags(count);
  const std::string none = document(count, 0), one = document(count, 1);
  bool flipped = false;
  const auto load = [&](const std::string& text, std::size_t changes) {
    if (must(flags.set.load_json(text, "benchmark")).changed.size() != changes)
      fail("other flags changed than asked for");
  };
  must(flags.set.load_json(one, "benchmark"));
  interleave(state, [&] { load((flipped = !flipped) ? none : one, 1); },
             {{"nothing", [&] { load(flipped ? none : one, 0); }}});
  state.counters["document_bytes"] = static_cast<double>(one.size());
}

void set_one(benchmark::State& state) {
  Flags flags(state.range(0));
  must(flags.set.load_json(document(state.range(0), 0), "benchmark"));
  bool on = false;
  interleave(state, [&] { must(flags.set.set(name_of(0), on = !on)); }, {});
}

void reload_all(benchmark::State& state) {
  const std::int64_t count = state.range(0);
  Flags flags(count);
  const std::string none = document(count, 0), all = document(count, count);
  bool on = false;
  interleave(state, [&] { must(flags.set.load_json((on = !on) ? all : none, "benchmark")); }, {});
}

void module(benchmark::State& state) {
  const auto engine = must(Engine::create());
  FlagSet set(*engine);
  must(set.load_json(document(state.range(0), 0), "benchmark"));
  const std::vector<std::uint8_t> bytes = guest(state.range(0));
  interleave(state, [&] { must(Module::load(*engine, set, bytes, {})); }, {});
}

void evaluate(benchmark::State& state) {
  const std::int64_t count = state.range(0) + 1;  // and the one with a rule
  const auto engine = must(Engine::create());
  FlagSet set(*engine);
  must(set.load_json(document(count, 1, true), "benchmark"));
  const std::string fixed = name_of(0), rule = name_of(count - 1);
  const auto ask = [&](const std::string& key, const char* context) {
    const flags::Evaluation evaluation = set.evaluate(key, context);
    if (evaluation.variant != "on") fail("a flag has another variant than its definition says");
  };
  interleave(state, [&] { ask(fixed, ""); }, {{"rule", [&] { ask(rule, R"({"plan": "pro"})"); }}});
}

void register_all() {
  using benchmark::RegisterBenchmark;
  const std::int64_t most = smoke() ? 100 : 10'000;
  for (std::int64_t count = 1; count <= most; count *= 10) {
    RegisterBenchmark("reload", reload)->Arg(count)->UseManualTime();
    RegisterBenchmark("set", set_one)->Arg(count)->UseManualTime();
    RegisterBenchmark("reload_all", reload_all)->Arg(count)->UseManualTime();
    RegisterBenchmark("module", module)->Arg(count)->UseManualTime();
    RegisterBenchmark("evaluate", evaluate)->Arg(count)->UseManualTime();
  }
}

}  // namespace
}  // namespace shunt::bench

int main(int argc, char** argv) {
  return shunt::bench::run_main(argc, argv, shunt::bench::register_all);
}
