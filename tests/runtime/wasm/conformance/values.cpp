#include "tests/runtime/wasm/conformance/values.h"

#include <nlohmann/json.hpp>
#include <stdexcept>

namespace shunt::test {
namespace {

using runtime::Value;
using runtime::ValueType;

ValueType to_type(const std::string& name) {
  for (const ValueType type :
       {ValueType::I32, ValueType::I64, ValueType::F32, ValueType::F64, ValueType::FuncRef, ValueType::ExternRef}) {
    if (name == to_string(type)) return type;
  }
  throw std::runtime_error("a value of type " + name);
}

// A float is NaN if its exponent is all ones and its payload is not zero; canonical if of the payload only the highest
// bit is set; arithmetic if at least that one is.
bool is_nan(const std::string& kind, std::uint64_t bits, unsigned payload_bits, unsigned exponent_bits) {
  const std::uint64_t payload = bits & ((std::uint64_t{1} << payload_bits) - 1);
  const std::uint64_t exponent = (bits >> payload_bits) & ((std::uint64_t{1} << exponent_bits) - 1);
  const std::uint64_t quiet = std::uint64_t{1} << (payload_bits - 1);
  if (exponent != (std::uint64_t{1} << exponent_bits) - 1) return false;
  if (kind == "nan:canonical") return payload == quiet;
  if (kind == "nan:arithmetic") return (payload & quiet) != 0;
  throw std::runtime_error("a result " + kind);
}

}  // namespace

Value to_value(const nlohmann::json& json) {
  const ValueType type = to_type(json.at("type"));
  const std::string text = json.at("value");
  if (text == "null") return Value::null_ref(type);
  const std::uint64_t number = std::stoull(text);
  return {type, type == ValueType::ExternRef ? number + 1 : number};  // host word 0 is not the null reference
}

bool accepts(const nlohmann::json& expected, const Value& actual) {
  if (to_type(expected.at("type")) != actual.type) return false;
  const std::string text = expected.at("value");
  if (!text.starts_with("nan:")) return to_value(expected).bits == actual.bits;
  return actual.type == ValueType::F32 ? is_nan(text, actual.bits, 23, 8) : is_nan(text, actual.bits, 52, 11);
}

bool accepts(const nlohmann::json& expected, std::span<const Value> actual) {
  if (expected.size() != actual.size()) return false;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    if (!accepts(expected[i], actual[i])) return false;
  }
  return true;
}

std::string show(std::span<const Value> values) {
  std::string text = "[";
  for (const Value& value : values) {
    if (text.size() > 1) text += ", ";
    text += std::string(to_string(value.type)) + ":" + std::to_string(value.bits);
  }
  return text + "]";
}

}  // namespace shunt::test
