// Modules that are made to cost their host as much as possible: what loading them takes, with the default limits.
// Prints the table of docs/fuzzing.md.
//
// usage: fuzz_worst_cases [--small]     --small: a tenth of each, and fails if one takes too long or too much memory
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "shunt/engine.h"
#include "shunt/runtime/flags.h"
#include "shunt/runtime/module.h"
#include "tests/runtime/wasm/module/module_bytes.h"

namespace shunt::fuzz {
namespace {

using test::Bytes;
using test::header;
using test::one_function;

constexpr std::size_t body = 7'600'000;  // bytes; the limit is a little more

std::size_t scale = 1;
std::size_t scaled(std::size_t count) {
  return count / scale;
}

// A thousand parameters and results; the body of function 0, which has that type.
Bytes wide(const Bytes& code) {
  const Bytes type = Bytes{0x60}.number(1000).repeat(1000, {0x7f}).number(1000).repeat(1000, {0x7f});
  return header().section(1, Bytes{1}.add(type)).section(3, {1, 0}).section(10, Bytes{1}.sized(code));
}
Bytes all_arguments() {
  Bytes code;
  for (std::size_t i = 0; i < 1000; ++i) code.add({0x20}).number(i);
  return code;
}

Bytes locals_in_many_functions() {
  const std::size_t count = scaled(1'000'000) - 1;
  const Bytes function = Bytes().sized(Bytes{1}.number(50'000).add({0x7e, 0x0b}));
  return header()
      .section(1, {1, 0x60, 0, 0})
      .section(3, Bytes().number(count).repeat(count, {0}))
      .section(10, Bytes().number(count).repeat(count, function));
}
Bytes wide_calls() {
  return wide(Bytes{0}.add(all_arguments()).repeat(scaled(body - 5000) / 2, {0x10, 0}).add({0x0b}));
}
Bytes wide_calls_unreachable() {
  return wide(Bytes{0, 0x00}.repeat(scaled(body - 100) / 2, {0x10, 0}).add({0x0b}));
}
Bytes wide_branches() {
  return wide(Bytes{0}.add(all_arguments()).repeat(scaled(body - 5000) / 4, {0x20, 0, 0x0d, 0}).add({0x0b}));
}
Bytes wide_branch_tables() {
  const Bytes table = Bytes{0x20, 0, 0x0e}.number(65'520).repeat(65'521, {0});
  return wide(Bytes{0}.repeat(scaled(100), Bytes(all_arguments()).add(table)).add({0x0b}));
}
Bytes many_types() {
  const std::size_t count = scaled(1'000'000);
  return header().section(1, Bytes().number(count).repeat(count, {0x60, 2, 0x7f, 0x7e, 1, 0x7f}));
}
Bytes wide_types() {
  const std::size_t count = scaled(20'000);
  const Bytes type = Bytes{0x60}.number(1000).repeat(1000, {0x7f}).number(1000).repeat(1000, {0x7f});
  return header().section(1, Bytes().number(count).repeat(count, type));
}
Bytes many_functions() {
  const std::size_t count = scaled(1'000'000);
  return header()
      .section(1, {1, 0x60, 0, 0})
      .section(3, Bytes().number(count).repeat(count, {0}))
      .section(10, Bytes().number(count).repeat(count, {2, 0, 0x0b}));
}
Bytes many_imports() {
  const std::size_t count = scaled(1'000'000);
  return header().section(1, {1, 0x60, 0, 0}).section(2, Bytes().number(count).repeat(count, {1, 'a', 1, 'b', 0, 0}));
}
Bytes nested_blocks() {
  const std::size_t count = scaled(100'000);
  return one_function(
      Bytes{1, 1, 0x7f}.repeat(count, {0x02, 0x40}).repeat(count, {0x20, 0, 0x0d, 0, 0x0b}).add({0x0b}));
}
Bytes nested_loops() {
  const std::size_t count = scaled(100'000);
  return one_function(
      Bytes{1, 1, 0x7f}.repeat(count, {0x03, 0x40}).repeat(count, {0x20, 0, 0x0d, 0, 0x0b}).add({0x0b}));
}
Bytes nested_ifs() {
  const std::size_t count = scaled(100'000);
  return one_function(Bytes{1, 1, 0x7f}.repeat(count, {0x20, 0, 0x04, 0x40}).repeat(count, {0x05, 0x0b}).add({0x0b}));
}
Bytes operands_under_branches() {
  return one_function(Bytes{1, 1, 0x7f}
                          .repeat(scaled(49'000), {0x20, 0})
                          .repeat(scaled(800'000), {0x20, 0, 0x04, 0x40, 0x41, 1, 0x21, 0, 0x0b})
                          .add({0x00, 0x0b}));
}
Bytes operands_under_assignments() {
  return one_function(Bytes{1, 1, 0x7f}
                          .repeat(scaled(49'000), {0x20, 0})
                          .repeat(scaled(1'500'000), {0x41, 1, 0x21, 0})
                          .add({0x00, 0x0b}));
}
Bytes arithmetic() {
  return one_function(Bytes{1, 2, 0x7e}.repeat(scaled(body - 100) / 7, {0x20, 0, 0x20, 1, 0x7e, 0x21, 0}).add({0x0b}));
}
Bytes branch_table_targets() {
  const Bytes table = Bytes{0x02, 0x40, 0x20, 0, 0x0e}.number(65'520).repeat(65'521, {0}).add({0x0b});
  return one_function(Bytes{1, 1, 0x7f}.repeat(scaled(115), table).add({0x0b}));
}
Bytes elements() {
  const std::size_t count = scaled(10'000'000);
  return header()
      .section(1, {1, 0x60, 0, 0})
      .section(3, {1, 0})
      .section(9, Bytes{1, 1, 0}.number(count).repeat(count, {0}))
      .section(10, {1, 2, 0, 0x0b});
}
Bytes element_segments() {
  const std::size_t count = scaled(10'000'000);
  return header().section(9, Bytes().number(count).repeat(count, {1, 0, 0}));
}

// For the optimising tier: as large as it takes.
Bytes optimised_arithmetic() {
  return one_function(Bytes{1, 2, 0x7e}.repeat(scaled(28'000), {0x20, 0, 0x20, 1, 0x7e, 0x21, 0}).add({0x0b}));
}
Bytes optimised_branches() {
  return one_function(
      Bytes{1, 8, 0x7f}.repeat(scaled(18'000), {0x20, 0, 0x04, 0x40, 0x20, 1, 0x21, 2, 0x05, 0x0b}).add({0x0b}));
}
Bytes optimised_locals() {  // every local in every loop
  Bytes code = Bytes{1}.number(1000).add({0x7f});
  const std::size_t loops = scaled(2000);
  code.repeat(loops, {0x03, 0x40});
  for (std::size_t i = 1; i < 1000; ++i)
    code.add({0x20}).number(i).add({0x20}).number(i - 1).add({0x6a, 0x21}).number(i);
  return one_function(code.repeat(loops, {0x20, 0, 0x0d, 0, 0x0b}).add({0x0b}));
}
Bytes optimised_memory() {
  const Bytes code = Bytes{1, 2, 0x7f}
                         .repeat(scaled(12'500), {0x20, 1, 0x28, 2, 0, 0x21, 1, 0x20, 0, 0x20, 1, 0x36, 2, 4})
                         .add({0x0b});
  return header()
      .section(1, {1, 0x60, 0, 0})
      .section(3, {1, 0})
      .section(5, {1, 0, 1})
      .section(10, Bytes{1}.sized(code));
}
Bytes optimised_calls() {
  return one_function(Bytes{0}.repeat(scaled(90'000), {0x10, 0}).add({0x0b}));
}

struct Case {
  const char* name;
  std::function<Bytes()> make;
  runtime::Tier tier = runtime::Tier::Baseline;
};

const Case cases[] = {
    {"50,000 locals in each of many functions", locals_in_many_functions},
    {"calls of 1,000 parameters and results", wide_calls},
    {"the same, unreachable", wide_calls_unreachable},
    {"branches that take 1,000 values", wide_branches},
    {"br_table of 65,520 labels that take 1,000 values", wide_branch_tables},
    {"br_table of 65,520 labels, in 7.6 MB", branch_table_targets},
    {"1,000,000 types", many_types},
    {"20,000 types of 2,000 values", wide_types},
    {"1,000,000 functions", many_functions},
    {"1,000,000 imports", many_imports},
    {"100,000 nested blocks", nested_blocks},
    {"100,000 nested loops", nested_loops},
    {"100,000 nested ifs", nested_ifs},
    {"ifs over 49,000 operands", operands_under_branches},
    {"assignments under 49,000 operands", operands_under_assignments},
    {"arithmetic, 7.6 MB in one function", arithmetic},
    {"10,000,000 elements", elements},
    {"10,000,000 element segments", element_segments},
    {"optimised: arithmetic, 200 KB", optimised_arithmetic, runtime::Tier::Optimising},
    {"optimised: ifs, 180 KB", optimised_branches, runtime::Tier::Optimising},
    {"optimised: 1,000 locals in 2,000 loops", optimised_locals, runtime::Tier::Optimising},
    {"optimised: loads and stores, 175 KB", optimised_memory, runtime::Tier::Optimising},
    {"optimised: calls, 180 KB", optimised_calls, runtime::Tier::Optimising},
};

// What a load told its parent.
struct Outcome {
  double seconds = 0;
  long before_kb = 0, peak_kb = 0;
  std::size_t code_bytes = 0;
  char message[160] = {};
};

long peak_kb() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  return used.ru_maxrss;
}

void load(const Case& one, const std::vector<std::uint8_t>& bytes, int pipe) {
  Outcome outcome;
  auto engine = Engine::create();
  if (!engine) _exit(1);
  flags::FlagSet flags(**engine);
  outcome.before_kb = peak_kb();
  const auto start = std::chrono::steady_clock::now();
  {
    const auto module = runtime::Module::load(**engine, flags, bytes, {.name = "m", .tier = one.tier});
    outcome.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (module) {
      outcome.code_bytes = module->stats().machine_code_bytes;
    } else {
      std::strncpy(outcome.message, module.error().message().c_str(), sizeof outcome.message - 1);
    }
  }
  outcome.peak_kb = peak_kb();
  if (write(pipe, &outcome, sizeof outcome) != sizeof outcome) _exit(1);
  _exit(0);
}

// Each in a process of its own, so that its memory is its own.
bool measure(const Case& one, double most_seconds, long most_mb) {
  std::array<int, 2> ends{};
  if (pipe(ends.data()) != 0) return false;
  const std::vector<std::uint8_t> bytes = one.make().get();
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) load(one, bytes, ends[1]);
  close(ends[1]);
  Outcome outcome;
  const bool ended = read(ends[0], &outcome, sizeof outcome) == sizeof outcome;
  close(ends[0]);
  waitpid(child, nullptr, 0);
  if (!ended) {
    std::printf("| %s | %.1f | died | | | |\n", one.name, static_cast<double>(bytes.size()) / 1e6);
    return false;
  }
  const long mb = (outcome.peak_kb - outcome.before_kb) / 1024;
  std::string_view message = outcome.message;
  if (const std::size_t limit = message.find("ModuleLimits::"); limit != std::string_view::npos) {
    message = message.substr(limit + 14, message.find(')', limit) - limit - 14);
  }
  std::printf("| %s | %.1f | %.2f | %ld | %.1f | %.*s |\n", one.name, static_cast<double>(bytes.size()) / 1e6,
              outcome.seconds, mb, static_cast<double>(outcome.code_bytes) / 1e6, static_cast<int>(message.size()),
              message.data());
  return outcome.seconds < most_seconds && mb < most_mb;
}

int run(bool small, const char* only) {
  if (small) scale = 10;
  std::puts("| module | MB | seconds | MB of memory | MB of code | refused by |\n|---|---|---|---|---|---|");
  bool good = true;
  for (const Case& one : cases) {
    if (only != nullptr && std::strstr(one.name, only) == nullptr) continue;
    if (one.tier == runtime::Tier::Optimising && !runtime::has_optimising_tier()) continue;
    if (!measure(one, small ? 20 : 120, small ? 1500 : 4000)) {
      std::printf("FAILED: %s\n", one.name);
      good = false;
    }
  }
  return good ? 0 : 1;
}

}  // namespace
}  // namespace shunt::fuzz

int main(int argc, char** argv) {
  const bool small = argc > 1 && std::string_view(argv[1]) == "--small";
  return shunt::fuzz::run(small, argc > (small ? 2 : 1) ? argv[argc - 1] : nullptr);
}
