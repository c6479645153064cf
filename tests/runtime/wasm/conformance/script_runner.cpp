#include "tests/runtime/wasm/conformance/script_runner.h"

#include <nlohmann/json.hpp>
#include <stdexcept>

#include "shunt/runtime/module_file.h"
#include "tests/runtime/wasm/breakpoints/in_every_function.h"
#include "tests/runtime/wasm/conformance/values.h"

namespace shunt::test {
namespace {

using nlohmann::json;
using runtime::Value;
using runtime::ValueType;

constexpr std::string_view module_name = "module";

void expect_done(const Status& status) {
  if (!status) throw std::runtime_error("spectest: " + status.error().message());
}

// The host module that the scripts import from.
void define_spectest(runtime::Linker& linker) {
  using enum ValueType;
  const auto print = [](runtime::Caller, std::span<const Value>, std::span<Value>) -> Status { return Ok{}; };
  const std::pair<const char*, std::vector<ValueType>> prints[] = {
      {"print", {}},        {"print_i32", {I32}},          {"print_i64", {I64}},         {"print_f32", {F32}},
      {"print_f64", {F64}}, {"print_i32_f32", {I32, F32}}, {"print_f64_f64", {F64, F64}}};
  for (const auto& [name, params] : prints) linker.define_function("spectest", name, {params, {}}, print);
  expect_done(linker.define_global("spectest", "global_i32", {I32, false}, Value::i32(666)));
  expect_done(linker.define_global("spectest", "global_i64", {I64, false}, Value::i64(666)));
  expect_done(linker.define_global("spectest", "global_f32", {F32, false}, Value::f32(666.6F)));
  expect_done(linker.define_global("spectest", "global_f64", {F64, false}, Value::f64(666.6)));
  expect_done(linker.define_table("spectest", "table", {FuncRef, {10, 20, true}}));
  expect_done(linker.define_memory("spectest", "memory", {{1, 2, true}}));
}

}  // namespace

ScriptRunner::ScriptRunner(Engine& engine, flags::FlagSet& flags, std::filesystem::path directory, std::string script,
                           runtime::Tier tier, Tally& tally)
    : engine_(engine),
      flags_(flags),
      tier_(tier),
      directory_(std::move(directory)),
      script_(std::move(script)),
      tally_(tally),
      store_(runtime::Store::create()),
      linker_(store_.value()) {
  define_spectest(linker_);
}

void ScriptRunner::run(const json& commands) {
  for (const json& command : commands) {
    line_ = command.at("line");
    run_command(command);
  }
}

void ScriptRunner::run_command(const json& command) {
  const std::string type = command.at("type");
  // Malformed text never reaches a runtime: it is the text parser's matter.
  if (command.value("module_type", "binary") != "binary") return;
  if (type.starts_with("assert_")) ++tally_.run[type];
  if (type == "module") return make_module(command);
  if (type == "register") return register_module(command);
  if (type == "assert_return" || type == "action") return assert_return(command);
  if (type == "assert_trap" || type == "assert_exhaustion") return assert_trap(command);
  if (type == "assert_invalid" || type == "assert_malformed") return assert_bad_module(command);
  if (type == "assert_unlinkable") return assert_not_instantiated(command, ErrorCode::Unlinkable);
  if (type == "assert_uninstantiable") return assert_not_instantiated(command, ErrorCode::Uninstantiable);
  throw std::runtime_error(script_ + ": unknown command " + type);
}

void ScriptRunner::make_module(const json& command) {
  const Result<runtime::Module> module = load(command);
  if (!module) return fail(module.error().message());
  for (runtime::Breakpoint& breakpoint : breakpoints_under_test(*module)) breakpoints_.push_back(std::move(breakpoint));
  const Result<runtime::Instance> instance = linker_.instantiate(*module);
  if (!instance) return fail(instance.error().message());
  instances_.insert_or_assign("", *instance);
  if (command.contains("name")) instances_.insert_or_assign(command.at("name"), *instance);
}

void ScriptRunner::register_module(const json& command) {
  linker_.define_instance(std::string(command.at("as")), named(command));
}

void ScriptRunner::assert_return(const json& command) {
  const Result<std::vector<Value>> results = perform(command.at("action"));
  if (!results) return fail(results.error().message());
  if (command.at("type") == "action") return;  // whatever it returns
  if (!accepts(command.at("expected"), *results))
    fail("returned " + show(*results) + ", expected " + command.at("expected").dump());
}

void ScriptRunner::assert_trap(const json& command) {
  const Result<std::vector<Value>> results = perform(command.at("action"));
  if (results) return fail("returned " + show(*results) + ", expected a trap: " + std::string(command.at("text")));
  if (results.error().code() != ErrorCode::Trap) return fail("no trap: " + results.error().message());
  check_message(command, results.error());
}

// A reader words its messages as it likes; that it refuses is what counts.
void ScriptRunner::assert_bad_module(const json& command) {
  const Result<runtime::Module> module = load(command);
  if (module) return fail("was loaded, expected: " + std::string(command.at("text")));
  const ErrorCode code = module.error().code();
  if (code != ErrorCode::BadModule && code != ErrorCode::LimitExceeded) fail(module.error().message());
}

void ScriptRunner::assert_not_instantiated(const json& command, ErrorCode code) {
  const Result<runtime::Module> module = load(command);
  if (!module) return fail(module.error().message());
  const Result<runtime::Instance> instance = linker_.instantiate(*module);
  if (instance) return fail("was instantiated, expected: " + std::string(command.at("text")));
  // A start function that traps is a Trap for the host, too.
  if (instance.error().code() != code &&
      !(code == ErrorCode::Uninstantiable && instance.error().code() == ErrorCode::Trap)) {
    return fail(instance.error().message());
  }
  check_message(command, instance.error());
}

// "<module>: " then the expected text, as a prefix. Where the script adds detail (an element's index), our text may be
// the prefix.
void ScriptRunner::check_message(const json& command, const Error& error) {
  const std::string expected = command.at("text");
  std::string_view actual = error.message();
  actual.remove_prefix(std::min(actual.size(), module_name.size() + 2));
  if (actual.starts_with("import \"")) actual.remove_prefix(actual.rfind("\": ") + 3);
  const std::string_view what = actual.substr(0, std::min(actual.find(" in function "), actual.find(": ")));
  if (!actual.starts_with(expected) && !expected.starts_with(what))
    fail("message \"" + error.message() + "\", expected: " + expected);
}

Result<runtime::Module> ScriptRunner::load(const json& command) const {
  const Result<std::vector<std::uint8_t>> bytes =
      runtime::read_module_file((directory_ / std::string(command.at("filename"))).string());
  if (!bytes) return bytes.error();
  return runtime::Module::load(engine_, flags_, *bytes,
                               {.name = std::string(module_name),
                                .tier = tier_,
                                .hot_count = 2,
                                .debuggable = !breakpoints_under_test().empty()});
}

Result<std::vector<Value>> ScriptRunner::perform(const json& action) {
  runtime::Instance& instance = named(action);
  const std::string field = action.at("field");
  if (action.at("type") == "get") {
    const Result<Value> value = instance.global(field);
    if (!value) return value.error();
    return std::vector{*value};
  }
  std::vector<Value> arguments;
  for (const json& argument : action.at("args")) arguments.push_back(to_value(argument));
  return instance.call(field, arguments);
}

runtime::Instance& ScriptRunner::named(const json& command) {
  const bool by_name = command.contains("name") || command.contains("module");
  const std::string name = by_name ? std::string(command.at(command.contains("name") ? "name" : "module")) : "";
  const auto found = instances_.find(name);
  if (found == instances_.end())
    throw std::runtime_error(script_ + ":" + std::to_string(line_) + ": no instance " + name);
  return found->second;
}

void ScriptRunner::fail(const std::string& what) {
  tally_.failures.push_back(script_ + ":" + std::to_string(line_) + ": " + what);
}

}  // namespace shunt::test
