// gdb's JIT compilation interface (gdb manual, "JIT Compilation Interface"): a list of ELF objects in memory, and a
// function that gdb stops at each time that the list changes. lldb reads the same list.
//
// The objects hold no instructions, so gdb shows what is in memory: after a flip, the flipped instruction. It cannot
// plant software breakpoints there: they are stores, and code memory is a shared mapping that is not writable.
//
// The list and the function have fixed names that every code generator of a process may bring along. They are weak
// here: the linker takes one of each.
#pragma once

#include <memory>

#include "engine/observe/code_observer.h"

namespace shunt::detail {

std::unique_ptr<CodeObserver> make_gdb_jit(InstructionSet instruction_set);

}  // namespace shunt::detail
