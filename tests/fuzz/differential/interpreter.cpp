// The official interpreter as a process: answers requests from standard input until it ends. A fault in it is one of
// this process.
#include <sys/resource.h>

#include <memory>
#include <string>

#include "tests/fuzz/differential/exchange.h"
#include "tests/runtime/wasm/baseline/reference_machine.h"

namespace shunt::fuzz {
namespace {

using test::ReferenceMachine;

std::vector<ReferenceMachine::Type> types(const Words& numbers) {
  std::vector<ReferenceMachine::Type> out;
  for (const std::uint64_t number : numbers) out.push_back(static_cast<ReferenceMachine::Type>(number));
  return out;
}

Words answer(const Request& request) {
  std::string message;
  const std::unique_ptr<ReferenceMachine> machine = ReferenceMachine::create(request.module, message);
  if (!machine) return {refused};
  Words transcript;
  for (const Call& call : request.calls) {
    const Signature& type = request.functions[call.function];
    machine->set_global(0, static_cast<std::uint32_t>(request.steps));
    const std::optional<Words> results = machine->call(static_cast<std::uint32_t>(call.function), types(type.params),
                                                       types(type.results), call.arguments);
    Words globals;
    for (std::uint32_t i = 0; i < request.globals; ++i) globals.push_back(machine->global(i));
    const auto [memory, size] = machine->memory();
    note(transcript, results, globals, memory, size);
  }
  return transcript;
}

}  // namespace
}  // namespace shunt::fuzz

int main() {
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  while (const auto words = shunt::fuzz::receive(STDIN_FILENO)) {
    if (!shunt::fuzz::send(STDOUT_FILENO, shunt::fuzz::answer(shunt::fuzz::decode(*words)))) return 1;
  }
  return 0;
}
