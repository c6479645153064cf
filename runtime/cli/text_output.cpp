#include "runtime/cli/text_output.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "runtime/cli/values.h"

namespace shunt::cli {
namespace {

double milliseconds(std::uint64_t ns) {
  return static_cast<double>(ns) / 1e6;
}
double microseconds(std::uint64_t ns) {
  return static_cast<double>(ns) / 1e3;
}

// "1 flag", "2 flags".
std::string count(std::uint64_t number, std::string_view noun) {
  return fmt::format("{} {}{}", number, noun, number == 1 ? "" : "s");
}

std::string listed(const std::vector<std::string>& names) {
  constexpr std::size_t shown = 12;
  std::string out;
  for (std::size_t i = 0; i < names.size() && i < shown; ++i) out += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > shown) out += fmt::format(" and {} more", names.size() - shown);
  return out;
}

// Rows of a table, their columns padded to the widest.
std::string table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) line += fmt::format("{}{:<{}}", i == 0 ? "" : "  ", row[i], widths[i]);
    out += line.substr(0, line.find_last_not_of(' ') + 1) + '\n';
  }
  return out;
}

// "7 patch sites, 2 of flags"
std::string sites_of(const runtime::CompileStats& stats) {
  return fmt::format("{}, {} of flags", count(stats.sites, "patch site"), stats.flag_sites);
}

std::string_view name_of(runtime::ModuleSite::Shape shape) {
  using Shape = runtime::ModuleSite::Shape;
  switch (shape) {
    case Shape::Branch:
      return "branch";
    case Shape::Select:
      return "select";
    case Shape::Value:
      return "value";
    case Shape::Other:
      break;
  }
  return "-";
}

std::string_view state_name(unsigned state) {
  constexpr std::array<std::string_view, 3> names = {"off", "on", "other"};
  return state < names.size() ? names[state] : "?";
}

}  // namespace

std::string text_error(const Error& error, std::string_view where) {
  std::string message = error.message();
  while (message.ends_with('\n')) message.pop_back();
  return fmt::format("shunt: {}{}{}", where, error.code() == ErrorCode::Trap ? "trap: " : "", message);
}

std::string text_tracing(const std::string& file, std::size_t functions) {
  return fmt::format("shunt: {}: {} traced", file, count(functions, "function"));
}

std::string text_reload(const std::string& file, const flags::Reload& reload) {
  if (!reload.result)
    return fmt::format("shunt: {}; the last good flags stay in force", reload.result.error().message());
  const flags::LoadReport& load = *reload.result;
  const std::string latency = fmt::format("{:.0f} us", microseconds(reload.latency_ns));
  if (load.changed.empty()) return fmt::format("shunt: {}: loaded in {}: no flag changed", file, latency);
  return fmt::format(
      "shunt: {}: loaded in {}: {} changed ({}), {} written (check {:.1f} us, write {:.1f} us, maintenance {:.1f} "
      "us, serialisation {:.1f} us)",
      file, latency, count(load.changed.size(), "flag"), listed(load.changed), count(load.commit.sites_written, "site"),
      microseconds(load.commit.check_ns), microseconds(load.commit.write_ns), microseconds(load.commit.maintenance_ns),
      microseconds(load.commit.serialise_ns));
}

std::string text_results(const RunReport& report) {
  std::string out;
  for (const auto& thread : report.threads) {
    if (!thread) continue;
    for (const runtime::Value& value : thread->results) out += format_value(value) + '\n';
  }
  return out;
}

std::string text_flips(const RunReport& report) {
  std::vector<std::vector<std::string>> rows;
  for (const FlipReport& flip : report.flips) {
    const FlipRecord& record = flip.record;
    rows.push_back({fmt::format("{:.6f}", static_cast<double>(record.time_ns) / 1e9),
                    fmt::format("#{}", record.generation), record.key.data(),
                    flip.function.empty() ? "-" : flip.function, fmt::format("+{:#x}", flip.offset),
                    fmt::format("{} -> {}", hex_bytes({record.before.data(), record.length}),
                                hex_bytes({record.after.data(), record.length}))});
  }
  std::string out = fmt::format("shunt: {} written, as logged", count(rows.size(), "site"));
  if (report.flips_dropped != 0) out += fmt::format("; {} earlier no longer are", report.flips_dropped);
  return out + '\n' + table(rows);
}

std::string text_stats(const RunReport& report) {
  const runtime::CompileStats& c = report.compile;
  const FlagTotals& f = report.flags;
  std::uint64_t instantiate = 0, run = 0;
  for (const auto& thread : report.threads) {
    if (!thread) continue;
    instantiate = std::max(instantiate, thread->instantiate_ns);
    run = std::max(run, thread->run_ns);
  }
  std::string out;
  out += fmt::format(
      "shunt: compiled in {:.3f} ms, {:.3g} MB/s of code section: decode and validate {:.3f} ms, generate {:.3f} ms, "
      "publish {:.3f} ms\n",
      milliseconds(c.total_ns()), megabytes_per_second(c), milliseconds(c.decode_ns), milliseconds(c.compile_ns),
      milliseconds(c.publish_ns));
  if (c.optimise_ns != 0) {
    out += fmt::format("shunt: of that, {:.3f} ms in the optimising tier\n", milliseconds(c.optimise_ns));
  }
  if (const runtime::TierStats& tiers = report.tiers; tiers.code_bytes != 0 || tiers.failed != 0) {
    out += fmt::format(
        "shunt: {} and {} optimised, {} moved over in a loop; {} of machine code, {:.3f} ms in the background, {}\n",
        count(tiers.optimised, "function"), count(tiers.loops, "loop"), count(tiers.loop_entries, "call"),
        count(tiers.code_bytes, "byte"), milliseconds(tiers.compile_ns), count(tiers.failed, "failure"));
  }
  out += fmt::format("shunt: {} of code section, {} of machine code, {}, {}\n", count(c.code_section_bytes, "byte"),
                     count(c.machine_code_bytes, "byte"), count(c.functions, "function"), sites_of(c));
  out += fmt::format("shunt: {}, {} failed; {}, {} written, {} ({})\n", count(f.loads, "flag load"), f.failed_loads,
                     count(f.flips, "flip"), count(f.sites_written, "site"),
                     count(f.serialisations, "core serialisation"), f.mechanism);
  out += fmt::format(
      "shunt: flips took: parse {:.1f} us, check {:.1f} us, write {:.1f} us, maintenance {:.1f} us, serialisation "
      "{:.1f} us\n",
      microseconds(f.parse_ns), microseconds(f.check_ns), microseconds(f.write_ns), microseconds(f.maintenance_ns),
      microseconds(f.serialise_ns));
  if (report.engine.times_thrashing != 0) {
    out += fmt::format("shunt: {}, {}, {} while demoted; demoted at the end: {}\n",
                       count(report.engine.demotions, "demotion"), count(report.engine.promotions, "promotion"),
                       count(report.engine.data_flips, "flip"),
                       report.demoted.empty() ? "none" : fmt::format("{}", fmt::join(report.demoted, ", ")));
  }
  out += fmt::format(
      "shunt: phases: read {:.3f} ms, flags {:.3f} ms, compile {:.3f} ms, instantiate {:.3f} ms, run {:.3f} ms\n",
      milliseconds(report.read_ns), milliseconds(report.flags_ns), milliseconds(c.total_ns()),
      milliseconds(instantiate), milliseconds(run));
  return out;
}

std::string text_compile(const CompileReport& report) {
  const runtime::CompileStats& c = report.fastest;
  std::string out = fmt::format("{}: compiled in {:.3f} ms, {:.3g} MB/s of code section{}\n", report.module,
                                milliseconds(c.total_ns()), megabytes_per_second(c),
                                report.runs == 1 ? "" : fmt::format(" (the fastest of {})", report.runs));
  out += fmt::format("  module               {}, {} of them code section\n", count(c.module_bytes, "byte"),
                     c.code_section_bytes);
  out += fmt::format("  machine code         {}, {}, {}\n", count(c.machine_code_bytes, "byte"),
                     count(c.functions, "function"), sites_of(c));
  out += fmt::format("  decode and validate  {:.3f} ms\n", milliseconds(c.decode_ns));
  out += fmt::format("  generate             {:.3f} ms\n", milliseconds(c.compile_ns));
  out += fmt::format("  publish              {:.3f} ms\n", milliseconds(c.publish_ns));
  if (c.optimise_ns != 0) out += fmt::format("  optimise             {:.3f} ms\n", milliseconds(c.optimise_ns));
  return out;
}

std::string text_sites(const SitesReport& report) {
  // A site of interruption looks like any other of them, and each loop has one.
  const auto interrupts = static_cast<std::size_t>(
      std::ranges::count_if(report.sites, [](const SiteReport& s) { return s.site.interrupts; }));
  std::string out =
      fmt::format("{}: {} in {} of machine code; {} of them where guests can be stopped\n", report.module,
                  count(report.sites.size(), "patch site"), count(report.machine_code_bytes, "byte"), interrupts);
  if (report.sites.size() == interrupts) return out;
  const bool has_other =
      std::ranges::any_of(report.sites, [](const SiteReport& s) { return s.instructions.size() > 2; });
  std::vector<std::vector<std::string>> rows;
  rows.push_back({"FUNCTION", "CODE", "MODULE", "FLAG", "READS", "SHAPE", "NOW", "WHILE OFF", "WHILE ON"});
  if (has_other) rows.back().emplace_back("OTHER VALUES");
  const bool has_optimised =
      std::ranges::any_of(report.sites, [](const SiteReport& s) { return s.site.tier == runtime::Tier::Optimising; });
  if (has_optimised) rows.back().insert(rows.back().begin(), "TIER");
  for (const SiteReport& s : report.sites) {
    const runtime::ModuleSite& site = s.site;
    if (site.interrupts) continue;
    const bool flag = !site.flag.empty();
    rows.push_back({site.function_name.empty() ? "-" : site.function_name, fmt::format("+{:#x}", site.code_offset),
                    flag ? fmt::format("{:#x}", site.module_offset) : "-",
                    flag ? site.flag : std::string(site.site.key->name()), flag ? s.reads : "-",
                    std::string(name_of(site.shape)), std::string(state_name(site.site.state))});
    rows.back().insert(rows.back().end(), s.instructions.begin(), s.instructions.end());
    if (has_optimised) rows.back().insert(rows.back().begin(), std::string(to_string(site.tier)));
  }
  return out + table(rows);
}

std::string text_inspect(const InspectReport& report) {
  std::string out = fmt::format("{}: {}, {}, {}\n", report.module, count(report.imports.size(), "import"),
                                count(report.exports.size(), "export"), count(report.flags.size(), "flag"));
  std::vector<std::vector<std::string>> rows;
  for (const runtime::ImportType& import : report.imports) {
    rows.push_back({"  import", fmt::format("{} {}", import.module, import.name), to_string(import.type)});
  }
  for (const runtime::ExportType& exported : report.exports) {
    rows.push_back({"  export", exported.name, to_string(exported.type)});
  }
  for (const FlagWanted& flag : report.flags) {
    rows.push_back(
        {"  flag", flag.key,
         flag.variant ? fmt::format("whether variant {} is in force", *flag.variant) : "read as " + flag.reads});
  }
  return out + table(rows);
}

}  // namespace shunt::cli
