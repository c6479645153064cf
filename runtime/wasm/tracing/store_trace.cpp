#include "runtime/wasm/tracing/store_trace.h"

#include <unistd.h>

#include <chrono>
#include <new>

#include "runtime/wasm/instance/store_state.h"

namespace shunt::wasm {
namespace {

std::uint32_t this_thread() noexcept {
  thread_local const auto thread = static_cast<std::uint32_t>(gettid());
  return thread;
}

}  // namespace

auto StoreTrace::find(const ModuleTracing& tracing, std::uint64_t log_id) noexcept -> Stream* {
  for (Stream& known : streams_) {
    if (known.log->id == log_id) return &known;
  }
  try {
    std::erase_if(streams_, [](const Stream& known) { return known.log->has_ended(); });
    std::shared_ptr<TraceLog> log = tracing.log();
    if (log == nullptr || log->id != log_id) return nullptr;  // it has just ended
    std::shared_ptr<TraceStream> stream = log->add_stream();
    return &streams_.emplace_back(Stream{std::move(stream), std::move(log)});
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

void StoreTrace::record(const StoreState& store, const ModuleTracing& tracing, TraceEvent::Kind kind,
                        std::uint32_t function, const void* frame) noexcept {
  const std::uint64_t target = tracing.target();
  if (target == 0) return;
  Stream* const to = find(tracing, target >> 16);
  if (to == nullptr) return;
  to->has_frames = true;
  add(*to, store, {.function = function, .module = static_cast<std::uint16_t>(target), .kind = kind}, frame);
}

void StoreTrace::unwind(const StoreState& store, std::uint32_t why, const void* top) noexcept {
  for (Stream& known : streams_) {
    if (!known.has_frames || known.log->has_ended()) continue;
    known.has_frames = store.depth > 1;
    add(known, store, {.function = why, .kind = TraceEvent::Kind::Unwind}, top);
  }
}

void StoreTrace::add(Stream& to, const StoreState& store, TraceEvent event, const void* frame) noexcept {
  const auto now = std::chrono::steady_clock::now() - to.log->begin;
  event.time_ns = static_cast<std::uint64_t>(std::chrono::nanoseconds(now).count());
  event.frame = static_cast<std::uint32_t>(
      static_cast<std::size_t>(store.stack.top() - static_cast<const std::uint8_t*>(frame)) / sizeof(void*));
  event.thread = this_thread();
  if (to.stream->thread != event.thread) {
    to.stream->thread = event.thread;
    to.log->add_thread(event.thread);
  }
  to.stream->add(event);
}

}  // namespace shunt::wasm
