#include "runtime/flags/context.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "runtime/flags/targeting/rule.h"

namespace shunt::flags {

using targeting::Json;

namespace {

// Ends the parse of what is nested too deep; objects and arrays are then discarded unseen.
class DepthLimit {
 public:
  bool operator()(int depth, Json::parse_event_t event, Json&) {
    const bool opens = event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start;
    if (opens && depth >= static_cast<int>(targeting::max_depth)) *exceeded = true;
    return !*exceeded;
  }
  bool* exceeded;
};

Error invalid(std::string_view what) {
  return make_error(ErrorCode::InvalidArgument, fmt::format("evaluation context: {}", what));
}

}  // namespace

Result<Context> Context::parse(std::string_view json) {
  if (json.empty()) return Context();
  if (json.size() > max_context_bytes) return invalid("it has more than 1 MiB: make it smaller");
  bool exceeded = false;
  Json context = Json::parse(json, DepthLimit{&exceeded}, false);
  if (exceeded) return invalid(fmt::format("it is nested deeper than {}: make it flatter", targeting::max_depth));
  if (context.is_discarded()) return invalid("it is not valid JSON: write an object");
  if (!context.is_object()) return invalid("it is not an object: write one, {\"targetingKey\": \"...\"}");
  const auto key = context.find("targetingKey");
  if (key != context.end() && !key->is_string()) return invalid("'targetingKey' is not a string: write one");
  return Context(std::move(context));
}

Context::Context() : Context(Json(Json::object())) {}
Context::Context(Json&& json) : json_(std::make_unique<Json>(std::move(json))) {}
Context::~Context() = default;
Context::Context(Context&&) noexcept = default;
Context& Context::operator=(Context&&) noexcept = default;

Context Context::with(const Context& other) const {
  return other.over(*json_);
}

Context Context::over(const Json& other) const {
  Json merged = other;
  merged.update(*json_);
  return Context(std::move(merged));
}

std::string Context::text() const {
  return json_->empty() ? std::string() : json_->dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace shunt::flags
