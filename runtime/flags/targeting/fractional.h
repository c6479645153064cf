// flagd's fractional: the same text always falls into the same bucket, and buckets take shares by their weights.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "runtime/flags/targeting/values.h"

namespace shunt::flags::targeting {

// MurmurHash3, x86, 32 bits, seed 0 (Austin Appleby). Pure.
[[nodiscard]] std::uint32_t murmur3(std::string_view text) noexcept;

// The value of the bucket that the operation's evaluated arguments choose: [text,] [value[, weight]]...; without text,
// or where it is null, the bucket depends on flag key and targeting key, which `data` holds ("$flagd", "targetingKey").
// A weight below zero counts as zero. Null where an argument is of another kind, a weight is no whole number, the
// weights add up to zero or to more than 2^31 - 1, or there is no text to go by.
[[nodiscard]] Json fractional(std::span<const Json> arguments, const Json& data);

}  // namespace shunt::flags::targeting
