// Any bytes as a module: refused with a message, or compiled, by the baseline or by both tiers; and what was compiled
// runs contained.
//
// A module that loads is instantiated, with host functions for what it imports, in a small store; every export is
// called, for a few milliseconds at most. The last byte chooses the kinds of sites, and the tier.
#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>

#include "shunt/engine.h"
#include "shunt/runtime/flags.h"
#include "shunt/runtime/instance.h"
#include "shunt/runtime/module.h"
#include "tests/fuzz/target.h"

namespace shunt::fuzz {
namespace {

using runtime::Module;
using runtime::Value;

constexpr unsigned inputs_of_an_engine = 256;
constexpr std::size_t most_calls = 8;
constexpr auto time_to_run = std::chrono::milliseconds(5);

// A new one now and then: flags that modules ask for stay in their set.
struct Host {
  std::unique_ptr<Engine> engine;
  std::optional<flags::FlagSet> flags;
  unsigned used = 0;

  void prepare() {
    if (engine && used++ % inputs_of_an_engine != 0) return;
    flags.reset();
    engine.reset();
    auto created = Engine::create({.code_reservation = std::size_t{64} << 20});
    if (!created) give_up(created.error().message());
    engine = std::move(*created);
    flags.emplace(*engine);
    if (auto loaded = flags->load_json(R"({"flags": {
          "on": {"state": "ENABLED", "variants": {"yes": true, "no": false}, "defaultVariant": "yes"},
          "text": {"state": "ENABLED", "variants": {"a": "one", "b": "two"}, "defaultVariant": "a"}}})",
                                       "fuzz");
        !loaded) {
      give_up(loaded.error().message());
    }
  }
};

// Of any result type, zero is a value.
Status answer(runtime::Caller, std::span<const Value>, std::span<Value> results) {
  for (Value& result : results) result.bits = 0;
  return Ok{};
}

void define_imports(runtime::Linker& linker, const Module& module) {
  for (const runtime::ImportType& import : module.imports()) {
    if (const auto* function = std::get_if<runtime::FunctionType>(&import.type)) {
      linker.define_function(import.module, import.name, *function, answer);
    } else if (const auto* table = std::get_if<runtime::TableType>(&import.type)) {
      static_cast<void>(linker.define_table(import.module, import.name, *table));
    } else if (const auto* memory = std::get_if<runtime::MemoryType>(&import.type)) {
      static_cast<void>(linker.define_memory(import.module, import.name, *memory));
    } else {
      const auto& global = std::get<runtime::GlobalType>(import.type);
      static_cast<void>(linker.define_global(import.module, import.name, global, Value{global.type, 0}));
    }
  }
}

void run(const Module& module) {
  auto store = runtime::Store::create(
      {.stack_bytes = std::size_t{1} << 18, .max_memory_bytes = std::uint64_t{16} << 20, .max_table_elements = 10'000});
  if (!store) give_up(store.error().message());
  runtime::Linker linker(*store);
  define_imports(linker, module);
  const runtime::InterruptHandle handle = store->interrupt_handle();
  if (Status set = handle.set_deadline(std::chrono::steady_clock::now() + time_to_run); !set) {
    give_up(set.error().message());
  }
  auto instance = linker.instantiate(module);
  if (!instance) {
    if (instance.error().message().empty()) give_up("an instantiation failed without a message");
    return;
  }
  std::size_t calls = 0;
  for (const runtime::ExportType& one : module.exports()) {
    const auto* const type = std::get_if<runtime::FunctionType>(&one.type);
    if (type == nullptr || ++calls > most_calls) continue;
    std::vector<Value> arguments;
    for (const runtime::ValueType param : type->params) arguments.push_back({param, 1});
    for (Value& argument : arguments) {  // 1 is no reference
      if (argument.type == runtime::ValueType::FuncRef || argument.type == runtime::ValueType::ExternRef)
        argument.bits = 0;
    }
    const auto results = instance->call(one.name, arguments);
    if (!results && results.error().message().empty()) give_up("a call failed without a message");
    if (results && results->size() != type->results.size()) give_up("a call gave too many results, or too few");
  }
}

}  // namespace
}  // namespace shunt::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace shunt;
  static fuzz::Host* const host = new fuzz::Host;  // never destroyed: threads may outlive main()
  host->prepare();
  const unsigned kinds = size == 0 ? 0 : data[size - 1];
  const bool optimised = kinds % 4 == 3 && runtime::has_optimising_tier();
  const auto module = runtime::Module::load(*host->engine, *host->flags, std::span(data, size),
                                            {.name = "fuzz.wasm",
                                             .tier = optimised ? runtime::Tier::Optimising : runtime::Tier::Baseline,
                                             .interruptible = true,
                                             .traceable = kinds % 4 == 1,
                                             .debuggable = kinds % 4 == 2});
  if (module) {
    fuzz::run(*module);
  } else if (module.error().message().size() < std::string_view("fuzz.wasm: ?").size()) {
    fuzz::give_up("refused without a message");
  }
  return 0;
}
