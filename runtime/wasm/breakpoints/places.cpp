// From what people write to operations.
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <utility>

#include "runtime/wasm/breakpoints/breakpoints.h"
#include "runtime/wasm/module/module_state.h"

namespace shunt::wasm {
namespace {

std::string hex(std::uint32_t offset) {
  char text[16];
  std::snprintf(text, sizeof text, "0x%04x", offset);  // as traps have it
  return text;
}

std::optional<std::uint32_t> number(std::string_view text) {
  const bool is_hex = text.starts_with("0x") || text.starts_with("0X");
  if (is_hex) text.remove_prefix(2);
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, is_hex ? 16 : 10);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

Error Breakpoints::refuse(const std::string& what) const {
  return make_error(ErrorCode::InvalidArgument, module_->data->source_name + ": " + what);
}

std::optional<std::uint32_t> Breakpoints::named(const std::string& name) const {
  const ModuleData& data = *module_->data;
  for (std::uint32_t function = 0; function < data.functions.size(); ++function) {
    if (data.display_name(function) == name) return function;
  }
  if (const ExportRecord* const record = module_->find_export(name);
      record != nullptr && record->kind == ExternKind::Function) {
    return record->index;
  }
  const std::optional<std::uint32_t> index = number(name);
  return index && *index < data.functions.size() ? index : std::nullopt;
}

Result<std::uint32_t> Breakpoints::find_function(const runtime::BreakpointPlace& place) const {
  const std::uint32_t imported = module_->data->imported_functions;
  if (!place.function.empty()) {
    const std::optional<std::uint32_t> function = named(place.function);
    if (!function) {
      return refuse("no function '" + place.function +
                    "' to set a breakpoint in; write its name as messages have it, an export of it, or its index");
    }
    if (*function < imported) return refuse("function '" + place.function + "' is imported: it has no operations here");
    return *function;
  }
  if (!place.offset) return refuse("a breakpoint needs a function or an offset");
  const auto after = std::upper_bound(bodies_.begin(), bodies_.end(), *place.offset,
                                      [](std::uint32_t offset, const Body& body) { return offset < body.offset; });
  const auto body = after == bodies_.begin() ? bodies_.end() : std::prev(after);
  if (body == bodies_.end() || *place.offset >= body->offset + body->size) {
    return refuse("byte " + hex(*place.offset) + " is in no function");
  }
  return imported + static_cast<std::uint32_t>(body - bodies_.begin());
}

Result<baseline::DebugSite*> Breakpoints::find_site(Version& version, std::optional<std::uint32_t> offset) const {
  std::deque<baseline::DebugSite>& sites = version.places.sites;
  if (!offset) return &sites.front();
  const auto here = std::lower_bound(
      sites.begin(), sites.end(), *offset,
      [](const baseline::DebugSite& site, std::uint32_t wanted) { return site.module_offset < wanted; });
  if (here != sites.end() && here->module_offset == *offset) return &*here;
  std::string near;
  if (here != sites.begin()) near = hex(std::prev(here)->module_offset);
  if (here != sites.end()) near += (near.empty() ? "" : " and ") + hex(here->module_offset);
  return refuse("no operation of function " + version.name + " that can be reached begins at byte " + hex(*offset) +
                "; the nearest begin at " + near);
}

Result<std::vector<std::uint32_t>> Breakpoints::operations(const std::string& name) {
  const Result<std::uint32_t> function = find_function({.function = name, .offset = {}});
  if (!function) return function.error();
  const std::scoped_lock one(changing_);
  Result<Version*> version = version_of(*function);
  if (!version) return std::move(version).error();
  std::vector<std::uint32_t> offsets;
  for (const baseline::DebugSite& site : (*version)->places.sites) offsets.push_back(site.module_offset);
  return offsets;
}

}  // namespace shunt::wasm

namespace shunt::runtime {

Result<BreakpointPlace> BreakpointPlace::parse(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon != std::string_view::npos) {
    if (const std::optional<std::uint32_t> offset = wasm::number(text.substr(colon + 1))) {
      return BreakpointPlace{.function = std::string(text.substr(0, colon)), .offset = offset};
    }
  }
  if (text.empty() || text.ends_with(':')) {
    return make_error(ErrorCode::InvalidArgument, "'" + std::string(text) +
                                                      "' is no place for a breakpoint: write FUNCTION, FUNCTION:0x1a2b "
                                                      "or :0x1a2b");
  }
  return BreakpointPlace{.function = std::string(text), .offset = {}};
}

}  // namespace shunt::runtime
