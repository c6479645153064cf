// The reports of the command with the JSON library, which takes seconds to compile.
#include "runtime/cli/json_output.h"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>

#include "runtime/cli/values.h"

namespace shunt::cli {
namespace {

using Json = nlohmann::ordered_json;

// Names in modules and files may hold any bytes; what is not UTF-8 shows as U+FFFD.
std::string line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json compile_json(const runtime::CompileStats& stats) {
  return {{"module_bytes", stats.module_bytes},
          {"code_section_bytes", stats.code_section_bytes},
          {"machine_code_bytes", stats.machine_code_bytes},
          {"functions", stats.functions},
          {"sites", stats.sites},
          {"flag_sites", stats.flag_sites},
          {"decode_ns", stats.decode_ns},
          {"generate_ns", stats.compile_ns},
          {"publish_ns", stats.publish_ns},
          {"optimise_ns", stats.optimise_ns},
          {"total_ns", stats.total_ns()},
          {"megabytes_per_second", megabytes_per_second(stats)}};
}

Json commit_json(const CommitReport& commit) {
  return {{"sites_written", commit.sites_written},
          {"sites_unchanged", commit.sites_unchanged},
          {"serialisations", commit.serialisations},
          {"mechanism", commit.mechanism},
          {"check_ns", commit.check_ns},
          {"write_ns", commit.write_ns},
          {"maintenance_ns", commit.maintenance_ns},
          {"serialise_ns", commit.serialise_ns}};
}

Json demotion_json(const RunReport& report) {
  return {{"times_thrashing", report.engine.times_thrashing},
          {"demotions", report.engine.demotions},
          {"promotions", report.engine.promotions},
          {"data_flips", report.engine.data_flips},
          {"demoted", report.demoted}};
}

Json tiers_json(const runtime::TierStats& tiers) {
  return {{"optimised", tiers.optimised},       {"code_bytes", tiers.code_bytes}, {"loops", tiers.loops},
          {"loop_entries", tiers.loop_entries}, {"compile_ns", tiers.compile_ns}, {"failed", tiers.failed}};
}

Json flags_json(const FlagTotals& totals) {
  return {{"loads", totals.loads},
          {"failed_loads", totals.failed_loads},
          {"flips", totals.flips},
          {"sites_written", totals.sites_written},
          {"serialisations", totals.serialisations},
          {"mechanism", totals.mechanism},
          {"parse_ns", totals.parse_ns},
          {"check_ns", totals.check_ns},
          {"write_ns", totals.write_ns},
          {"maintenance_ns", totals.maintenance_ns},
          {"serialise_ns", totals.serialise_ns}};
}

Json error_json(const Error& error) {
  return {{"code", name_of(error.code())}, {"message", error.message()}};
}

// Values as text, because JSON has no NaN, and many readers round large integers.
Json values_json(const std::vector<runtime::Value>& values) {
  Json out = Json::array();
  for (const runtime::Value& value : values) {
    out.push_back({{"type", runtime::to_string(value.type)}, {"value", format_value(value)}});
  }
  return out;
}

Json thread_json(const std::optional<GuestOutcome>& thread) {
  if (!thread) return nullptr;
  Json out = {{"exit", thread->status}};
  out["error"] = thread->error ? error_json(*thread->error) : Json(nullptr);
  out["results"] = values_json(thread->results);
  out["instantiate_ns"] = thread->instantiate_ns;
  out["run_ns"] = thread->run_ns;
  return out;
}

std::string_view shape_name(runtime::ModuleSite::Shape shape) {
  constexpr std::array<std::string_view, 4> names = {"branch", "select", "value", "other"};
  return names[static_cast<std::size_t>(shape)];
}

Json site_json(const SiteReport& report) {
  const runtime::ModuleSite& site = report.site;
  const bool flag = !site.flag.empty();
  Json out;
  out["function"] = site.function ? Json(*site.function) : Json(nullptr);
  out["function_name"] = site.function_name;
  out["tier"] = to_string(site.tier);
  out["code_offset"] = site.code_offset;
  out["length"] = site.site.length;
  out["module_offset"] = flag || site.interrupts ? Json(site.module_offset) : Json(nullptr);
  out["kind"] = flag ? "flag" : site.interrupts ? "interrupt" : "other";
  out["flag"] = flag ? Json(site.flag) : Json(nullptr);
  out["reads"] = flag ? Json(report.reads) : Json(nullptr);
  out["shape"] = shape_name(site.shape);
  out["form"] = site.site.form == SiteForm::Toggle ? "toggle" : "aligned word";
  out["state"] = site.site.state;
  out["off"] = report.instructions.at(0);
  out["on"] = report.instructions.at(1);
  if (report.instructions.size() > 2) out["other"] = report.instructions[2];
  out["now"] = report.now;
  return out;
}

}  // namespace

std::string json_error(const Error& error, std::string_view where, int status) {
  Json out = {{"event", "error"}};
  out.update(error_json(error));
  if (!where.empty()) out["where"] = where;
  out["exit"] = status;
  return line(out);
}

std::string json_warning(std::string_view text) {
  return line({{"event", "warning"}, {"message", text}});
}

std::string json_tracing(const std::string& file, std::size_t functions) {
  return line({{"event", "tracing"}, {"file", file}, {"functions", functions}});
}

std::string json_reload(const std::string& file, const flags::Reload& reload) {
  Json out = {{"event", "reload"}, {"file", file}, {"latency_us", static_cast<double>(reload.latency_ns) / 1e3}};
  if (!reload.result) {
    out["error"] = error_json(reload.result.error());
    return line(out);
  }
  out["changed"] = reload.result->changed;
  out["parse_ns"] = reload.result->parse_ns;
  out.update(commit_json(reload.result->commit));
  return line(out);
}

namespace {

Json flip_json(const FlipReport& flip) {
  const FlipRecord& record = flip.record;
  return {{"time_ns", record.time_ns},
          {"generation", record.generation},
          {"key", record.key.data()},
          {"function", flip.function.empty() ? Json(nullptr) : Json(flip.function)},
          {"code_offset", flip.offset},
          {"before", hex_bytes({record.before.data(), record.length})},
          {"after", hex_bytes({record.after.data(), record.length})}};
}

}  // namespace

std::string json_run(const RunReport& report) {
  Json out = {{"module", report.module}, {"exit", report.status}, {"threads", Json::array()}};
  for (const auto& thread : report.threads) out["threads"].push_back(thread_json(thread));
  if (report.with_stats) {
    out["stats"] = {{"read_ns", report.read_ns},
                    {"flags_ns", report.flags_ns},
                    {"compile", compile_json(report.compile)},
                    {"tiers", tiers_json(report.tiers)},
                    {"flags", flags_json(report.flags)},
                    {"demotion", demotion_json(report)}};
  }
  if (report.with_flips) {
    out["flips_dropped"] = report.flips_dropped;
    out["flips"] = Json::array();
    for (const FlipReport& flip : report.flips) out["flips"].push_back(flip_json(flip));
  }
  return line(out);
}

std::string json_compile(const CompileReport& report) {
  Json out = {{"module", report.module}, {"runs", report.runs}};
  out.update(compile_json(report.fastest));
  return line(out);
}

std::string json_sites(const SitesReport& report) {
  Json out = {{"module", report.module}, {"machine_code_bytes", report.machine_code_bytes}, {"sites", Json::array()}};
  for (const SiteReport& site : report.sites) out["sites"].push_back(site_json(site));
  return line(out);
}

std::string json_inspect(const InspectReport& report) {
  Json out = {
      {"module", report.module}, {"imports", Json::array()}, {"exports", Json::array()}, {"flags", Json::array()}};
  for (const runtime::ImportType& import : report.imports) {
    out["imports"].push_back({{"module", import.module}, {"name", import.name}, {"type", to_string(import.type)}});
  }
  for (const runtime::ExportType& exported : report.exports) {
    out["exports"].push_back({{"name", exported.name}, {"type", to_string(exported.type)}});
  }
  for (const FlagWanted& flag : report.flags) {
    out["flags"].push_back(
        {{"key", flag.key}, {"variant", flag.variant ? Json(*flag.variant) : Json(nullptr)}, {"reads", flag.reads}});
  }
  return line(out);
}

}  // namespace shunt::cli
