#include "chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <string_view>

namespace demo {
namespace {

// Pixels. The plot is on top, then a lane for each flag, then two rows of latencies.
constexpr double width = 1160, height = 600;
constexpr double left = 118, right = width - 28;
constexpr double plot_top = 92, plot_bottom = 372;
constexpr double lanes_top = 414, lane_pitch = 28, lane_height = 18;
constexpr double rows_top = lanes_top + 3 * lane_pitch + 18, row_pitch = 20;
constexpr double label_room = 50;  // of one latency label

constexpr std::string_view line_colour = "#2563eb", ink = "#1f2937", faint_ink = "#6b7280", grid = "#e5e7eb",
                           band_grey = "#eceef1";

// A round step that gives about five ticks up to `top`.
double tick_step(double top) {
  const double rough = top / 5, magnitude = std::pow(10, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 2.5, 5.0}) {
    if (factor * magnitude >= rough) return factor * magnitude;
  }
  return 10 * magnitude;
}

std::string latency_text(std::uint64_t ns) {
  const double micros = static_cast<double>(ns) / 1000;
  if (micros < 99.5) return fmt::format("{:.0f} µs", micros);
  return micros < 9'950 ? fmt::format("{:.2f} ms", micros / 1000) : fmt::format("{:.0f} ms", micros / 1000);
}

class Chart {
 public:
  explicit Chart(const Recording& recording) : recording_(recording) {
    double highest = 1;
    for (const Sample& sample : recording.samples) highest = std::max(highest, sample.megabytes_per_second);
    step_ = tick_step(highest * 1.05);
    top_ = std::ceil(highest * 1.05 / step_) * step_;
  }

  std::string draw() {
    add(R"(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0} {1}" width="{0}" height="{1}" )"
        R"(font-family="system-ui, 'DejaVu Sans', sans-serif" font-size="12">)"
        R"(<rect width="100%" height="100%" fill="white"/>)",
        width, height);
    titles();
    flip_lines();
    axes();
    throughput();
    lane("fast-scan", "#16a34a", 0, [](const FlagValues& v) { return v.fast_scan ? "on" : "off"; });
    lane("trace", "#d97706", 1, [](const FlagValues& v) { return v.trace ? "on" : "off"; });
    lane("slow-ms", "#7c3aed", 2, [](const FlagValues& v) { return std::to_string(v.slow_ms); });
    latencies();
    out_ += "</svg>\n";
    return std::move(out_);
  }

 private:
  template <class... Args>
  void add(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(out_), format, std::forward<Args>(args)...);
    out_ += '\n';
  }
  void text(double x, double y, std::string_view anchor, std::string_view colour, std::string_view content,
            std::string_view more = "") {
    add(R"(<text x="{:.1f}" y="{:.1f}" text-anchor="{}" fill="{}" {}>{}</text>)", x, y, anchor, colour, more, content);
  }
  [[nodiscard]] double x_of(double seconds) const {
    return left + (right - left) * std::clamp(seconds / recording_.duration, 0.0, 1.0);
  }
  [[nodiscard]] double y_of(double rate) const { return plot_bottom - (plot_bottom - plot_top) * rate / top_; }

  void titles() {
    text(28, 38, "start", ink, "Feature flags flipped inside running WebAssembly",
         R"(font-size="20" font-weight="600")");
    text(28, 61, "start", faint_ink,
         fmt::format(
             "A log analyser compiled from C, on {} threads. Each dashed line: the flag file is replaced, and the "
             "machine code is patched while it runs.",
             recording_.threads),
         R"(font-size="13")");
  }

  void axes() {
    for (double rate = 0; rate <= top_ + step_ / 2; rate += step_) {
      add(R"(<line x1="{0:.1f}" x2="{1:.1f}" y1="{2:.1f}" y2="{2:.1f}" stroke="{3}"/>)", left, right, y_of(rate), grid);
      text(left - 8, y_of(rate) + 4, "end", faint_ink, fmt::format("{:g}", rate));
    }
    text(left - 8, plot_top - 12, "end", faint_ink, "MB/s");
    const double step = tick_step(recording_.duration / 2);  // about ten ticks
    for (double at = 0; at <= recording_.duration + 1e-9; at += step) {
      add(R"(<line x1="{0:.1f}" x2="{0:.1f}" y1="{1}" y2="{2}" stroke="{3}"/>)", x_of(at), plot_bottom, plot_bottom + 5,
          faint_ink);
      text(x_of(at), plot_bottom + 19, "middle", faint_ink, fmt::format("{:g} s", at),
           R"(stroke="white" stroke-width="4" paint-order="stroke")");  // in front of the flips' lines
    }
  }

  void flip_lines() {
    for (const Flip& flip : recording_.flips) {
      add(R"(<line x1="{0:.1f}" x2="{0:.1f}" y1="{1}" y2="{2}" stroke="#9ca3af" stroke-dasharray="3 3"/>)",
          x_of(flip.seconds), plot_top, rows_top - 4);
    }
  }

  void throughput() {
    if (recording_.samples.empty()) return;
    std::string points;
    for (const Sample& sample : recording_.samples) {
      fmt::format_to(std::back_inserter(points), "{:.1f},{:.1f} ", x_of(sample.seconds - sample_interval / 2),
                     y_of(sample.megabytes_per_second));
    }
    add(R"(<polygon points="{:.1f},{} {}{:.1f},{}" fill="{}" fill-opacity="0.12"/>)",
        x_of(recording_.samples.front().seconds - sample_interval / 2), plot_bottom, points,
        x_of(recording_.samples.back().seconds - sample_interval / 2), plot_bottom, line_colour);
    add(R"(<polyline points="{}" fill="none" stroke="{}" stroke-width="2" stroke-linejoin="round"/>)", points,
        line_colour);
  }

  // One flag's value over time: a band for each stretch in which it stays the same, stronger while it is not the first
  // one.
  template <class Value>
  void lane(std::string_view name, std::string_view colour, int index, Value value_of) {
    const double y = lanes_top + index * lane_pitch;
    text(left - 8, y + 13, "end", ink, name);
    const std::string rest = value_of(FlagValues{});
    double begin = 0;
    std::string value = value_of(recording_.initial);
    const auto band = [&](double end) {
      const bool at_rest = value == rest;
      add(R"(<rect x="{:.1f}" y="{}" width="{:.1f}" height="{}" rx="3" fill="{}"/>)", x_of(begin) + 1, y,
          std::max(1.0, x_of(end) - x_of(begin) - 2), lane_height, at_rest ? band_grey : colour);
      text((x_of(begin) + x_of(end)) / 2, y + 13, "middle", at_rest ? faint_ink : "white", value, R"(font-size="11")");
    };
    for (const Flip& flip : recording_.flips) {
      const std::string next = value_of(flip.after);
      if (next == value) continue;
      band(flip.seconds);
      begin = flip.seconds;
      value = next;
    }
    band(recording_.duration);
  }

  void latencies() {
    text(left - 8, rows_top + 12, "end", ink, "file to code");
    text(left - 8, rows_top + 12 + row_pitch, "end", ink, "patching");
    double free_from = 0;
    for (const Flip& flip : recording_.flips) {
      const double x = x_of(flip.seconds);
      if (x - label_room / 2 < free_from) continue;
      free_from = x + label_room / 2;
      text(x, rows_top + 12, "middle", ink, latency_text(flip.total_ns));
      text(x, rows_top + 12 + row_pitch, "middle", faint_ink, latency_text(flip.commit_ns));
    }
    const FlipMedians medians = median_latencies(recording_);
    text(left, rows_top + 12 + 2.4 * row_pitch, "start", faint_ink,
         fmt::format("file to code: from the new file in place to every thread running the new code; median {}. "
                     "patching: its last part, at the machine code; median {}.",
                     latency_text(medians.total_ns), latency_text(medians.commit_ns)));
  }

  const Recording& recording_;
  double step_ = 0, top_ = 0;
  std::string out_;
};

}  // namespace

std::string draw_chart(const Recording& recording) {
  return Chart(recording).draw();
}

}  // namespace demo
