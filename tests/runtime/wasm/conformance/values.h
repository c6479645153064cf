// Values of the test suite's scripts, and what a script accepts as a result.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <vector>

#include "shunt/runtime/value.h"

namespace shunt::test {

// An argument: {"type": "i32", "value": "42"}; floats by their bits; references null, or a host word for externref.
runtime::Value to_value(const nlohmann::json& json);

// Whether `actual` is what {"type": "f32", "value": "nan:canonical"} and its like accept.
bool accepts(const nlohmann::json& expected, const runtime::Value& actual);
bool accepts(const nlohmann::json& expected, std::span<const runtime::Value> actual);

std::string show(std::span<const runtime::Value> values);

}  // namespace shunt::test
