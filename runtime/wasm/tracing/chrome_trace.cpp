#include "runtime/wasm/tracing/chrome_trace.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "runtime/wasm/instance/traps.h"
#include "runtime/wasm/tracing/spans.h"

namespace shunt::wasm {
namespace {

// As JSON, quotes included; bytes that are no UTF-8 replaced.
std::string as_json(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// `args`, with a comma in front; empty for a call that returned.
std::string arguments(const TraceSpan& span) {
  switch (span.ended) {
    case TraceSpan::Ended::Returned:
      return "";
    case TraceSpan::Ended::NotSeen:
      return R"(,"args":{"ended":"not seen"})";
    case TraceSpan::Ended::Running:
      return R"(,"args":{"ended":"running"})";
    case TraceSpan::Ended::Unwound:
      break;
  }
  if (span.unwound == unwound_by_exit) return R"(,"args":{"ended":"exit"})";
  const auto trap = static_cast<TrapCode>(span.unwound);
  if (trap == TrapCode::Interrupted) return R"(,"args":{"ended":"interrupted"})";
  if (trap == TrapCode::HostError) return R"(,"args":{"ended":"host error"})";
  return fmt::format(R"(,"args":{{"ended":"trap","trap":{}}})", as_json(describe(trap)));
}

class Writer {
 public:
  Writer(const TraceLog::Contents& contents, std::ostream& out) : contents_(contents), out_(out) {}

  void write(const std::vector<TraceSpan>& spans) {
    out_ << fmt::format(
        R"({{"displayTimeUnit":"ns","otherData":{{"clock":"CLOCK_MONOTONIC, from when the tracer was made","events_lost":{}}},"traceEvents":[)",
        contents_.lost);
    for (const auto& [thread, name] : contents_.threads) {
      event(fmt::format(R"({{"name":"thread_name","ph":"M","pid":{},"tid":{},"args":{{"name":{}}}}})", pid_, thread,
                        as_json(name)));
    }
    if (contents_.lost != 0) {
      event(fmt::format(R"({{"name":"{} events lost","ph":"i","s":"p","ts":{:.3f},"pid":{},"tid":{}}})", contents_.lost,
                        microseconds(spans.empty() ? 0 : spans.front().begin_ns), pid_,
                        spans.empty() ? 0 : spans.front().thread));
    }
    for (const TraceSpan& span : spans) write(span);
    out_ << "\n]}\n";
  }

 private:
  static double microseconds(std::uint64_t ns) { return static_cast<double>(ns) / 1e3; }

  void write(const TraceSpan& span) {
    event(fmt::format(R"({{"name":{},"cat":{},"ph":"X","ts":{:.3f},"dur":{:.3f},"pid":{},"tid":{}{}}})", name_of(span),
                      category_of(span), microseconds(span.begin_ns), microseconds(span.end_ns - span.begin_ns), pid_,
                      span.thread, arguments(span)));
  }

  void event(const std::string& text) {
    out_ << (is_first_ ? "\n" : ",\n") << text;
    is_first_ = false;
  }

  const std::string& name_of(const TraceSpan& span) {
    std::string& name = names_[std::uint64_t{span.module} << 32 | span.function];
    if (name.empty()) name = as_json(contents_.modules[span.module].functions.at(span.function));
    return name;
  }

  // The module, so that a viewer can tell them apart; or the host.
  std::string category_of(const TraceSpan& span) const {
    return span.is_host ? R"("host")" : as_json(contents_.modules[span.module].name);
  }

  const TraceLog::Contents& contents_;
  std::ostream& out_;
  const int pid_ = getpid();
  bool is_first_ = true;
  std::unordered_map<std::uint64_t, std::string> names_;  // as JSON
};

// By their beginnings. Of those that begin at one moment, the outer one comes first, as it did.
std::vector<TraceSpan> in_order(const std::vector<TraceSpan>& spans) {
  std::vector<std::pair<std::uint64_t, std::size_t>> order;
  order.reserve(spans.size());
  for (const TraceSpan& span : spans) order.emplace_back(span.begin_ns, order.size());
  std::ranges::sort(order);
  std::vector<TraceSpan> sorted;
  sorted.reserve(spans.size());
  for (const auto& [begin, index] : order) sorted.push_back(spans[index]);
  return sorted;
}

}  // namespace

Status write_chrome_trace(const TraceLog::Contents& contents, std::ostream& out) {
  std::vector<TraceSpan> spans;
  for (const TraceStream::Chunks& stream : contents.streams) {
    const std::vector<TraceSpan> made = make_spans(stream, contents.now_ns);
    spans.insert(spans.end(), made.begin(), made.end());
  }
  Writer(contents, out).write(in_order(spans));
  out.flush();
  if (!out) return make_error(ErrorCode::SystemCall, "the trace cannot be written: the stream failed");
  return Ok{};
}

}  // namespace shunt::wasm
