// Which names a mistyped one may have meant.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace shunt::cli {

// "; did you mean 'add'?", "; did you mean 'add' or 'adds'?": the names nearest to `name`, at most three. When none is
// near: "; there are 'a', 'b' and 7 more", or "" if there are no names.
[[nodiscard]] std::string suggestion(std::string_view name, std::span<const std::string> names);

// How many characters must be inserted, deleted, replaced or swapped with their neighbour to make `a` of `b`.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

}  // namespace shunt::cli
