#include "runtime/wasm/tracing/spans.h"

#include <algorithm>

namespace shunt::wasm {
namespace {

using Ended = TraceSpan::Ended;
using Kind = TraceEvent::Kind;

class Maker {
 public:
  void take(const TraceEvent& event) {
    latest_ns_ = event.time_ns;
    switch (event.kind) {
      case Kind::Enter:
      case Kind::EnterHost:
        close_from(event.frame, event, Ended::NotSeen);
        enter(event);
        return;
      case Kind::Leave:
      case Kind::LeaveHost:
        close_from(event.frame + 1, event, Ended::NotSeen);
        leave(event);
        return;
      case Kind::Unwind:
        close_from(event.frame + 1, event, Ended::Unwound);
    }
  }

  // Events may have come since `now_ns`: what they closed does not outlast what is open still.
  std::vector<TraceSpan> finish(std::uint64_t now_ns) {
    for (const Open& open : open_) spans_[open.span].end_ns = std::max(now_ns, latest_ns_);
    return std::move(spans_);
  }

 private:
  struct Open {
    std::uint32_t frame;
    std::size_t span;
  };

  void enter(const TraceEvent& event) {
    open_.push_back({event.frame, spans_.size()});
    spans_.push_back({.begin_ns = event.time_ns,
                      .end_ns = event.time_ns,
                      .function = event.function,
                      .thread = event.thread,
                      .module = event.module,
                      .is_host = event.kind == Kind::EnterHost,
                      .ended = Ended::Running,
                      .unwound = 0});
  }

  void leave(const TraceEvent& event) {
    if (open_.empty() || open_.back().frame != event.frame) return;
    TraceSpan& span = spans_[open_.back().span];
    const bool is_its = span.function == event.function && span.module == event.module;
    close(event, is_its ? Ended::Returned : Ended::NotSeen);
  }

  // Frames that lie at `frame` or deeper are gone.
  void close_from(std::uint32_t frame, const TraceEvent& event, Ended ended) {
    while (!open_.empty() && open_.back().frame >= frame) close(event, ended);
  }

  void close(const TraceEvent& event, Ended ended) {
    TraceSpan& span = spans_[open_.back().span];
    open_.pop_back();
    span.end_ns = event.time_ns;
    span.ended = ended;
    if (ended == Ended::Unwound) span.unwound = event.function;
  }

  std::vector<TraceSpan> spans_;
  std::vector<Open> open_;
  std::uint64_t latest_ns_ = 0;
};

}  // namespace

std::vector<TraceSpan> make_spans(const TraceStream::Chunks& chunks, std::uint64_t now_ns) {
  Maker maker;
  for (const auto& chunk : chunks) {
    const std::uint32_t count = chunk->count.load(std::memory_order_acquire);
    for (std::uint32_t i = 0; i < count; ++i) maker.take(chunk->events[i]);
  }
  return maker.finish(now_ns);
}

}  // namespace shunt::wasm
