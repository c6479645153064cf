// Reports for people. No line ends with a newline unless it says so.
#pragma once

#include <string>
#include <string_view>

#include "runtime/cli/report.h"
#include "shunt/runtime/flag_file.h"

namespace shunt::cli {

[[nodiscard]] std::string text_error(const Error& error, std::string_view where);
[[nodiscard]] std::string text_tracing(const std::string& file, std::size_t functions);
[[nodiscard]] std::string text_reload(const std::string& file, const flags::Reload& reload);

// Whole texts, with a newline after each line.
[[nodiscard]] std::string text_results(const RunReport& report);  // one a line
[[nodiscard]] std::string text_stats(const RunReport& report);
[[nodiscard]] std::string text_flips(const RunReport& report);
[[nodiscard]] std::string text_compile(const CompileReport& report);
[[nodiscard]] std::string text_sites(const SitesReport& report);
[[nodiscard]] std::string text_inspect(const InspectReport& report);

}  // namespace shunt::cli
