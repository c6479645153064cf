// perf's jitdump: names and bytes of generated code, with the time from which on they hold.
//
//   header   magic "JiTD", version 1, header size, ELF machine, pid, time, flags
//   record   JIT_CODE_LOAD: size, time, pid, tid, address (twice), code size, index, name with its NUL, the bytes
//
// (Linux: tools/perf/Documentation/jitdump-specification.txt.) Times are CLOCK_MONOTONIC, so a profile is recorded by
// `perf record -k mono`. A page of the file is mapped executable: perf writes that mapping into the profile, and `perf
// inject --jit` finds the file by it. A record at an address where another one stands takes its place from its time on:
// so a rewritten function is written again under its name, and samples are shown with the instructions that they ran.
#pragma once

#include <memory>
#include <string>

#include "engine/observe/code_observer.h"

namespace shunt::detail {

// All engines of a process that give the same directory write to one file. Errors: SystemCall.
Result<std::unique_ptr<CodeObserver>> make_jitdump(const std::string& directory, InstructionSet instruction_set,
                                                   bool follows_flips);

}  // namespace shunt::detail
