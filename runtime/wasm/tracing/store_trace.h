// Where a store's calls are recorded: a stream of each tracer that traces a module of it.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "runtime/wasm/tracing/module_tracing.h"
#include "runtime/wasm/tracing/trace_log.h"

namespace shunt::wasm {

struct StoreState;

// Used by the thread that the store belongs to. Records nothing where there is no memory.
class StoreTrace {
 public:
  void record(const StoreState& store, const ModuleTracing& tracing, TraceEvent::Kind kind, std::uint32_t function,
              const void* frame) noexcept;
  // A call that began at `top` of the guest's stack ends, with its frames. `why` as an Unwind's `function`.
  void unwind(const StoreState& store, std::uint32_t why, const void* top) noexcept;

 private:
  struct Stream {
    std::shared_ptr<TraceStream> stream;
    std::shared_ptr<TraceLog> log;
    bool has_frames = false;  // may have frames that an unwind ends
  };
  void add(Stream& to, const StoreState& store, TraceEvent event, const void* frame) noexcept;
  Stream* find(const ModuleTracing& tracing, std::uint64_t log_id) noexcept;

  std::vector<Stream> streams_;
};

}  // namespace shunt::wasm
