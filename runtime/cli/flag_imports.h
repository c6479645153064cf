// The flags that a module imports, by their types.
#pragma once

#include <string>

#include "runtime/cli/report.h"
#include "shunt/runtime/module.h"

namespace shunt::cli {

[[nodiscard]] bool is_flag(const runtime::ImportType& import);

// How a flag import is read: "i32", "i64", "f64" or "string". Precondition: the module was loaded, so its flag imports
// are well-typed.
[[nodiscard]] std::string reads_as(const runtime::ImportType& flag_import);

}  // namespace shunt::cli
