#include "runtime/wasm/tracing/function_patterns.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "runtime/wasm/module/module_state.h"

namespace shunt::wasm {

// After a star, what follows it is tried at each place; a later star makes an earlier one's choice final.
bool matches(std::string_view pattern, std::string_view name) {
  std::size_t at = 0, in_name = 0;
  std::size_t star = std::string_view::npos, after_star = 0;
  while (in_name < name.size()) {
    if (at < pattern.size() && pattern[at] == '*') {
      star = at++;
      after_star = in_name;
    } else if (at < pattern.size() && (pattern[at] == '?' || pattern[at] == name[in_name])) {
      ++at;
      ++in_name;
    } else if (star != std::string_view::npos) {
      at = star + 1;
      in_name = ++after_star;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', at) == std::string_view::npos;
}

namespace {

struct Name {
  std::string name;
  std::uint32_t function;
};

std::vector<Name> names_of(const ModuleState& module) {
  const ModuleData& data = *module.data;
  const auto reads_flag = [&](std::uint32_t function) {
    return function < module.flag_imports.size() && module.flag_imports[function].flag != nullptr;
  };
  std::vector<Name> names;
  const auto add = [&](std::string name, std::uint32_t function) {
    if (!name.empty() && !reads_flag(function)) names.push_back({std::move(name), function});
  };
  for (std::uint32_t i = 0; i < data.functions.size(); ++i) {
    if (i < data.function_names.size()) add(data.function_names[i], i);
    add(data.functions[i].name, i);
  }
  for (const ExportRecord& record : data.exports) {
    if (record.kind == ExternKind::Function) add(record.name, record.index);
  }
  for (std::uint32_t i = 0; i < data.functions.size(); ++i) add(fmt::format("func[{}]", i), i);
  return names;
}

std::string nothing_matches(const ModuleState& module, const std::string& pattern, const std::vector<Name>& names) {
  constexpr std::size_t shown = 8;
  std::string there;
  std::set<std::uint32_t> told;
  for (const Name& name : names) {
    if (told.size() == shown) break;
    if (!told.insert(name.function).second) continue;
    there += fmt::format("{}'{}'", there.empty() ? "" : ", ", name.name);
  }
  std::set<std::uint32_t> functions;
  for (const Name& name : names) functions.insert(name.function);
  std::string message = fmt::format("{}: no function matches '{}'", module.data->source_name, pattern);
  if (there.empty()) return message + "; the module has none";
  message += "; there are " + there;
  if (functions.size() > told.size()) message += fmt::format(" and {} more", functions.size() - told.size());
  return message + fmt::format(" (also by index, up to func[{}]; * and ? stand for any characters and for one)",
                               *functions.rbegin());
}

}  // namespace

Result<std::vector<std::uint32_t>> find_functions(const ModuleState& module, std::span<const std::string> patterns) {
  if (patterns.empty()) return std::vector<std::uint32_t>();
  const std::vector<Name> names = names_of(module);
  std::set<std::uint32_t> found;
  for (const std::string& pattern : patterns) {
    bool any = false;
    for (const Name& name : names) {
      if (!matches(pattern, name.name)) continue;
      found.insert(name.function);
      any = true;
    }
    if (!any) return make_error(ErrorCode::InvalidArgument, nothing_matches(module, pattern, names));
  }
  return std::vector<std::uint32_t>(found.begin(), found.end());
}

std::string trace_name(const ModuleData& module, std::uint32_t function) {
  if (function < module.imported_functions) {
    return module.functions[function].module + "." + module.functions[function].name;
  }
  return module.display_name(function);
}

}  // namespace shunt::wasm
