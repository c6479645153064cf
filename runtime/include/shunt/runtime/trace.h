// Traces: which guest functions were entered and left, when, and on which thread.
//
//   shunt::runtime::Tracer tracer;
//   tracer.trace(module, std::array{std::string("parse*")});   from now on, under running guests
//   ...
//   tracer.stop();
//   tracer.write(file);                                        for Perfetto (ui.perfetto.dev) and chrome://tracing
//
// The module is loaded with ModuleOptions::traceable. Each function then has a no-op where it is entered, and one in
// front of each return. Those of the functions that are traced become jumps, in one patch batch. Calls that are in
// progress at that moment have no beginning, and are left out.
//
// While a function of a module is traced, the module's calls run in the baseline tier; frames that are in optimised
// code are not traced until they return, nor is what they call directly (docs/tracing.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <memory>
#include <span>
#include <string>

#include "shunt/error.h"
#include "shunt/runtime/module.h"

namespace shunt::runtime {

struct TraceOptions {
  // For what is recorded, by all stores together: 24 bytes an event, two events a call. When it is used up, a store's
  // newest events take the place of its oldest, which are counted as lost. At least 16 KiB for each store is needed to
  // record anything of it.
  std::size_t max_bytes = std::size_t{64} << 20;
};

// What a tracer has recorded up to now.
struct TraceReport {
  std::size_t functions = 0;  // that are traced now, of all modules
  std::size_t bytes = 0;      // of memory in use for events
  std::uint64_t events = 0;   // that are kept
  std::uint64_t lost = 0;     // that were given up, or had no room
};

// Records calls of the functions that it is told, of all stores. Thread-safe, except for its end. Ends by stopping;
// before the engine and the flags of the modules that it traces.
class Tracer {
 public:
  explicit Tracer(const TraceOptions& options = {});
  ~Tracer();
  Tracer(const Tracer&) = delete;
  Tracer& operator=(const Tracer&) = delete;

  // From when this has returned, the functions of `module` that match one of `patterns` are traced, and no others of
  // it. Returns how many they are. A pattern is compared with the name that the module gives the function, with the
  // names of its exports and of its import, and with func[12], its index; * stands for any characters, ? for one.
  // Functions of the host that the module imports are traced as well, as what its guests wait for. Without patterns:
  // none. Blocks: up to two commits of the engine. Errors, and then nothing has changed: InvalidArgument (a pattern
  // matches no function; another tracer traces the module; it was loaded without ModuleOptions::traceable), and the
  // engine's.
  Result<std::size_t> trace(const Module& module, std::span<const std::string> patterns);

  // From now on nothing is traced. What was recorded is kept. Blocks: as trace(). Errors: the engine's.
  Status stop();

  // Writes what was recorded, as JSON in Chrome's trace event format: complete events, their times in microseconds from
  // when the tracer was made; `args.ended` where a call did not return: "trap", "interrupted", "host error", "exit",
  // "not seen" (its return was not traced), "running". May be called while guests run, and again. Errors: OutOfMemory;
  // SystemCall (`out` fails).
  Status write(std::ostream& out) const;

  [[nodiscard]] TraceReport report() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace shunt::runtime
