#include "shunt/runtime/trace.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "runtime/wasm/module/module_state.h"
#include "runtime/wasm/tracing/chrome_trace.h"
#include "runtime/wasm/tracing/function_patterns.h"
#include "runtime/wasm/tracing/trace_log.h"

namespace shunt::runtime {

struct Tracer::Impl {
  explicit Impl(const TraceOptions& options) : log(std::make_shared<wasm::TraceLog>(options.max_bytes)) {}

  struct Traced {  // number: the place in the list
    std::shared_ptr<const wasm::ModuleState> module;
    std::size_t functions = 0;
  };

  // The module's number in the log. `lock` is held.
  Result<std::uint16_t> number_of(const std::shared_ptr<const wasm::ModuleState>& module) {
    const auto known = std::ranges::find(modules, module, &Traced::module);
    if (known != modules.end()) return static_cast<std::uint16_t>(known - modules.begin());
    if (modules.size() > std::numeric_limits<std::uint16_t>::max()) {
      return make_error(ErrorCode::OutOfMemory, module->data->source_name + ": a tracer traces up to 65,536 modules");
    }
    modules.push_back({module, 0});
    return log->add_module(module->data->source_name);
  }

  Status set(std::uint16_t number, std::span<const std::uint32_t> functions) {
    Traced& traced = modules[number];
    Status status = traced.module->tracing->set(*traced.module, log, number, functions);
    if (status) traced.functions = functions.size();
    return status;
  }

  const std::shared_ptr<wasm::TraceLog> log;
  std::mutex lock;  // protects what follows; held over commits
  std::vector<Traced> modules;
};

Tracer::Tracer(const TraceOptions& options) : impl_(std::make_unique<Impl>(options)) {}

Tracer::~Tracer() {
  (void)stop();  // a failed core serialisation is told by the engine's next commit
  impl_->log->end();
}

Result<std::size_t> Tracer::trace(const Module& module, std::span<const std::string> patterns) {
  const std::shared_ptr<const wasm::ModuleState>& state = module.state();
  if (state->tracing == nullptr) {
    return make_error(ErrorCode::InvalidArgument,
                      state->data->source_name + ": it cannot be traced: load it with ModuleOptions::traceable");
  }
  const Result<std::vector<std::uint32_t>> functions = wasm::find_functions(*state, patterns);
  if (!functions) return functions.error();
  const std::scoped_lock hold(impl_->lock);
  const Result<std::uint16_t> number = impl_->number_of(state);
  if (!number) return number.error();
  for (const std::uint32_t function : *functions) {
    impl_->log->name_function(*number, function, wasm::trace_name(*state->data, function));
  }
  if (Status set = impl_->set(*number, *functions); !set) return std::move(set).error();
  return functions->size();
}

Status Tracer::stop() {
  const std::scoped_lock hold(impl_->lock);
  Status first = Ok{};
  for (std::size_t i = 0; i < impl_->modules.size(); ++i) {
    if (impl_->modules[i].functions == 0) continue;
    if (Status stopped = impl_->set(static_cast<std::uint16_t>(i), {}); !stopped && first) first = std::move(stopped);
  }
  return first;
}

Status Tracer::write(std::ostream& out) const {
  try {
    return wasm::write_chrome_trace(impl_->log->contents(), out);
  } catch (const std::bad_alloc&) {
    return make_error(ErrorCode::OutOfMemory, "no memory left while writing the trace");
  }
}

TraceReport Tracer::report() const {
  TraceReport report;
  {
    const std::scoped_lock hold(impl_->lock);
    for (const Impl::Traced& traced : impl_->modules) report.functions += traced.functions;
  }
  const wasm::TraceLog::Contents contents = impl_->log->contents();
  report.lost = contents.lost;
  report.bytes = impl_->log->bytes();
  for (const wasm::TraceStream::Chunks& stream : contents.streams) {
    for (const auto& chunk : stream) report.events += chunk->count.load(std::memory_order_acquire);
  }
  return report;
}

}  // namespace shunt::runtime
