// Values of guests as text: how arguments are read and results are shown.
#pragma once

#include <string>
#include <string_view>

#include "shunt/error.h"
#include "shunt/runtime/value.h"

namespace shunt::cli {

// Reads one argument:
//   i32, i64   decimal or 0x hexadecimal, signed or unsigned range
//   f32, f64   decimal, 0x hexadecimal with p exponent, inf, nan, nan:0x<payload>; each with an optional sign
//   funcref, externref   null
// Errors: InvalidArgument, a message that names the text, the type and what is wrong.
Result<runtime::Value> parse_value(std::string_view text, runtime::ValueType type);

// The shortest text that parse_value() reads back as the same bits; integers as signed decimal. References that are not
// null show as "funcref" and "externref".
[[nodiscard]] std::string format_value(const runtime::Value& value);

// Whether `text` begins like an option but is a negative number: "-1", "-.5", "-inf", "-nan:0x1".
[[nodiscard]] bool is_negative_number(std::string_view text);

}  // namespace shunt::cli
