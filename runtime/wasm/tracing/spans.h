// Calls, made of a stream's events.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/wasm/tracing/trace_log.h"

namespace shunt::wasm {

// One call of a function. Those of a stream nest.
struct TraceSpan {
  enum class Ended : std::uint8_t {
    Returned,
    Unwound,  // why: `unwound` as in an Unwind event
    NotSeen,  // its return was not recorded: it is over because its caller did something else
    Running,  // still
  };

  std::uint64_t begin_ns, end_ns;
  std::uint32_t function;
  std::uint32_t thread;
  std::uint16_t module;
  bool is_host;
  Ended ended;
  std::uint32_t unwound;
};

// In the order of their beginnings. Returns without a beginning, which the stream gave up or never saw, are left out.
// What runs still ends at `now_ns`, or with the last event if that came later. Frames tell which return belongs to
// which beginning: tracing may have been switched on or off between the two.
std::vector<TraceSpan> make_spans(const TraceStream::Chunks& chunks, std::uint64_t now_ns);

}  // namespace shunt::wasm
