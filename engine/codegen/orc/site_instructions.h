// Sites and their stubs in an instruction set's own assembly: a table for each, chosen by the triple that code is
// generated for. Numeric labels, because the optimiser may make copies of a piece of assembly:
//
//   1   the site's first byte
//   2   its stub
//   3   behind the site
#pragma once

#include <llvm/TargetParser/Triple.h>

#include <string>

#include "shunt/engine.h"

namespace shunt::orc {

struct SiteInstructions {
  // The form as the instruction set has it.
  SiteForm (*form)(SiteForm wanted);

  // A site in state 0, with "1:" at its first byte; `target` is what the first target is called. Empty: there is no
  // such form.
  std::string (*site)(SiteForm form, const std::string& target);

  // A jump to a symbol.
  std::string (*jump)(const std::string& target);

  // A detour's stub (engine/quiesce/safepoint_entry.h), from "2:" on: calls `entry`, a symbol or a number, and goes on
  // at "3".
  std::string (*stub)(const std::string& entry);

  // What a site changes, as constraints of inline assembly.
  const char* clobbers;
};

extern const SiteInstructions x86_64_instructions;
extern const SiteInstructions arm64_instructions;

// Null: shunt does not know the instruction set, or its objects are no ELF files.
inline const SiteInstructions* site_instructions(const llvm::Triple& triple) {
  if (!triple.isOSBinFormatELF()) return nullptr;
  if (triple.getArch() == llvm::Triple::x86_64) return &x86_64_instructions;
  if (triple.getArch() == llvm::Triple::aarch64) return &arm64_instructions;
  return nullptr;
}

}  // namespace shunt::orc
