#include "runtime/capi/types.h"

#include <algorithm>
#include <string_view>

#include "runtime/capi/errors.h"
#include "runtime/capi/vectors.h"

using shunt::wasmc::guarded;
using shunt::wasmc::taken;

wasm_functype_t::wasm_functype_t(wasm_valtype_vec_t& params_in, wasm_valtype_vec_t& results_in)
    : wasm_externtype_t(own_kind), params(taken(params_in)), results(taken(results_in)) {}

wasm_functype_t::~wasm_functype_t() {
  wasm_valtype_vec_delete(&params);
  wasm_valtype_vec_delete(&results);
}

wasm_importtype_t::~wasm_importtype_t() {
  wasm_name_delete(&module);
  wasm_name_delete(&name);
}

wasm_exporttype_t::~wasm_exporttype_t() {
  wasm_name_delete(&name);
}

namespace shunt::wasmc {
namespace {

using runtime::ValueType;

runtime::Limits limits_from(const wasm_limits_t& limits) noexcept {
  const bool has_max = limits.max != wasm_limits_max_default;
  return {.min = limits.min, .max = has_max ? limits.max : 0, .has_max = has_max};
}

// Beyond 32 bits there is nothing that this runtime can hold.
std::uint32_t clamp(std::uint64_t value) noexcept {
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(value, wasm_limits_max_default));
}

wasm_limits_t limits_of(const runtime::Limits& limits) noexcept {
  return {.min = clamp(limits.min), .max = limits.has_max ? clamp(limits.max) : wasm_limits_max_default};
}

// A vector that is freed unless it is handed on.
struct OwnedTypes {
  OwnedTypes() = default;
  ~OwnedTypes() { wasm_valtype_vec_delete(&vec); }
  OwnedTypes(const OwnedTypes&) = delete;
  OwnedTypes& operator=(const OwnedTypes&) = delete;

  void fill(const std::vector<ValueType>& types) {
    allocate(vec, types.size());
    for (std::size_t i = 0; i < types.size(); ++i) vec.data[i] = new wasm_valtype_t{kind_of(types[i])};
  }

  wasm_valtype_vec_t vec{0, nullptr};
};

struct ToC {
  std::unique_ptr<wasm_externtype_t> operator()(const runtime::FunctionType& type) const { return wasmc::to_c(type); }
  std::unique_ptr<wasm_externtype_t> operator()(const runtime::GlobalType& type) const {
    return std::make_unique<wasm_globaltype_t>(kind_of(type.type),
                                               static_cast<wasm_mutability_t>(type.is_mutable ? WASM_VAR : WASM_CONST));
  }
  std::unique_ptr<wasm_externtype_t> operator()(const runtime::TableType& type) const {
    return std::make_unique<wasm_tabletype_t>(kind_of(type.element), limits_of(type.limits));
  }
  std::unique_ptr<wasm_externtype_t> operator()(const runtime::MemoryType& type) const {
    return std::make_unique<wasm_memorytype_t>(limits_of(type.limits));
  }
};

}  // namespace

wasm_valkind_t kind_of(ValueType type) noexcept {
  switch (type) {
    case ValueType::I32:
      return WASM_I32;
    case ValueType::I64:
      return WASM_I64;
    case ValueType::F32:
      return WASM_F32;
    case ValueType::F64:
      return WASM_F64;
    case ValueType::FuncRef:
      return WASM_FUNCREF;
    case ValueType::ExternRef:
      break;
  }
  return WASM_EXTERNREF;
}

ValueType type_of(wasm_valkind_t kind) noexcept {
  switch (kind) {
    case WASM_I32:
      return ValueType::I32;
    case WASM_I64:
      return ValueType::I64;
    case WASM_F32:
      return ValueType::F32;
    case WASM_F64:
      return ValueType::F64;
    case WASM_FUNCREF:
      return ValueType::FuncRef;
    default:
      return ValueType::ExternRef;
  }
}

std::unique_ptr<wasm_externtype_t> to_c(const runtime::ExternType& type) {
  return std::visit(ToC{}, type);
}

std::unique_ptr<wasm_functype_t> to_c(const runtime::FunctionType& type) {
  OwnedTypes params, results;
  params.fill(type.params);
  results.fill(type.results);
  return std::make_unique<wasm_functype_t>(params.vec, results.vec);
}

runtime::FunctionType from_c(const wasm_functype_t& type) {
  runtime::FunctionType out;
  for (std::size_t i = 0; i < type.params.size; ++i) out.params.push_back(type_of(type.params.data[i]->kind));
  for (std::size_t i = 0; i < type.results.size; ++i) out.results.push_back(type_of(type.results.data[i]->kind));
  return out;
}

runtime::GlobalType from_c(const wasm_globaltype_t& type) noexcept {
  return {.type = type_of(type.content.kind), .is_mutable = type.mutability == WASM_VAR};
}

runtime::TableType from_c(const wasm_tabletype_t& type) noexcept {
  return {.element = type_of(type.element.kind), .limits = limits_from(type.limits)};
}

runtime::MemoryType from_c(const wasm_memorytype_t& type) noexcept {
  return {.limits = limits_from(type.limits)};
}

wasm_name_t name_of(std::string_view text) {
  wasm_name_t name;
  allocate(name, text.size());
  if (!text.empty()) std::memcpy(name.data, text.data(), text.size());
  return name;
}

}  // namespace shunt::wasmc

// The casts of one kind of externtype, which check, and what owns it.
#define SHUNT_WASM_EXTERN_TYPE(name)                                                                      \
  void wasm_##name##_delete(wasm_##name##_t* type) {                                                      \
    delete type;                                                                                          \
  }                                                                                                       \
  wasm_externtype_t* wasm_##name##_as_externtype(wasm_##name##_t* type) {                                 \
    return type;                                                                                          \
  }                                                                                                       \
  const wasm_externtype_t* wasm_##name##_as_externtype_const(const wasm_##name##_t* type) {               \
    return type;                                                                                          \
  }                                                                                                       \
  wasm_##name##_t* wasm_externtype_as_##name(wasm_externtype_t* type) {                                   \
    return type->kind == wasm_##name##_t::own_kind ? static_cast<wasm_##name##_t*>(type) : nullptr;       \
  }                                                                                                       \
  const wasm_##name##_t* wasm_externtype_as_##name##_const(const wasm_externtype_t* type) {               \
    return type->kind == wasm_##name##_t::own_kind ? static_cast<const wasm_##name##_t*>(type) : nullptr; \
  }

extern "C" {

// --- value types

wasm_valtype_t* wasm_valtype_new(wasm_valkind_t kind) {
  return guarded([&] { return new wasm_valtype_t{kind}; });
}
wasm_valtype_t* wasm_valtype_copy(const wasm_valtype_t* type) {
  return wasm_valtype_new(type->kind);
}
void wasm_valtype_delete(wasm_valtype_t* type) {
  delete type;
}
wasm_valkind_t wasm_valtype_kind(const wasm_valtype_t* type) {
  return type->kind;
}

// --- types of externs

SHUNT_WASM_EXTERN_TYPE(functype)
SHUNT_WASM_EXTERN_TYPE(globaltype)
SHUNT_WASM_EXTERN_TYPE(tabletype)
SHUNT_WASM_EXTERN_TYPE(memorytype)

wasm_functype_t* wasm_functype_new(wasm_valtype_vec_t* params, wasm_valtype_vec_t* results) {
  return guarded([&] { return new wasm_functype_t(*params, *results); });
}
wasm_functype_t* wasm_functype_copy(const wasm_functype_t* type) {
  return guarded([&] { return shunt::wasmc::to_c(shunt::wasmc::from_c(*type)).release(); });
}
const wasm_valtype_vec_t* wasm_functype_params(const wasm_functype_t* type) {
  return &type->params;
}
const wasm_valtype_vec_t* wasm_functype_results(const wasm_functype_t* type) {
  return &type->results;
}

wasm_globaltype_t* wasm_globaltype_new(wasm_valtype_t* content, wasm_mutability_t mutability) {
  const std::unique_ptr<wasm_valtype_t> owned(content);
  return guarded([&] { return new wasm_globaltype_t(content->kind, mutability); });
}
wasm_globaltype_t* wasm_globaltype_copy(const wasm_globaltype_t* type) {
  return guarded([&] { return new wasm_globaltype_t(type->content.kind, type->mutability); });
}
const wasm_valtype_t* wasm_globaltype_content(const wasm_globaltype_t* type) {
  return &type->content;
}
wasm_mutability_t wasm_globaltype_mutability(const wasm_globaltype_t* type) {
  return type->mutability;
}

wasm_tabletype_t* wasm_tabletype_new(wasm_valtype_t* element, const wasm_limits_t* limits) {
  const std::unique_ptr<wasm_valtype_t> owned(element);
  return guarded([&] { return new wasm_tabletype_t(element->kind, *limits); });
}
wasm_tabletype_t* wasm_tabletype_copy(const wasm_tabletype_t* type) {
  return guarded([&] { return new wasm_tabletype_t(type->element.kind, type->limits); });
}
const wasm_valtype_t* wasm_tabletype_element(const wasm_tabletype_t* type) {
  return &type->element;
}
const wasm_limits_t* wasm_tabletype_limits(const wasm_tabletype_t* type) {
  return &type->limits;
}

wasm_memorytype_t* wasm_memorytype_new(const wasm_limits_t* limits) {
  return guarded([&] { return new wasm_memorytype_t(*limits); });
}
wasm_memorytype_t* wasm_memorytype_copy(const wasm_memorytype_t* type) {
  return wasm_memorytype_new(&type->limits);
}
const wasm_limits_t* wasm_memorytype_limits(const wasm_memorytype_t* type) {
  return &type->limits;
}

void wasm_externtype_delete(wasm_externtype_t* type) {
  delete type;
}
wasm_externtype_t* wasm_externtype_copy(const wasm_externtype_t* type) {
  switch (type->kind) {
    case WASM_EXTERN_FUNC:
      return wasm_functype_copy(static_cast<const wasm_functype_t*>(type));
    case WASM_EXTERN_GLOBAL:
      return wasm_globaltype_copy(static_cast<const wasm_globaltype_t*>(type));
    case WASM_EXTERN_TABLE:
      return wasm_tabletype_copy(static_cast<const wasm_tabletype_t*>(type));
    default:
      return wasm_memorytype_copy(static_cast<const wasm_memorytype_t*>(type));
  }
}
wasm_externkind_t wasm_externtype_kind(const wasm_externtype_t* type) {
  return type->kind;
}

}  // extern "C"
