// An ELF object in memory that says what published code is called: symbols and the code's address, no code.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/observe/code_observer.h"

namespace shunt::detail {

// A relocatable object of four sections: .text without contents (SHT_NOBITS) at the code's address, so that a debugger
// reads the instructions from memory as they are now; .symtab with a function for each symbol; .strtab; .shstrtab. Of
// the host's byte order. May throw std::bad_alloc.
std::vector<std::uint8_t> make_elf_image(const NamedCode& code, InstructionSet instruction_set);

}  // namespace shunt::detail
