// Sites as inline assembly: the instruction, and the record of it.
#pragma once

#include <span>
#include <string>

#include "engine/codegen/orc/site_instructions.h"

namespace shunt::orc {

// What LLVM's diagnostics report when the assembly is read.
std::string unknown_target();
std::string unknown_form();

std::string number(const void* address);

// The record of the site at "1:" (site_record.h).
std::string record(const KeyBase& key, SiteForm form, std::span<const std::string> targets);

// A detour. Its stub lies behind the code of the section that the site is in, so it lives and dies with the site's
// function. Null: no instruction set that has sites.
std::string detour(const SiteInstructions* instructions, const KeyBase& key, SiteForm form, const std::string& entry);

}  // namespace shunt::orc
