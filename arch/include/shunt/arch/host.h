// The one choice of the host's instruction set. Nothing else in the project tests for an instruction set.
//
// Installed with the public headers, because host sites (shunt/host_site.h) are emitted by the embedder's own compiler.
#pragma once

#if defined(__x86_64__)
#define SHUNT_HOST_ARCH x86_64
#define SHUNT_HOST_ARCH_HEADER "arch/x86_64/host.h"  // what backend.h includes
#include "shunt/arch/x86_64/host_branch.h"
#elif defined(__aarch64__)
#define SHUNT_HOST_ARCH arm64
#define SHUNT_HOST_ARCH_HEADER "arch/arm64/host.h"
#include "shunt/arch/arm64/host_branch.h"
#else
#error "shunt knows x86-64 and arm64; a new instruction set is a folder in arch/ and a branch here"
#endif

namespace shunt::arch {
namespace host = SHUNT_HOST_ARCH;
}
