// Which machine this is: the cache traits that the engine sees, and that core serialisation is membarrier's. Where
// SHUNT_MACHINE_TRAITS says what the traits have to be ("IDC 0 DIC 0"), they are compared.
#include <gtest/gtest.h>
#include <sys/utsname.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include "arch/backend.h"
#include "shunt/engine.h"
#include "tests/engine/flips_under_threads.h"
#include "tests/engine/serialised.h"

namespace shunt::test {
namespace {

std::string traits_in_words(const arch::CacheTraits& traits) {
  return std::string("IDC ") + (traits.clean_data ? "0" : "1") + " DIC " + (traits.invalidate_instruction ? "0" : "1");
}

TEST(Machine, HasTheCacheTraitsThatItWasBootedWith) {
  const arch::CacheTraits traits = arch::host::host_cache_traits();
  const std::string found = traits_in_words(traits);
  utsname system{};
  uname(&system);
  std::printf("machine: %s, lines %u/%u, Linux %s, %u CPUs\n", found.c_str(), traits.instruction_line, traits.data_line,
              system.release, std::thread::hardware_concurrency());
  const char* const wanted = std::getenv("SHUNT_MACHINE_TRAITS");
  if (wanted != nullptr) {
    EXPECT_EQ(found, wanted);
  }
  for (const unsigned line : {traits.instruction_line, traits.data_line}) {
    EXPECT_GE(line, 16U);
    EXPECT_LE(line, 2048U);
  }
}

TEST(Machine, SerialisesByMembarrierUnlessToldOtherwise) {
  auto engine = Engine::create();
  ASSERT_TRUE(engine) << engine.error().message();
  EXPECT_EQ(flips_under_threads(**engine, "membarrier", 200), "");
  std::printf("machine: 200 flips under threads, %s\n", serialised(**engine).c_str());
}

}  // namespace
}  // namespace shunt::test
