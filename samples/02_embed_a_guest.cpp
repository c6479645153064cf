// A host: it loads a WebAssembly guest, lends it a function, calls it, flips one of its flags, and survives its trap.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "shunt/runtime/flags.h"
#include "shunt/runtime/instance.h"
#include "shunt/runtime/module_file.h"

using namespace shunt::runtime;  // NOLINT(google-build-using-namespace)

template <class T>
T must(shunt::Result<T> result) {
  if (result) return std::move(result).value();
  std::fprintf(stderr, "%s\n", result.error().message().c_str());
  std::exit(1);
}

int main(int argc, char** argv) {
  const std::string path = argc > 1 ? argv[1] : "02_greeter.wat";
  shunt::Engine& engine = *must(shunt::Engine::process());
  shunt::flags::FlagSet flags(engine);
  const Module module = must(Module::load(engine, flags, must(read_module_file(path)), {.name = path}));

  Store store = must(Store::create());
  Linker linker(store);
  std::string printed;
  const auto print = [&](Caller caller, std::span<const Value> arguments, std::span<Value>) -> shunt::Status {
    const auto text = caller.memory().view(arguments[0].bits, arguments[1].bits);
    if (!text) return shunt::make_error(shunt::ErrorCode::Trap, "print: not in memory");  // ends the guest
    printed.assign(text->begin(), text->end());
    std::printf("the guest prints: %s\n", printed.c_str());
    return shunt::Ok{};
  };
  linker.define_function("host", "print", {{ValueType::I32, ValueType::I32}, {}}, print);
  Instance guest = must(linker.instantiate(module));

  const std::string name = "Ada";
  must(guest.memory().write(7, {reinterpret_cast<const std::uint8_t*>(name.data()), name.size()}));
  must(guest.call("greet", std::vector{Value::i32(3)}));
  bool right = printed == "Hello, Ada";

  auto report = must(flags.set("loud", true));  // one patch batch: from here on no thread takes the quiet path
  std::printf("flag `loud` set: %zu site rewritten\n", report.commit.sites_written);
  auto count = must(guest.call("greet", std::vector{Value::i32(3)}));
  right = right && printed == "Hello, Ada!" && count[0].as_i32() == 2;

  auto trap = guest.call("divide", std::vector{Value::i32(1), Value::i32(0)});
  std::printf("a trap is an error: %s\n", trap ? "none" : trap.error().message().c_str());
  return right && !trap ? 0 : 1;
}
