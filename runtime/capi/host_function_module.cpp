#include "runtime/capi/host_function_module.h"

#include <string_view>

namespace shunt::wasmc {
namespace {

using runtime::ValueType;
using Bytes = std::vector<std::uint8_t>;

void append_number(Bytes& out, std::size_t value) {  // LEB128
  while (value >= 0x80) {
    out.push_back(static_cast<std::uint8_t>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<std::uint8_t>(value));
}

void append(Bytes& out, const Bytes& part) {
  out.insert(out.end(), part.begin(), part.end());
}

void append_name(Bytes& out, std::string_view name) {
  append_number(out, name.size());
  out.insert(out.end(), name.begin(), name.end());
}

std::uint8_t encoded(ValueType type) {
  switch (type) {
    case ValueType::I32:
      return 0x7f;
    case ValueType::I64:
      return 0x7e;
    case ValueType::F32:
      return 0x7d;
    case ValueType::F64:
      return 0x7c;
    case ValueType::FuncRef:
      return 0x70;
    case ValueType::ExternRef:
      break;
  }
  return 0x6f;
}

void append_types(Bytes& out, const std::vector<ValueType>& types) {
  append_number(out, types.size());
  for (const ValueType type : types) out.push_back(encoded(type));
}

void append_section(Bytes& out, std::uint8_t id, const Bytes& content) {
  out.push_back(id);
  append_number(out, content.size());
  append(out, content);
}

}  // namespace

Bytes host_function_module_bytes(const runtime::FunctionType& type) {
  constexpr std::uint8_t type_section = 1, import_section = 2, export_section = 7, function = 0;
  Bytes types{1, 0x60};  // one function type
  append_types(types, type.params);
  append_types(types, type.results);
  Bytes imports{1};
  append_name(imports, host_function_module_name);
  append_name(imports, host_function_name);
  append(imports, {function, 0});
  Bytes exports{1};
  append_name(exports, "");
  append(exports, {function, 0});

  Bytes module{0, 'a', 's', 'm', 1, 0, 0, 0};
  append_section(module, type_section, types);
  append_section(module, import_section, imports);
  append_section(module, export_section, exports);
  return module;
}

}  // namespace shunt::wasmc
