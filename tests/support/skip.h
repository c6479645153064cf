// Skipping a test because this machine lacks a capability, named in the reason. CI has them all, so there (CI=true) it
// is a failure.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <string_view>

namespace shunt::test {

inline bool must_not_skip() {
  const char* const ci = std::getenv("CI");
  return ci != nullptr && std::string_view(ci) == "true";
}

}  // namespace shunt::test

// Ends the test function that it stands in.
#define SHUNT_SKIP_OR_FAIL(reason)                                              \
  do {                                                                          \
    if (::shunt::test::must_not_skip()) FAIL() << "CI must have: " << (reason); \
    GTEST_SKIP() << (reason);                                                   \
  } while (false)
