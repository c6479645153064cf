// shunt_wasm.h: traces.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "runtime/capi/engine.h"
#include "runtime/capi/errors.h"
#include "runtime/capi/references.h"
#include "runtime/capi/vectors.h"
#include "shunt/runtime/c/shunt_wasm.h"
#include "shunt/runtime/trace.h"

// The tracer ends first: it switches off sites of modules of the engine.
struct shunt_wasm_trace_t {
  shunt_wasm_trace_t(std::shared_ptr<shunt::wasmc::SharedEngine> of, const shunt::runtime::TraceOptions& options)
      : engine(std::move(of)), tracer(options) {}
  const std::shared_ptr<shunt::wasmc::SharedEngine> engine;
  shunt::runtime::Tracer tracer;
};

namespace shunt::wasmc {
namespace {

Status write_file(const runtime::Tracer& tracer, const char* path) {
  std::ofstream file(path, std::ios::binary);
  if (!file) {
    return make_error(ErrorCode::SystemCall, std::string(path) + ": cannot write the trace: " + std::strerror(errno));
  }
  if (Status written = tracer.write(file); !written) return written;
  file.close();
  if (file) return Ok{};
  return make_error(ErrorCode::SystemCall, std::string(path) + ": cannot write the trace: " + std::strerror(errno));
}

}  // namespace
}  // namespace shunt::wasmc

using shunt::wasmc::guarded;
using shunt::wasmc::keep_error;
using shunt::wasmc::succeeded;

extern "C" {

shunt_wasm_trace_t* shunt_wasm_trace_new(wasm_engine_t* engine, size_t max_bytes) {
  return guarded([&] {
    shunt::runtime::TraceOptions options;
    if (max_bytes != 0) options.max_bytes = max_bytes;
    return new shunt_wasm_trace_t(engine->shared, options);
  });
}
void shunt_wasm_trace_delete(shunt_wasm_trace_t* trace) {
  delete trace;
}

bool shunt_wasm_trace_begin(shunt_wasm_trace_t* trace, const wasm_module_t* module, const char* const* patterns,
                            size_t count, size_t* functions) {
  return guarded([&] {
    if (module->counted->engine != trace->engine) {
      keep_error("shunt_wasm_trace_begin: the module belongs to another engine than the trace");
      return false;
    }
    const std::vector<std::string> all(patterns, patterns + count);
    const auto traced = trace->tracer.trace(module->counted->module, all);
    if (!traced) keep_error(traced.error());
    if (traced && functions != nullptr) *functions = *traced;
    return static_cast<bool>(traced);
  });
}

bool shunt_wasm_trace_stop(shunt_wasm_trace_t* trace) {
  return guarded([&] { return succeeded(trace->tracer.stop()); });
}

bool shunt_wasm_trace_write_file(const shunt_wasm_trace_t* trace, const char* path) {
  return guarded([&] { return succeeded(shunt::wasmc::write_file(trace->tracer, path)); });
}

bool shunt_wasm_trace_write(const shunt_wasm_trace_t* trace, wasm_byte_vec_t* out) {
  *out = {0, nullptr};
  return guarded([&] {
    std::ostringstream text;
    if (!succeeded(trace->tracer.write(text))) return false;
    const std::string written = text.str();
    shunt::wasmc::allocate(*out, written.size());
    std::ranges::copy(written, out->data);
    return true;
  });
}

uint64_t shunt_wasm_trace_events(const shunt_wasm_trace_t* trace) {
  return trace->tracer.report().events;
}
uint64_t shunt_wasm_trace_lost(const shunt_wasm_trace_t* trace) {
  return trace->tracer.report().lost;
}

}  // extern "C"
