// What every fuzz target is: one function that takes any bytes and returns, whatever they are.
//
// Linked with libFuzzer (the preset `fuzz`), or with replay/main.cpp, which runs the seeds and a bounded number of
// mutations in any build. A target that finds a mistake calls give_up(); a sanitizer, a signal or an assertion will do
// as well.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

// Same bytes, same behaviour: nothing that one input leaves behind may change what another does.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace shunt::fuzz {

[[noreturn]] inline void give_up(std::string_view what) {
  std::fprintf(stderr, "fuzz target: %.*s\n", static_cast<int>(what.size()), what.data());
  std::abort();
}

}  // namespace shunt::fuzz
