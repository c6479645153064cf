// Calls four loops in guests, each between the markers of tests/models/arm64/count_instructions.sh: without a flag,
// 1000 and 3000 rounds; with a flag that is off, read once a round, 1000 and 3000 rounds.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "shunt/engine.h"
#include "shunt/runtime/flags.h"
#include "shunt/runtime/instance.h"
#include "shunt/runtime/module.h"
#include "shunt/runtime/module_file.h"

namespace {

using namespace shunt::runtime;

template <class T>
T need(shunt::Result<T> result) {
  if (result) return std::move(*result);
  std::fprintf(stderr, "%s\n", result.error().message().c_str());
  std::exit(3);
}

std::string loop(const char* check) {
  return std::string(R"((module (import "flags" "rare" (func $rare (result i32))) (memory 1)
    (func (export "run") (param $rounds i32) (result i32) (local $sum i32)
      (loop $again )") +
         check + R"(
        (local.set $sum (i32.add (local.get $sum) (local.get $rounds)))
        (br_if $again (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1)))))
      (local.get $sum))))";
}

void call(Instance& run, std::uint32_t rounds) {
  const std::vector<Value> arguments = {Value::i32(rounds)};
  const Value sum = need(run.call("run", arguments)).at(0);
  if (sum.bits != rounds * (rounds + 1) / 2) std::exit(4);
}

}  // namespace

int main() {
  // The emulator that counts executes no code that is written through another mapping.
  const auto engine = need(shunt::Engine::create({.allow_writable_code = true}));
  shunt::flags::FlagSet flags(*engine);
  Store store = need(Store::create());
  Linker linker(store);
  for (const char* const check : {"", "(if (call $rare) (then (i32.store (i32.const 0) (local.get $rounds))))"}) {
    const auto bytes = need(assemble(loop(check), "loop.wat"));
    Instance run = need(linker.instantiate(need(Module::load(*engine, flags, bytes, {.name = "loop.wat"}))));
    call(run, 1);  // whatever happens but once
    for (const std::uint32_t rounds : {1000U, 3000U}) {
      asm volatile("hint #100" : : : "memory");
      call(run, rounds);
      asm volatile("hint #101" : : : "memory");
    }
  }
}
