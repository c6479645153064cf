#include "runtime/flags/targeting/fractional.h"

#include <bit>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace shunt::flags::targeting {
namespace {

std::uint32_t scramble(std::uint32_t block) {
  return std::rotl(block * 0xcc9e2d51U, 15) * 0x1b873593U;
}

std::uint32_t little_endian(std::string_view bytes) {
  std::uint32_t word = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) word = word << 8 | static_cast<std::uint8_t>(bytes[i]);
  return word;
}

const std::string* text_member(const Json& object, const char* name) {
  const auto it = object.is_object() ? object.find(name) : object.end();
  return it != object.end() && it->is_string() ? &it->get_ref<const std::string&>() : nullptr;
}

struct Bucket {
  const Json* value;
  std::uint64_t weight;
};

std::optional<Bucket> bucket_of(const Json& argument) {
  if (!argument.is_array() || argument.empty() || argument[0].is_structured()) return {};
  if (argument.size() < 2 || argument[1].is_null()) return Bucket{&argument[0], 1};
  if (!argument[1].is_number()) return {};
  const double weight = argument[1].get<double>();
  if (std::trunc(weight) != weight || weight > std::numeric_limits<std::int32_t>::max()) return {};
  return Bucket{&argument[0], weight < 0 ? 0 : static_cast<std::uint64_t>(weight)};
}

}  // namespace

std::uint32_t murmur3(std::string_view text) noexcept {
  std::uint32_t hash = 0;
  std::string_view rest = text;
  for (; rest.size() >= 4; rest.remove_prefix(4)) {
    hash = std::rotl(hash ^ scramble(little_endian(rest.substr(0, 4))), 13) * 5 + 0xe6546b64U;
  }
  if (!rest.empty()) hash ^= scramble(little_endian(rest));
  hash ^= static_cast<std::uint32_t>(text.size());
  hash = (hash ^ hash >> 16) * 0x85ebca6bU;
  hash = (hash ^ hash >> 13) * 0xc2b2ae35U;
  return hash ^ hash >> 16;
}

Json fractional(std::span<const Json> arguments, const Json& data) {
  if (arguments.empty()) return nullptr;
  std::string text;
  if (arguments[0].is_string()) {
    text = arguments[0].get<std::string>();
    arguments = arguments.subspan(1);
  } else {
    if (arguments[0].is_null()) arguments = arguments.subspan(1);
    const std::string* const targeting_key = text_member(data, "targetingKey");
    if (targeting_key == nullptr || targeting_key->empty()) return nullptr;
    const auto flagd = data.find("$flagd");
    const std::string* const flag_key = flagd == data.end() ? nullptr : text_member(*flagd, "flagKey");
    text = (flag_key == nullptr ? std::string() : *flag_key) + *targeting_key;
  }
  std::vector<Bucket> buckets;
  std::uint64_t total = 0;
  for (const Json& argument : arguments) {
    const auto bucket = bucket_of(argument);
    if (!bucket) return nullptr;
    buckets.push_back(*bucket);
    total += bucket->weight;
  }
  if (total == 0 || total > std::numeric_limits<std::int32_t>::max()) return nullptr;
  const std::uint64_t place = murmur3(text) * total >> 32;
  std::uint64_t end = 0;
  for (const Bucket& bucket : buckets) {
    end += bucket.weight;
    if (place < end) return *bucket.value;
  }
  return nullptr;
}

}  // namespace shunt::flags::targeting
