// Reports for machines: one JSON object each, on one line, without a newline. docs/command.md lists their members.
#pragma once

#include <string>
#include <string_view>

#include "runtime/cli/report.h"
#include "shunt/runtime/flag_file.h"

namespace shunt::cli {

[[nodiscard]] std::string json_error(const Error& error, std::string_view where, int status);
[[nodiscard]] std::string json_warning(std::string_view text);
[[nodiscard]] std::string json_tracing(const std::string& file, std::size_t functions);
[[nodiscard]] std::string json_reload(const std::string& file, const flags::Reload& reload);
[[nodiscard]] std::string json_run(const RunReport& report);
[[nodiscard]] std::string json_compile(const CompileReport& report);
[[nodiscard]] std::string json_sites(const SitesReport& report);
[[nodiscard]] std::string json_inspect(const InspectReport& report);

}  // namespace shunt::cli
