// The WebAssembly core test suite, all of it but the vector operations: every assertion runs, and every one holds.
//
// Environment: SHUNT_WASM_TESTSUITE_DIR, the folder with the suite's scripts (default: the CMake cache variable of that
// name). SHUNT_TEST_TIER: baseline (the default), optimising. SHUNT_TEST_BREAKPOINTS:
// tests/runtime/wasm/breakpoints/in_every_function.h.
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "shunt/runtime/flags.h"
#include "tests/runtime/wasm/breakpoints/in_every_function.h"
#include "tests/runtime/wasm/conformance/script_runner.h"
#include "tests/support/skip.h"

extern char** environ;

namespace shunt::test {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t expected_scripts = 90;
const std::map<std::string, std::size_t> expected_runs = {
    {"assert_return", 21361},  {"assert_trap", 2354},         {"assert_invalid", 1475}, {"assert_malformed", 736},
    {"assert_unlinkable", 83}, {"assert_uninstantiable", 34}, {"assert_exhaustion", 15}};

std::string suite_directory() {
  const char* const named = std::getenv("SHUNT_WASM_TESTSUITE_DIR");
  return named != nullptr && *named != '\0' ? named : SHUNT_WASM_TESTSUITE_DEFAULT;
}

std::string tier_name() {
  const char* const named = std::getenv("SHUNT_TEST_TIER");
  return named != nullptr && *named != '\0' ? named : "baseline";
}

std::vector<fs::path> scripts_in(const fs::path& directory) {
  std::vector<fs::path> scripts;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory)) {
    const std::string name = entry.path().filename().string();
    if (entry.path().extension() == ".wast" && !name.starts_with("simd_")) scripts.push_back(entry.path());
  }
  std::sort(scripts.begin(), scripts.end());
  return scripts;
}

// Runs wast2json; the modules land beside `json`.
bool translate(const fs::path& script, const fs::path& json) {
  std::string program = SHUNT_WAST2JSON, input = script.string(), option = "-o", output = json.string();
  char* const arguments[] = {program.data(), input.data(), option.data(), output.data(), nullptr};
  pid_t child = 0;
  int status = 0;
  if (posix_spawn(&child, program.c_str(), nullptr, nullptr, arguments, environ) != 0) return false;
  return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void print(const Tally& tally) {
  std::size_t all = 0;
  std::cout << "conformance:";
  for (const auto& [kind, count] : tally.run) {
    std::cout << ' ' << kind << ' ' << count << ',';
    all += count;
  }
  std::cout << " together " << all << " run, " << tally.failures.size() << " failed\n";
}

TEST(Conformance, CoreTestSuite) {
  const std::string directory = suite_directory();
  if (directory.empty())
    SHUNT_SKIP_OR_FAIL("the WebAssembly core test suite: name its folder by SHUNT_WASM_TESTSUITE_DIR");
  if (!fs::exists(SHUNT_WAST2JSON)) SHUNT_SKIP_OR_FAIL("wast2json: install Debian's package wabt");
  const std::vector<fs::path> scripts = scripts_in(directory);
  EXPECT_EQ(scripts.size(), expected_scripts);

  const std::optional<runtime::Tier> tier = runtime::parse_tier(tier_name());
  ASSERT_TRUE(tier) << "SHUNT_TEST_TIER: " << tier_name();

  auto engine = Engine::create();
  ASSERT_TRUE(engine) << engine.error().message();
  flags::FlagSet flags(**engine);
  Tally tally;
  for (const fs::path& script : scripts) {
    const std::string name = script.stem().string();
    const fs::path output = fs::path(SHUNT_CONFORMANCE_BUILD_DIR) / (tier_name() + breakpoints_under_test()) / name;
    fs::create_directories(output);
    const fs::path json = output / (name + ".json");
    ASSERT_TRUE(translate(script, json)) << script;
    std::ifstream stream(json);
    ScriptRunner(**engine, flags, output, script.filename().string(), *tier, tally)
        .run(nlohmann::json::parse(stream).at("commands"));
  }
  print(tally);
  for (const std::string& failure : tally.failures) ADD_FAILURE() << failure;
  EXPECT_EQ(tally.run, expected_runs);
}

}  // namespace
}  // namespace shunt::test
