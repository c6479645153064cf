#include "runtime/cli/guest.h"

#include <fmt/format.h>
#include <pthread.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "runtime/cli/exit_status.h"
#include "runtime/cli/near_names.h"
#include "runtime/cli/values.h"
#include "shunt/runtime/instance.h"
#include "shunt/runtime/wasi.h"

namespace shunt::cli {
namespace {

using runtime::FunctionType;
using Clock = std::chrono::steady_clock;

std::uint64_t since(Clock::time_point begin) {
  return static_cast<std::uint64_t>(std::chrono::nanoseconds(Clock::now() - begin).count());
}

Error wrong(std::string message) {
  return make_error(ErrorCode::InvalidArgument, std::move(message));
}

const FunctionType* find_function(const std::vector<runtime::ExportType>& exports, std::string_view name) {
  for (const runtime::ExportType& exported : exports) {
    if (exported.name == name) return std::get_if<FunctionType>(&exported.type);
  }
  return nullptr;
}

Error no_function(const std::vector<runtime::ExportType>& exports, const RunOptions& options, const std::string& name) {
  std::vector<std::string> functions;
  for (const runtime::ExportType& exported : exports) {
    if (exported.name == name) {
      return wrong(fmt::format("{}: export '{}' is a {}; only functions can be called", options.module, name,
                               to_string(exported.type)));
    }
    if (std::holds_alternative<FunctionType>(exported.type)) functions.push_back(exported.name);
  }
  if (!options.invoke) {
    return wrong(fmt::format("{}: no export '_start', so it is no program; call a function with --invoke{}",
                             options.module, suggestion("", functions)));
  }
  return wrong(fmt::format("{}: no exported function '{}'{}", options.module, name, suggestion(name, functions)));
}

Result<std::vector<runtime::Value>> parse_arguments(const FunctionType& type, const RunOptions& options,
                                                    const std::string& name) {
  const std::string signature = fmt::format("'{}' is {}", name, to_string(type));
  if (options.arguments.size() != type.params.size()) {
    return wrong(fmt::format("{}: {}: it takes {} argument{}, not {}", options.module, signature, type.params.size(),
                             type.params.size() == 1 ? "" : "s", options.arguments.size()));
  }
  std::vector<runtime::Value> values;
  for (std::size_t i = 0; i < type.params.size(); ++i) {
    Result<runtime::Value> value = parse_value(options.arguments[i], type.params[i]);
    if (!value)
      return wrong(fmt::format("{}: {}: argument {}: {}", options.module, signature, i + 1, value.error().message()));
    values.push_back(*value);
  }
  return values;
}

std::string file_name(const std::string& path) {
  return path.substr(path.find_last_of('/') + 1);
}

runtime::WasiOptions wasi_options(const RunOptions& options) {
  runtime::WasiOptions wasi;
  wasi.arguments = {file_name(options.module)};
  wasi.arguments.insert(wasi.arguments.end(), options.guest_arguments.begin(), options.guest_arguments.end());
  wasi.environment = options.environment;
  wasi.directories = options.directories;
  return wasi;
}

GuestOutcome failed(const Error& error, int status) {
  GuestOutcome outcome;
  outcome.status = status;
  outcome.error = error;
  return outcome;
}

// Links, and calls; times go to `outcome`.
Result<std::vector<runtime::Value>> call_guest(const runtime::Module& module, const GuestCall& call,
                                               runtime::Linker& linker, GuestOutcome& outcome) {
  const Clock::time_point linking = Clock::now();
  Result<runtime::Instance> instance = linker.instantiate(module);
  outcome.instantiate_ns = since(linking);
  if (!instance) return instance.error();

  const Clock::time_point running = Clock::now();
  if (call.initialize) {
    Result<std::vector<runtime::Value>> initialized = instance->call("_initialize");
    if (!initialized) {
      outcome.run_ns = since(running);
      return initialized;
    }
  }
  Result<std::vector<runtime::Value>> results = instance->call(call.name, call.arguments);
  outcome.run_ns = since(running);
  return results;
}

}  // namespace

Result<GuestCall> plan_call(const runtime::Module& module, const RunOptions& options) {
  const std::vector<runtime::ExportType> exports = module.exports();
  GuestCall call;
  call.name = options.invoke.value_or("_start");
  const FunctionType* type = find_function(exports, call.name);
  if (type == nullptr) return no_function(exports, options, call.name);
  Result<std::vector<runtime::Value>> arguments = parse_arguments(*type, options, call.name);
  if (!arguments) return arguments.error();
  call.arguments = std::move(*arguments);
  const FunctionType* initialize = find_function(exports, "_initialize");
  call.initialize =
      options.invoke && call.name != "_initialize" && initialize != nullptr && *initialize == FunctionType{};
  return call;
}

GuestOutcome run_guest(const runtime::Module& module, const GuestCall& call, const RunOptions& options) {
  Result<runtime::Wasi> wasi = runtime::Wasi::create(wasi_options(options));
  if (!wasi) return failed(wasi.error(), exit_status::usage);  // a directory that cannot be opened
  Result<runtime::Store> store = runtime::Store::create(options.store);
  if (!store) return failed(store.error(), status_of(store.error().code()));
  if (options.timeout.count() != 0) {
    if (Status set = store->interrupt_handle().set_deadline(Clock::now() + options.timeout); !set) {
      return failed(set.error(), status_of(set.error().code()));
    }
  }
  runtime::Linker linker(*store);
  wasi->add_to(linker);

  GuestOutcome outcome;
  Result<std::vector<runtime::Value>> results = call_guest(module, call, linker, outcome);
  if (results) {
    outcome.results = std::move(*results);
  } else if (results.error().code() == ErrorCode::GuestExit) {
    outcome.status = guest_status(wasi->exit_status());
  } else {
    outcome.error = results.error();
    outcome.status = status_of(results.error().code());
  }
  return outcome;
}

namespace {

// What the threads of a crew share. Lives as long as the last of them, because the others may still run when the crew
// is left.
struct Crew {
  std::mutex lock;  // protects all of it
  std::condition_variable changed;
  std::vector<std::optional<GuestOutcome>> threads;
  std::optional<std::size_t> failed;
  std::size_t ended = 0;
};

}  // namespace

CrewOutcome run_crew(unsigned threads, const std::function<GuestOutcome()>& work) {
  if (threads == 1) {
    CrewOutcome out;
    out.threads.emplace_back(work());
    if (out.threads[0]->status != 0) out.failed = 0;
    return out;
  }
  auto crew = std::make_shared<Crew>();
  crew->threads.resize(threads);
  std::vector<std::thread> running;
  for (std::size_t i = 0; i < threads; ++i) {
    running.emplace_back([crew, work, i] {
      pthread_setname_np(pthread_self(), fmt::format("guest {}", i).c_str());
      GuestOutcome outcome = work();
      const std::scoped_lock hold(crew->lock);
      if (outcome.status != 0 && !crew->failed) crew->failed = i;
      crew->threads[i] = std::move(outcome);
      ++crew->ended;
      crew->changed.notify_one();
    });
  }
  CrewOutcome out;
  {
    std::unique_lock hold(crew->lock);
    crew->changed.wait(hold, [&] { return crew->failed || crew->ended == threads; });
    out.running = crew->ended != threads;
    out.threads = crew->threads;
    out.failed = crew->failed;
  }
  for (std::thread& thread : running) out.running ? thread.detach() : thread.join();
  return out;
}

}  // namespace shunt::cli
