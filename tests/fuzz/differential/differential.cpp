// A module made of the bytes computes the same, traps alike and leaves the same memory and globals in the baseline, in
// the optimising tier and in the official interpreter, which runs in a process of its own.
//
// The bytes are the generator's decisions, one each; what they leave open is a pseudo-random sequence that depends on
// all of them. NaNs are made canonical by the modules themselves (tests/runtime/wasm/baseline/random_module.h).
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "shunt/engine.h"
#include "shunt/runtime/flags.h"
#include "shunt/runtime/instance.h"
#include "shunt/runtime/module.h"
#include "tests/fuzz/differential/exchange.h"
#include "tests/fuzz/differential/interpreter_process.h"
#include "tests/fuzz/target.h"
#include "tests/runtime/wasm/baseline/random_choices.h"
#include "tests/runtime/wasm/baseline/random_module.h"

namespace shunt::fuzz {
namespace {

using runtime::Value;
using test::Choices;
using wasm::ValueType;

constexpr std::uint32_t steps = 2000;
constexpr unsigned calls_of_each_function = 2;
constexpr unsigned inputs_of_an_engine = 200;

std::uint64_t hash_of(std::span<const std::uint8_t> bytes) {
  std::uint64_t hash = 0xcbf2'9ce4'8422'2325;
  for (const std::uint8_t byte : bytes) hash = (hash ^ byte) * 0x0000'0100'0000'01b3;
  return hash;
}

std::uint64_t argument(Choices& choose, ValueType type) {
  constexpr std::uint64_t interesting[] = {0, 1, 2, 7, 31, 0x7fffffff, 0x80000000, 0xffffffff};
  std::uint64_t bits = choose() % 3 == 0 ? choose() : interesting[choose() % 8];
  if (type == ValueType::F64) bits = Value::f64(static_cast<double>(static_cast<std::int32_t>(bits))).bits;
  if (type == ValueType::F32) bits = Value::f32(static_cast<float>(static_cast<std::int32_t>(bits))).bits;
  return type == ValueType::I32 ? bits & 0xffff'ffff : bits;
}

Words numbers(std::span<const ValueType> types) {
  Words out;
  for (const ValueType type : types) out.push_back(static_cast<std::uint64_t>(type));
  return out;
}

Request make_request(std::span<const std::uint8_t> bytes) {
  Choices choose(hash_of(bytes), bytes);
  test::RandomModuleOptions options;
  const std::uint64_t kinds = choose();
  options.floats = kinds % 4 != 0;
  options.table_writes = kinds / 4 % 2 != 0;
  options.segments = kinds / 8 % 2 != 0;
  options.max_locals = kinds / 16 % 4 == 0 ? 40 : 12;
  options.expression_depth = kinds / 64 % 2 == 0 ? 5 : 8;
  options.body_size = kinds / 128 % 2 == 0 ? 40 : 120;
  options.functions = 2 + static_cast<unsigned>(choose() % 4);
  test::RandomModule module = test::make_random_module(choose, options);
  Request request;
  for (const wasm::FunctionType& type : module.functions) {
    for (unsigned i = 0; i < calls_of_each_function; ++i) {
      Call& call = request.calls.emplace_back();
      call.function = request.functions.size();
      for (const ValueType param : type.params) call.arguments.push_back(argument(choose, param));
    }
    request.functions.push_back({numbers(type.params), numbers(type.results)});
  }
  request.module = std::move(module.bytes);
  request.globals = module.globals;
  request.steps = steps;
  return request;
}

template <class T>
T must(Result<T> result) {
  if (!result) give_up(result.error().message());
  return std::move(*result);
}

Words run(Engine& engine, flags::FlagSet& flags, runtime::Tier tier, const Request& request) {
  runtime::Store store = must(runtime::Store::create());
  runtime::Linker linker(store);
  const runtime::Module module = must(runtime::Module::load(engine, flags, request.module, {.tier = tier}));
  runtime::Instance instance = must(linker.instantiate(module));
  Words transcript;
  for (const Call& call : request.calls) {
    std::vector<Value> arguments;
    const Words& params = request.functions[call.function].params;
    for (std::size_t i = 0; i < params.size(); ++i) {
      arguments.push_back({static_cast<ValueType>(params[i]), call.arguments[i]});
    }
    must(instance.set_global("g0", Value::i32(static_cast<std::uint32_t>(request.steps))));
    const auto values = instance.call("f" + std::to_string(call.function), arguments);
    if (!values && values.error().code() != ErrorCode::Trap) give_up(values.error().message());
    std::optional<Words> results;
    if (values) {
      results.emplace();
      for (const Value& value : *values) results->push_back(value.bits);
    }
    Words globals;
    for (std::uint64_t i = 0; i < request.globals; ++i) {
      globals.push_back(must(instance.global("g" + std::to_string(i))).bits);
    }
    const std::span<const std::uint8_t> memory = instance.memory().bytes();
    note(transcript, results, globals, memory.data(), memory.size());
  }
  return transcript;
}

void keep(const Request& request) {
  const std::string path = "/tmp/fuzz_differential_failure.wasm";
  if (std::FILE* const file = std::fopen(path.c_str(), "wb")) {
    std::fwrite(request.module.data(), 1, request.module.size(), file);
    std::fclose(file);
    std::fprintf(stderr, "the module is in %s\n", path.c_str());
  }
}

void compare(const Request& request, const Words& wanted, const Words& got, const char* tier) {
  if (wanted == got) return;
  keep(request);
  std::size_t at = 0;
  while (at < wanted.size() && at < got.size() && wanted[at] == got[at]) ++at;
  std::fprintf(stderr, "word %zu of %zu: the interpreter has %#lx, the %s tier %#lx\n", at, wanted.size(),
               at < wanted.size() ? wanted[at] : 0, tier, at < got.size() ? got[at] : 0);
  give_up(std::string("the ") + tier + " tier and the interpreter disagree");
}

struct Host {
  InterpreterProcess interpreter{SHUNT_FUZZ_INTERPRETER};
  std::unique_ptr<Engine> engine;
  std::optional<flags::FlagSet> flags;
  unsigned used = 0;

  void prepare() {
    if (engine && used++ % inputs_of_an_engine != 0) return;
    flags.reset();
    engine.reset();
    engine = must(Engine::create({.code_reservation = std::size_t{64} << 20}));
    flags.emplace(*engine);
  }
};

}  // namespace
}  // namespace shunt::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace shunt::fuzz;
  static Host* const host = new Host;
  host->prepare();
  const Request request = make_request(std::span(data, size));
  const std::optional<Words> wanted = host->interpreter.ask(request);
  if (!wanted) return 0;
  if (wanted->size() == 1 && wanted->front() == refused) give_up("the interpreter refuses the generated module");
  compare(request, *wanted, run(*host->engine, *host->flags, shunt::runtime::Tier::Baseline, request), "baseline");
  if (shunt::runtime::has_optimising_tier()) {
    compare(request, *wanted, run(*host->engine, *host->flags, shunt::runtime::Tier::Optimising, request),
            "optimising");
  }
  return 0;
}
