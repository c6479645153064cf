// Reads the file that a command line names as a module.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "shunt/error.h"

namespace shunt::cli {

struct ModuleFile {
  std::vector<std::uint8_t> bytes;  // binary format; text was assembled
  std::uint64_t read_ns = 0;        // to read, and to assemble
};

// Errors: InvalidArgument if the file cannot be read; BadModule if it is neither binary nor text (the message says what
// it may be instead), or its text is wrong (message: file, line, column).
Result<ModuleFile> read_module(const std::string& path);

}  // namespace shunt::cli
