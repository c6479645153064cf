// What SiteEmitter asks of an instruction set: which form a site gets, and the instructions of its stubs. All else
// about sites in emitted code is the same for every instruction set. Either selection is built on every host.
#pragma once

#include <asmjit/core.h>

#include <cstdint>
#include <initializer_list>

#include "shunt/engine.h"

namespace shunt::detail {

struct Selection {
  InstructionSet instruction_set;

  // Of a site that branches or not, if the flags are dead there.
  SiteForm form_if_flags_are_dead;

  // The form that a site gets whose caller chose `wanted`.
  SiteForm (*form)(SiteForm wanted) noexcept;

  // The body of a detour's stub (engine/quiesce/safepoint_entry.h): calls `entry`, goes on at `resume`.
  asmjit::Error (*emit_detour)(asmjit::BaseAssembler&, const asmjit::Label& resume, std::uint64_t entry);

  // The body of a demotable site's stub: loads the 32-bit `word` with acquire and goes to `off` if it is zero, else to
  // `on`. Keeps every register and flag.
  asmjit::Error (*emit_choice)(asmjit::BaseAssembler&, std::uint64_t word, const asmjit::Label& on,
                               const asmjit::Label& off);
};

extern const Selection arm64_selection;   // arm64_selection.cpp
extern const Selection x86_64_selection;  // x86_64_selection.cpp

// Null if there is none for what the assembler emits.
inline const Selection* selection_of(asmjit::Arch arch) noexcept {
  if (arch == asmjit::Arch::kX64) return &x86_64_selection;
  return arch == asmjit::Arch::kAArch64 ? &arm64_selection : nullptr;
}

// Of instructions that were emitted one after the other. An assembler goes on after an error, and says nothing more.
inline asmjit::Error first_error(std::initializer_list<asmjit::Error> errors) noexcept {
  for (const asmjit::Error error : errors) {
    if (error != asmjit::kErrorOk) return error;
  }
  return asmjit::kErrorOk;
}

}  // namespace shunt::detail
