// Values that cross the border between a host and a guest.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace shunt::runtime {

enum class ValueType : std::uint8_t { I32, I64, F32, F64, FuncRef, ExternRef };

// As in the text format: "i32", "funcref".
[[nodiscard]] std::string_view to_string(ValueType type);

// A typed value. `bits` holds i32 zero-extended, floats by their bit pattern (so NaN payloads survive), references as
// opaque words (0 = null).
struct Value {
  ValueType type = ValueType::I32;
  std::uint64_t bits = 0;

  static Value i32(std::uint32_t v) { return {ValueType::I32, v}; }
  static Value i64(std::uint64_t v) { return {ValueType::I64, v}; }
  static Value f32(float v) { return {ValueType::F32, std::bit_cast<std::uint32_t>(v)}; }
  static Value f64(double v) { return {ValueType::F64, std::bit_cast<std::uint64_t>(v)}; }
  static Value null_ref(ValueType type) { return {type, 0}; }
  static Value extern_ref(void* host) { return {ValueType::ExternRef, reinterpret_cast<std::uintptr_t>(host)}; }

  [[nodiscard]] std::int32_t as_i32() const { return static_cast<std::int32_t>(bits); }
  [[nodiscard]] std::int64_t as_i64() const { return static_cast<std::int64_t>(bits); }
  [[nodiscard]] float as_f32() const { return std::bit_cast<float>(static_cast<std::uint32_t>(bits)); }
  [[nodiscard]] double as_f64() const { return std::bit_cast<double>(bits); }
};

struct FunctionType {
  std::vector<ValueType> params, results;
  bool operator==(const FunctionType&) const = default;
};

// "(i32, i32) -> i64", "() -> ()".
[[nodiscard]] std::string to_string(const FunctionType& type);

}  // namespace shunt::runtime
