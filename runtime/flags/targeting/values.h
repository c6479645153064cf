// JSON values as JsonLogic sees them: what is true, what a value is as a number or as text, what equals what. As
// JavaScript has it, except that empty arrays are false, and that arrays and objects are equal if what they hold is.
// Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "runtime/flags/targeting/json.h"

namespace shunt::flags::targeting {

// False: null, false, zero, NaN, the empty string, the empty array.
[[nodiscard]] bool truthy(const Json& value);

// JavaScript's Number(): null is 0, text is what it spells as a whole, else NaN.
[[nodiscard]] double to_number(const Json& value);
// JavaScript's parseFloat(): of text, the number that it begins with; NaN for null, booleans and the rest.
[[nodiscard]] double leading_number(const Json& value);
// A number: an integer where it is one that doubles hold exactly. NaN and infinities stay doubles; as text they are
// null.
[[nodiscard]] Json number(double value);

// JavaScript's String(): 1.0 is "1", an array is its elements with commas between them.
[[nodiscard]] std::string to_text(const Json& value);
// The same as join() has it: null is the empty string.
[[nodiscard]] std::string joined_text(const Json& value);

[[nodiscard]] bool strictly_equal(const Json& a, const Json& b);  // ===
[[nodiscard]] bool loosely_equal(const Json& a, const Json& b);   // ==
[[nodiscard]] bool less(const Json& a, const Json& b);            // text by its bytes if both are text, else numbers
[[nodiscard]] bool less_or_equal(const Json& a, const Json& b);

// How much there is to copy: values, and bytes of text by sixteens.
[[nodiscard]] std::size_t weight(const Json& value);

}  // namespace shunt::flags::targeting
