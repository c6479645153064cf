#include "runtime/capi/values.h"

#include <bit>
#include <string>

#include "runtime/capi/errors.h"
#include "runtime/capi/types.h"
#include "runtime/wasm/instance/extern_value.h"

namespace shunt::wasmc {
namespace {

using runtime::ValueType;

Error wrong(const char* what, const std::string& why) {
  return make_error(ErrorCode::InvalidArgument, std::string(what) + ": " + why);
}

bool is_reference(ValueType type) {
  return type == ValueType::FuncRef || type == ValueType::ExternRef;
}

}  // namespace

Result<std::uint64_t> to_word(StoreObjects& store, ValueType type, const wasm_ref_t* ref, const char* what) {
  if (ref == nullptr) return std::uint64_t{0};
  if (ref->store.get() != &store) return wrong(what, "the reference belongs to another store");
  if (type == ValueType::ExternRef) return store.word_of(ref);
  if (!wasm_func_t::is(ref->kind)) return wrong(what, "a reference that is no function, where a funcref is wanted");
  return std::uint64_t{reinterpret_cast<std::uintptr_t>(&static_cast<const wasm_func_t*>(ref)->reference)};
}

Result<std::uint64_t> to_word(StoreObjects& store, ValueType type, const wasm_val_t& value, const char* what) {
  // A reference is judged by what it refers to: wasm.h's WASM_REF_VAL gives externref as the kind of all.
  const bool fits = is_reference(type) ? wasm_valkind_is_ref(value.kind) : value.kind == kind_of(type);
  if (!fits) {
    return wrong(
        what, std::string(to_string(type_of(value.kind))) + ", where " + std::string(to_string(type)) + " is wanted");
  }
  switch (type) {
    case ValueType::I32:
      return std::uint64_t{std::bit_cast<std::uint32_t>(value.of.i32)};
    case ValueType::I64:
      return std::bit_cast<std::uint64_t>(value.of.i64);
    case ValueType::F32:
      return std::uint64_t{std::bit_cast<std::uint32_t>(value.of.f32)};
    case ValueType::F64:
      return std::bit_cast<std::uint64_t>(value.of.f64);
    case ValueType::FuncRef:
    case ValueType::ExternRef:
      break;
  }
  return to_word(store, type, value.of.ref, what);
}

std::unique_ptr<wasm_ref_t> to_reference(StoreObjects& store, ValueType type, std::uint64_t word) {
  if (word == 0) return nullptr;
  if (type == ValueType::ExternRef) return store.reference_of(word);
  const auto& reference = *reinterpret_cast<const wasm::FuncRef*>(static_cast<std::uintptr_t>(word));
  return std::make_unique<wasm_func_t>(store.shared_from_this(), reference);
}

wasm_val_t empty_value(ValueType type) noexcept {
  wasm_val_t value{};
  value.kind = kind_of(type);
  value.of.i64 = 0;
  if (is_reference(type)) value.of.ref = nullptr;
  return value;
}

wasm_val_t to_value(StoreObjects& store, ValueType type, std::uint64_t word) {
  wasm_val_t value = empty_value(type);
  switch (type) {
    case ValueType::I32:
      value.of.i32 = static_cast<std::int32_t>(static_cast<std::uint32_t>(word));
      break;
    case ValueType::I64:
      value.of.i64 = std::bit_cast<std::int64_t>(word);
      break;
    case ValueType::F32:
      value.of.f32 = std::bit_cast<float>(static_cast<std::uint32_t>(word));
      break;
    case ValueType::F64:
      value.of.f64 = std::bit_cast<double>(word);
      break;
    case ValueType::FuncRef:
    case ValueType::ExternRef:
      value.of.ref = to_reference(store, type, word).release();
      break;
  }
  return value;
}

}  // namespace shunt::wasmc

extern "C" {

void wasm_val_delete(wasm_val_t* value) {
  if (!wasm_valkind_is_ref(value->kind)) return;
  wasm_ref_delete(value->of.ref);
  value->of.ref = nullptr;
}

void wasm_val_copy(wasm_val_t* out, const wasm_val_t* value) {
  *out = *value;
  if (wasm_valkind_is_ref(value->kind)) out->of.ref = wasm_ref_copy(value->of.ref);
}

}  // extern "C"
