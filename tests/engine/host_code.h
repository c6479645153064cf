// Machine code for the instruction set that the tests run on: the few functions that they put around sites. The same
// names in tests/engine/x86_64/host_code.h and tests/engine/arm64/host_code.h; both build on every host.
#pragma once

#include "shunt/arch/host.h"
#include "tests/engine/arm64/host_code.h"
#include "tests/engine/x86_64/host_code.h"

namespace shunt::test {
using namespace SHUNT_HOST_ARCH;
}
