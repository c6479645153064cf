#include "runtime/cli/flag_imports.h"

namespace shunt::cli {

bool is_flag(const runtime::ImportType& import) {
  return import.module == "flags" && std::holds_alternative<runtime::FunctionType>(import.type);
}

std::string reads_as(const runtime::ImportType& flag_import) {
  const auto& type = std::get<runtime::FunctionType>(flag_import.type);
  if (!type.params.empty()) return "string";
  return std::string(to_string(type.results.at(0)));
}

}  // namespace shunt::cli
