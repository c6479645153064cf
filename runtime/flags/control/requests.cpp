#include "runtime/flags/control/requests.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "runtime/flags/definition.h"
#include "runtime/flags/evaluation_json.h"

namespace shunt::flags {
namespace {

using Json = nlohmann::ordered_json;

std::string line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}
Answer refuse(std::string_view what) {
  return {line({{"error", what}}), false};
}

Json describe(const FlagSet& set, const std::string& key) {
  Json out = Json::parse(json_of(key, set.evaluate(key)), nullptr, false);
  const Targeting targeting = set.targeting(key);
  if (targeting != Targeting::None) out["targeting"] = targeting == Targeting::Differs ? "differs" : "agreed";
  return out;
}

std::optional<FlagValue> value_of(const Json& json) {
  if (json.is_boolean()) return json.get<bool>();
  if (json.is_string()) return json.get<std::string>();
  if (json.is_number_unsigned() && json.get<std::uint64_t>() > std::numeric_limits<std::int64_t>::max()) return {};
  if (json.is_number_integer()) return json.get<std::int64_t>();
  if (json.is_number_float()) return json.get<double>();
  return {};
}

Answer change(FlagSet& set, const std::string& key, const Json& request) {
  const auto member = request.find("value");
  const std::optional<FlagValue> value = member == request.end() ? std::nullopt : value_of(*member);
  if (!value) return refuse("set: it has no 'value': give a boolean, a number of 64 bits or a string");
  Result<LoadReport> report = set.set(key, *value);
  if (!report) return refuse(report.error().message());
  Json out = describe(set, key);
  out["sites_written"] = report->commit.sites_written;
  return {line(out), false};
}

}  // namespace

std::string flags_line(const FlagSet& set, const std::vector<std::string>& keys) {
  Json all = Json::array();
  for (const std::string& key : keys) all.push_back(describe(set, key));
  return line({{"flags", std::move(all)}});
}

Answer answer(FlagSet& set, std::string_view request) {
  const Json json = Json::parse(request, nullptr, false);
  if (json.is_discarded() || !json.is_object())
    return refuse("the request is not a JSON object: write {\"op\": \"list\"}");
  const auto op = json.find("op");
  const std::string name = op != json.end() && op->is_string() ? op->get<std::string>() : "";
  if (name == "list") return {flags_line(set, set.keys()), false};
  if (name == "watch") return {line({{"watching", true}}), true};
  if (name != "get" && name != "set") return refuse("the request has no 'op': write list, get, set or watch");
  const auto member = json.find("key");
  if (member == json.end() || !member->is_string())
    return refuse(fmt::format("{}: it has no 'key': name a flag", name));
  const auto key = member->get<std::string>();
  if (set.evaluate(key).error == EvaluationError::FlagNotFound) {
    return refuse(fmt::format("flag {} is not defined: name one that 'list' shows", in_quotes(key)));
  }
  return name == "set" ? change(set, key, json) : Answer{line(describe(set, key)), false};
}

}  // namespace shunt::flags
