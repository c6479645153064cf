#include "runtime/flags/evaluation_json.h"

#include <nlohmann/json.hpp>

namespace shunt::flags {

using Json = nlohmann::ordered_json;

namespace {

// Writing JSON takes stack for each level, so what is nested deeper than this is null.
Json read(std::string_view text) {
  constexpr int deepest = 64;
  bool exceeded = false;
  Json out = Json::parse(
      text,
      [&](int depth, Json::parse_event_t, Json&) {
        exceeded = exceeded || depth > deepest;
        return !exceeded;
      },
      false);
  return exceeded ? Json(nullptr) : out;
}

}  // namespace

std::string json_of(std::string_view key, const Evaluation& evaluation, std::string_view set_metadata,
                    std::string_view flag_metadata) {
  Json out = {{"key", key}};
  if (evaluation.value) {
    if (evaluation.is_object) {
      out["value"] = read(std::get<std::string>(*evaluation.value));
    } else {
      out["value"] = std::visit([](const auto& value) { return Json(value); }, *evaluation.value);
    }
  }
  if (!evaluation.variant.empty()) out["variant"] = evaluation.variant;
  out["reason"] = to_string(evaluation.reason);
  if (evaluation.error != EvaluationError::None) {
    out["errorCode"] = to_string(evaluation.error);
    out["errorDetails"] = evaluation.message;
  }
  Json metadata = Json::object();
  for (const std::string_view text : {set_metadata, flag_metadata}) {
    const Json members = text.empty() ? Json() : read(text);
    if (members.is_object()) metadata.update(members);
  }
  if (!metadata.empty()) out["metadata"] = std::move(metadata);
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace shunt::flags
