#include "live_view.h"

#include <fmt/color.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

namespace demo {
namespace {

constexpr int rows = 8;           // of the picture
constexpr std::size_t axis = 11;  // columns left of it
constexpr auto rate_colour = fmt::terminal_color::bright_blue;
constexpr auto faint = fmt::terminal_color::bright_black;

std::size_t terminal_width() {
  winsize size{};
  const bool known = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return std::clamp<std::size_t>(known ? size.ws_col : 80, 40, 240);
}

const FlagValues& values_now(const Recording& recording) {
  return recording.flips.empty() ? recording.initial : recording.flips.back().after;
}

std::string describe_flip(const Flip& flip) {
  return fmt::format("{}: all threads on the new code {:.2f} ms after the file was replaced ({:.0f} µs patching {} {})",
                     describe_change(flip.before, flip.after), static_cast<double>(flip.total_ns) / 1e6,
                     static_cast<double>(flip.commit_ns) / 1e3, flip.sites, flip.sites == 1 ? "site" : "sites");
}

// Columns are samples, the newest at the right; a column in which a flip was made is marked in the last line.
class Picture {
 public:
  Picture(const Recording& recording, std::size_t columns) : recording_(recording) {
    const auto& samples = recording.samples;
    first_ = samples.size() > columns ? samples.size() - columns : 0;
    for (const Sample& sample : samples) top_ = std::max(top_, sample.megabytes_per_second);
  }

  [[nodiscard]] std::string row(int from_top) const {
    static constexpr std::string_view eighths[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    std::string bars;
    for (std::size_t i = first_; i < recording_.samples.size(); ++i) {
      const double filled = recording_.samples[i].megabytes_per_second / top_ * rows - (rows - 1 - from_top);
      bars += eighths[static_cast<int>(std::clamp(filled, 0.0, 1.0) * 8)];
    }
    const std::string label = from_top == 0 ? fmt::format("{:6.0f} MB/s", top_) : "";
    return fmt::format("{:>{}}", label, axis) + fmt::format(fmt::fg(rate_colour), "{}", bars);
  }

  [[nodiscard]] std::string flip_marks() const {
    std::string marks(axis, ' ');
    for (std::size_t i = first_; i < recording_.samples.size(); ++i) {
      const double end = recording_.samples[i].seconds;
      const bool flipped = std::any_of(recording_.flips.begin(), recording_.flips.end(), [end](const Flip& flip) {
        return flip.seconds < end && flip.seconds >= end - sample_interval;
      });
      marks += flipped ? "▲" : " ";
    }
    return fmt::format(fmt::fg(fmt::terminal_color::yellow), "{}", marks);
  }

 private:
  const Recording& recording_;
  std::size_t first_ = 0;
  double top_ = 1;
};

std::string flag_line(const FlagValues& values) {
  const auto state = [](std::string_view name, bool on) {
    const std::string text = fmt::format(" {} {} ", name, on ? "on" : "off");
    return on ? fmt::format(fmt::fg(fmt::terminal_color::black) | fmt::bg(fmt::terminal_color::green), "{}", text)
              : fmt::format(fmt::fg(faint), "{}", text);
  };
  return std::string(axis, ' ') + state("fast-scan", values.fast_scan) + "  " + state("trace", values.trace) + "  " +
         fmt::format(" slow-ms {} ", values.slow_ms);
}

}  // namespace

LiveView::LiveView() : terminal_(::isatty(STDOUT_FILENO) == 1) {
  if (terminal_) fmt::print("\x1b[?25l");  // hide the cursor
}

LiveView::~LiveView() {
  if (terminal_) std::fputs("\x1b[?25h\n", stdout);
  std::fflush(stdout);
}

void LiveView::show(const Recording& recording) {
  if (terminal_) {
    draw(recording);
  } else {
    print_lines(recording);
  }
  std::fflush(stdout);
}

void LiveView::draw(const Recording& recording) {
  const std::size_t width = terminal_width();
  const Picture picture(recording, width - axis - 1);
  std::vector<std::string> lines;
  for (int row = 0; row < rows; ++row) lines.push_back(picture.row(row));
  lines.push_back(picture.flip_marks());
  lines.push_back(flag_line(values_now(recording)));
  lines.emplace_back();
  const std::size_t shown = std::min<std::size_t>(recording.flips.size(), 3);
  for (auto flip = recording.flips.end() - static_cast<std::ptrdiff_t>(shown); flip != recording.flips.end(); ++flip) {
    // "µ" is two bytes and one column.
    const std::string text = fmt::format("{:5.1f} s  {}", flip->seconds, describe_flip(*flip));
    lines.push_back(fmt::format("{:.{}}", text, width - 1));
  }

  std::string out;
  if (lines_drawn_ > 0) out += fmt::format("\x1b[{}F", lines_drawn_);  // up to the picture's first line
  for (const std::string& line : lines) out += line + "\x1b[K\n";
  std::fputs(out.c_str(), stdout);
  lines_drawn_ = lines.size();
}

void LiveView::print_lines(const Recording& recording) {
  for (; flips_printed_ < recording.flips.size(); ++flips_printed_) {
    const Flip& flip = recording.flips[flips_printed_];
    fmt::print("{:5.1f} s  flip {}\n", flip.seconds, describe_flip(flip));
  }
  if (recording.samples.empty() || recording.samples.back().seconds < next_line_) return;
  next_line_ += 1;
  const Sample& sample = recording.samples.back();
  const FlagValues& values = values_now(recording);
  fmt::print("{:5.1f} s  {:6.0f} MB/s  fast-scan {:3}  trace {:3}  slow-ms {}\n", sample.seconds,
             sample.megabytes_per_second, values.fast_scan ? "on" : "off", values.trace ? "on" : "off", values.slow_ms);
}

}  // namespace demo
