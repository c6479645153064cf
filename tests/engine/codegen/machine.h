// Everything that a thread has at a site and must have behind it: registers, flags, what lies below the stack pointer
// where the platform lets code use it.
//
// Machine holds such a state; fill() makes one up, expect_kept() compares. MachineCode writes two functions:
//
//   pass_site()   int f(const Machine* before, Machine* after): becomes `before`, passes a site, stores what it then is
//                 to `after`. The site may branch to the label that it is given: 1, else 0.
//   clobber()     void f(): changes all that a function need not keep
//
// Both instruction sets' are built on every host; Machine and MachineCode are the host's.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <random>
#include <type_traits>
#include <utility>

#include "tests/engine/codegen/guest_code.h"
// After what they need.
#include "tests/engine/codegen/machine_arm64.h"
#include "tests/engine/codegen/machine_x86_64.h"

namespace shunt::test {
inline constexpr bool on_arm64 = std::is_same_v<GuestCode, Arm64GuestCode>;
using Machine = std::conditional_t<on_arm64, Arm64Machine, X86Machine>;
using MachineCode = std::conditional_t<on_arm64, Arm64MachineCode, X86MachineCode>;
}  // namespace shunt::test
