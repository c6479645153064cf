#include <string>

#include "shunt/runtime/module.h"

namespace shunt::runtime {
namespace {

std::string list(const std::vector<ValueType>& types) {
  std::string text = "(";
  for (const ValueType type : types) {
    if (text.size() > 1) text += ", ";
    text += to_string(type);
  }
  return text + ")";
}

std::string range(const Limits& limits) {
  return std::to_string(limits.min) + ".." + (limits.has_max ? std::to_string(limits.max) : "");
}

}  // namespace

std::string_view to_string(ValueType type) {
  constexpr std::string_view names[] = {"i32", "i64", "f32", "f64", "funcref", "externref"};
  return names[static_cast<std::size_t>(type)];
}

std::string to_string(const FunctionType& type) {
  const std::string results =
      type.results.size() == 1 ? std::string(to_string(type.results.front())) : list(type.results);
  return list(type.params) + " -> " + results;
}

std::string to_string(const ExternType& type) {
  struct Describe {
    std::string operator()(const FunctionType& function) const { return "function " + to_string(function); }
    std::string operator()(const TableType& table) const {
      return "table of " + range(table.limits) + " " + std::string(to_string(table.element));
    }
    std::string operator()(const MemoryType& memory) const { return "memory of " + range(memory.limits) + " pages"; }
    std::string operator()(const GlobalType& global) const {
      return std::string(global.is_mutable ? "mutable " : "") + "global " + std::string(to_string(global.type));
    }
  };
  return std::visit(Describe{}, type);
}

}  // namespace shunt::runtime
