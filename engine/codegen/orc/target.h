// The processor that the program runs on, as a target of LLVM's. One file for each instruction set, chosen by CMake:
// LLVM's own header names the one that it was built on.
#pragma once

namespace shunt::orc {

// Code generator, writer of objects, and reader of assembly, which sites are. Thread-safe: several times is once.
void initialise_target();

}  // namespace shunt::orc
