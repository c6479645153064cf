#include "runtime/flags/evaluation_json.h"

#include <nlohmann/json.hpp>

namespace shunt::flags {

using OrderedJson = nlohmann::ordered_json;

namespace {

// Writing JSON takes stack for each level, so what is nested deeper than this is null.
OrderedJson shallow(std::string_view text) {
  constexpr int deepest = 64;
  bool exceeded = false;
  OrderedJson out = OrderedJson::parse(
      text,
      [&](int depth, OrderedJson::parse_event_t, OrderedJson&) {
        exceeded = exceeded || depth > deepest;
        return !exceeded;
      },
      false);
  return exceeded ? OrderedJson(nullptr) : out;
}

}  // namespace

std::string json_of(std::string_view key, const Evaluation& evaluation, std::string_view set_metadata,
                    std::string_view flag_metadata) {
  OrderedJson out = {{"key", key}};
  if (evaluation.value) {
    if (evaluation.is_object) {
      out["value"] = shallow(std::get<std::string>(*evaluation.value));
    } else {
      out["value"] = std::visit([](const auto& value) { return OrderedJson(value); }, *evaluation.value);
    }
  }
  if (!evaluation.variant.empty()) out["variant"] = evaluation.variant;
  out["reason"] = to_string(evaluation.reason);
  if (evaluation.error != EvaluationError::None) {
    out["errorCode"] = to_string(evaluation.error);
    out["errorDetails"] = evaluation.message;
  }
  OrderedJson metadata = OrderedJson::object();
  for (const std::string_view text : {set_metadata, flag_metadata}) {
    const OrderedJson members = text.empty() ? OrderedJson() : shallow(text);
    if (members.is_object()) metadata.update(members);
  }
  if (!metadata.empty()) out["metadata"] = std::move(metadata);
  return out.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

}  // namespace shunt::flags
