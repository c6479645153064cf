// The demo: a log analyser compiled from C runs on several threads, and its feature flags flip from a file while it
// works. Shows throughput over time, writes it as a picture, and checks every report that a guest gave.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <deque>
#include <exception>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "chart.h"
#include "check.h"
#include "flag_file.h"
#include "live_view.h"
#include "log_generator.h"
#include "recording.h"
#include "shunt/engine.h"
#include "shunt/runtime/flag_file.h"
#include "shunt/runtime/flags.h"
#include "shunt/runtime/module.h"
#include "shunt/runtime/module_file.h"
#include "workers.h"

namespace demo {
namespace {

struct Options {
  std::string guest, folder = ".";
  double seconds = 20;
  unsigned threads = std::max(1U, std::thread::hardware_concurrency());
  unsigned log_megabytes = 100;
};

// Flag values, each in force for the same share of the time.
constexpr std::array<FlagValues, 15> script = {{
    {false, false, 1000},
    {true, false, 1000},
    {true, true, 1000},
    {true, false, 1000},
    {true, false, 50},
    {false, false, 50},
    {false, true, 50},
    {true, false, 50},  // two flags in one batch
    {true, false, 1000},
    {true, true, 1000},
    {true, false, 250},
    {false, false, 1000},
    {true, false, 1000},
    {true, true, 50},
    {true, false, 1000},
}};

template <class T>
T must(shunt::Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message());
  return *std::move(result);
}

// The versions of the flag file that the runtime loaded, as they come.
class Reloads {
 public:
  struct Done {
    Clock::time_point when;
    shunt::Result<shunt::flags::LoadReport> result;
  };
  void add(const shunt::flags::Reload& reload) {
    const Clock::time_point now = Clock::now();
    const std::lock_guard lock(mutex_);
    done_.push_back({now, reload.result});
  }
  std::optional<Done> take() {
    const std::lock_guard lock(mutex_);
    if (done_.empty()) return std::nullopt;
    Done first = std::move(done_.front());
    done_.pop_front();
    return first;
  }

 private:
  std::mutex mutex_;  // protects done_
  std::deque<Done> done_;
};

// Measures and flips, from one thread: a sample every tenth of a second, the next flag values when they are due.
class Show {
 public:
  Show(const Options& options, std::string flag_path, Reloads& reloads)
      : options_(options), flag_path_(std::move(flag_path)), reloads_(reloads) {
    recording_.duration = options.seconds;
    recording_.threads = options.threads;
    recording_.initial = script[0];
    thresholds_.push_back({{}, {}, script[0].slow_ms});
  }

  void run(const Workers& workers) {
    begin_ = Clock::now();
    LiveView view;
    std::uint64_t bytes_before = workers.bytes_read();
    Clock::time_point sampled = begin_;
    const auto ticks = static_cast<int>(std::lround(options_.seconds / sample_interval));
    for (int tick = 1; tick <= ticks && !workers.failed(); ++tick) {
      std::this_thread::sleep_until(at(tick * sample_interval));
      collect_reloads();
      const std::uint64_t bytes_now = workers.bytes_read();
      const Clock::time_point now = Clock::now();
      const double took = std::chrono::duration<double>(now - sampled).count();
      recording_.samples.push_back({seconds_of(now), static_cast<double>(bytes_now - bytes_before) / 1e6 / took});
      bytes_before = bytes_now;
      sampled = now;
      view.show(recording_);
      flip_if_due(tick, ticks);
    }
    collect_reloads();
  }

  [[nodiscard]] const Recording& recording() const { return recording_; }
  [[nodiscard]] const std::vector<Threshold>& thresholds() const { return thresholds_; }
  [[nodiscard]] std::size_t flips_without_answer() const { return pending_.size(); }

 private:
  struct Pending {
    Clock::time_point written;
    FlagValues before, after;
  };

  [[nodiscard]] Clock::time_point at(double seconds) const {
    return begin_ + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  }
  [[nodiscard]] double seconds_of(Clock::time_point when) const {
    return std::chrono::duration<double>(when - begin_).count();
  }

  void flip_if_due(int tick, int ticks) {
    const auto due = static_cast<std::size_t>(tick) * script.size() / static_cast<std::size_t>(ticks);
    if (due <= scene_ || due >= script.size()) return;
    const FlagValues before = script[scene_];
    scene_ = due;
    pending_.push_back({Clock::now(), before, script[scene_]});
    write_flag_file(flag_path_, script[scene_]);
  }

  void collect_reloads() {
    while (std::optional<Reloads::Done> done = reloads_.take()) {
      const shunt::flags::LoadReport report = must(std::move(done->result));
      if (pending_.empty()) throw std::runtime_error("the flag file was loaded once more than it was written");
      const Pending flip = pending_.front();
      pending_.pop_front();
      const auto total = std::chrono::duration_cast<std::chrono::nanoseconds>(done->when - flip.written).count();
      const shunt::CommitReport& commit = report.commit;
      recording_.flips.push_back({seconds_of(flip.written), flip.before, flip.after, static_cast<std::uint64_t>(total),
                                  commit.check_ns + commit.write_ns + commit.maintenance_ns + commit.serialise_ns,
                                  commit.sites_written});
      thresholds_.push_back({flip.written, done->when, flip.after.slow_ms});
    }
  }

  const Options& options_;
  std::string flag_path_;
  Reloads& reloads_;
  Recording recording_;
  std::vector<Threshold> thresholds_;
  std::deque<Pending> pending_;
  std::size_t scene_ = 0;
  Clock::time_point begin_;
};

void print_summary(const Recording& recording, std::size_t passes, const std::string& picture) {
  const FlipMedians medians = median_latencies(recording);
  fmt::print("\nguests       {} runs over the log on {} threads, every report right\n", passes, recording.threads);
  fmt::print("throughput   {:.0f} MB/s; with fast-scan {:.0f} MB/s; with fast-scan and trace {:.0f} MB/s\n",
             mean_throughput(recording, false, false), mean_throughput(recording, true, false),
             mean_throughput(recording, true, true));
  fmt::print("flips        {}; median {:.2f} ms from the file being replaced to every thread running the new code,\n",
             recording.flips.size(), static_cast<double>(medians.total_ns) / 1e6);
  fmt::print("             of it {:.0f} µs patching machine code\n", static_cast<double>(medians.commit_ns) / 1e3);
  fmt::print("picture      {}\n", picture);
}

int run(const Options& options) {
  std::filesystem::create_directories(options.folder);
  const std::string log_path = options.folder + "/access.log", flag_path = options.folder + "/flags.json",
                    trace_path = options.folder + "/trace.log", picture_path = options.folder + "/throughput.svg";
  const LogFacts facts = generate_log(log_path, options.log_megabytes * std::uint64_t{1'000'000}, 1);
  fmt::print("log          {}: {} requests, {} MB\n", log_path, facts.figures.at("lines"), options.log_megabytes);
  std::filesystem::remove(trace_path);
  write_flag_file(flag_path, script[0]);

  shunt::Engine& engine = *must(shunt::Engine::process());
  shunt::flags::FlagSet flags(engine);
  Reloads reloads;
  const auto source = must(shunt::flags::FileSource::start(
      flags, flag_path, [&reloads](const shunt::flags::Reload& reload) { reloads.add(reload); }));
  const auto module = must(shunt::runtime::Module::load(
      engine, flags, must(shunt::runtime::read_module_file(options.guest)), {options.guest}));
  const shunt::runtime::CompileStats& stats = module.stats();
  fmt::print("guest        {}: {} functions compiled in {:.1f} ms, {} flag sites\n", options.guest, stats.functions,
             static_cast<double>(stats.total_ns()) / 1e6, stats.flag_sites);
  fmt::print("flags        {}, watched by {}\n\n", flag_path, source->mechanism());
  std::fflush(stdout);

  Workers workers(module, log_path, trace_path, options.threads);
  Show show(options, flag_path, reloads);
  show.run(workers);
  const std::vector<Pass> passes = workers.stop();

  std::vector<std::string> errors = find_errors(passes, facts, show.thresholds());
  if (show.flips_without_answer() > 0) errors.emplace_back("a new version of the flag file was not noticed");
  for (const std::string& error : errors) fmt::print(stderr, "error: {}\n", error);
  if (!errors.empty()) return 1;
  std::ofstream picture(picture_path, std::ios::trunc);
  picture << draw_chart(show.recording());
  if (!picture.flush()) throw std::runtime_error(picture_path + ": cannot be written");
  print_summary(show.recording(), passes.size(), picture_path);
  return 0;
}

}  // namespace
}  // namespace demo

int main(int argc, char** argv) {
  demo::Options options;
  CLI::App app("Runs the log analyser on threads, flips its flags, and draws what happened");
  app.add_option("guest", options.guest, "The analyser, compiled for wasm32-wasi")
      ->required()
      ->check(CLI::ExistingFile);
  app.add_option("--folder", options.folder, "For the log, the flag file and the picture")->capture_default_str();
  app.add_option("--seconds", options.seconds)->check(CLI::Range(3.0, 3600.0))->capture_default_str();
  app.add_option("--threads", options.threads)->check(CLI::Range(1, 256))->capture_default_str();
  app.add_option("--log-megabytes", options.log_megabytes)->check(CLI::Range(1, 10'000))->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    return demo::run(options);
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return 1;
  }
}
