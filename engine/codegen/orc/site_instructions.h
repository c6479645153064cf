// A site in an instruction set's own assembly. One file for each, chosen by the triple that code is generated for.
#pragma once

#include <llvm/TargetParser/Triple.h>

#include <string>

#include "shunt/engine.h"

namespace shunt::orc {

// The assembly of a site in state 0, with "1:" at its first byte; `target` is what the first target is called in it.
// Empty if the instruction set is not known, or has no such form.
std::string site_instruction(const llvm::Triple& triple, SiteForm form, const std::string& target);

// The assembly of a detour's stub, with "2:" at its first byte: calls `entry`, whose conventions are those of
// engine/quiesce/safepoint_entry.h, and goes on at "3:".
std::string detour_stub(const llvm::Triple& triple, std::uint64_t entry);

// The form as the instruction set has it.
SiteForm form_on(const llvm::Triple& triple, SiteForm form);

// What the instruction destroys, as constraints of inline assembly.
const char* site_clobbers(const llvm::Triple& triple);

}  // namespace shunt::orc
