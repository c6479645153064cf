// Runs one script of the test suite, as wast2json translates it.
#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "shunt/engine.h"
#include "shunt/runtime/breakpoint.h"
#include "shunt/runtime/flags.h"
#include "shunt/runtime/instance.h"

namespace shunt::test {

struct Tally {
  std::map<std::string, std::size_t> run;  // by kind of assertion
  std::vector<std::string> failures;       // "file:line: what"
};

// One script: its own store, the host module "spectest", the modules it registers.
class ScriptRunner {
 public:
  ScriptRunner(Engine& engine, flags::FlagSet& flags, std::filesystem::path directory, std::string script,
               runtime::Tier tier, Tally& tally);
  void run(const nlohmann::json& commands);

 private:
  void run_command(const nlohmann::json& command);
  void make_module(const nlohmann::json& command);
  void register_module(const nlohmann::json& command);
  void assert_return(const nlohmann::json& command);
  void assert_trap(const nlohmann::json& command);
  void assert_bad_module(const nlohmann::json& command);
  void assert_not_instantiated(const nlohmann::json& command, ErrorCode code);

  [[nodiscard]] Result<runtime::Module> load(const nlohmann::json& command) const;
  Result<std::vector<runtime::Value>> perform(const nlohmann::json& action);
  runtime::Instance& named(const nlohmann::json& command);
  void fail(const std::string& what);
  void check_message(const nlohmann::json& command, const Error& error);

  Engine& engine_;
  flags::FlagSet& flags_;
  runtime::Tier tier_;
  std::filesystem::path directory_;
  std::string script_;
  Tally& tally_;
  Result<runtime::Store> store_;
  runtime::Linker linker_;
  std::map<std::string, runtime::Instance> instances_;  // by name; "" is the last one made
  std::vector<runtime::Breakpoint> breakpoints_;        // SHUNT_TEST_BREAKPOINTS
  int line_ = 0;
};

}  // namespace shunt::test
