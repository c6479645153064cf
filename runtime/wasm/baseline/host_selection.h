// The one choice of the host's instruction selection. Both are built on every host.
#pragma once

#include <asmjit/core.h>

#include <type_traits>

#include "runtime/wasm/baseline/arm64_selection.h"
#include "runtime/wasm/baseline/x86_64_selection.h"

namespace shunt::wasm::baseline {

static_assert(asmjit::Arch::kHost == asmjit::Arch::kX64 || asmjit::Arch::kHost == asmjit::Arch::kAArch64,
              "a new instruction set is a class that is a Selection, and a branch here");

using HostSelection = std::conditional_t<asmjit::Arch::kHost == asmjit::Arch::kAArch64, Arm64Selection, X86Selection>;

}  // namespace shunt::wasm::baseline
