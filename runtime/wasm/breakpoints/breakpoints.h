// The breakpoints of a module: its functions' debug versions, the switch to them, and who is called.
//
// set(), for the first breakpoint of a function:
//   1. the baseline compiles the function alone, with a site in front of each operation (baseline/debug_sites.h)
//   2. the tiers keep the module's functions in the baseline, so that no optimised code holds a copy of the function
//   3. one batch leads the site at the function's entry to that version, and switches on the site of the operation
// clear() does the reverse. A version that nothing leads to any more is kept until no thread is in it, or until the
// function has a breakpoint again.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "runtime/wasm/baseline/baseline.h"
#include "runtime/wasm/baseline/debug_function.h"
#include "runtime/wasm/module/lookup_list.h"
#include "shunt/engine.h"
#include "shunt/runtime/breakpoint.h"

namespace shunt::wasm {

struct InstanceState;
struct ModuleState;
struct StoreState;

struct ArmedBreakpoint {
  std::uint32_t function = 0, offset = 0;  // index; byte in the module
  baseline::DebugSite* site = nullptr;     // until it is cleared
  runtime::BreakpointHandler handler;
  std::atomic<std::uint64_t> hits{0};  // relaxed: for reports
  std::atomic<bool> cleared{false};    // set under the lock; who steps with it asks without
};

// A call that stands at a site.
struct BreakpointFrame {
  InstanceState& instance;
  const baseline::DebugSite& site;
  std::uint8_t* stack_pointer;
  const std::string& function_name;
  bool is_step;
};

// A store whose guest goes on to the next operation.
struct BreakpointStep {
  Breakpoints* owner;
  std::uint32_t function;             // index
  const std::uint8_t* stack_pointer;  // of the call; deeper ones have lower addresses
  std::shared_ptr<ArmedBreakpoint> breakpoint;
};

// Thread-safe, but for construction, prepare(), add() and begin().
class Breakpoints {
 public:
  Breakpoints(Engine& engine, flags::FlagSet& flags) : engine_(engine), flags_(flags) {}
  ~Breakpoints();
  Breakpoints(const Breakpoints&) = delete;
  Breakpoints& operator=(const Breakpoints&) = delete;

  // Gives the baseline compiler keys for so many functions; takes over which sites debug versions have, too.
  void prepare(std::size_t defined_functions, BaselineOptions& options);
  // A function of the module; in order.
  void add(const FunctionBody& body) { bodies_.push_back({body.offset, body.size}); }
  // `module`, which is complete and was compiled with the keys, owns this object. `bytes` is what it was read from.
  void begin(const ModuleState& module, std::span<const std::uint8_t> bytes);

  Result<std::shared_ptr<ArmedBreakpoint>> set(const runtime::BreakpointPlace& place,
                                               runtime::BreakpointHandler handler);
  Result<std::vector<std::uint32_t>> operations(const std::string& function);
  Status clear(ArmedBreakpoint& breakpoint);

  // A guest has come to a site that is on, and waits. An error stops it.
  Status serve(InstanceState& instance, const baseline::DebugSite& site, std::uint8_t* stack_pointer);
  // The store steps no more.
  static void end_step(StoreState& store) noexcept;

  // Counts the versions that were compiled, of all modules. Release and acquire: a guest comes to what a version says
  // of its sites through code, an order that the processors keep (docs/patching-protocol.md) and the language knows
  // nothing of.
  static inline std::atomic<std::uint64_t> versions_compiled{0};

  // The debug version that holds `pc`, or null. Async-signal-safe. It stays while a thread is in it.
  [[nodiscard]] const BaselineCode* find(std::uintptr_t pc) const noexcept;

  // Frees the versions that nothing leads to any more, but for those that a thread is in after `limit`. Returns how
  // many are left. Blocks.
  std::size_t collect(const WaitLimit& limit);

 private:
  using Armed = std::vector<std::shared_ptr<ArmedBreakpoint>>;
  struct Version {
    baseline::DebugFunction places;  // ends after `code`
    std::unique_ptr<BaselineCode> code;
    std::string name;
    // Under mutex_:
    std::unordered_map<const baseline::DebugSite*, Armed> armed;
    std::size_t breakpoints = 0;  // not 0: the entry leads here
    std::size_t steps = 0;        // stores that step here; not 0: every site is on
  };
  struct Body {
    std::uint32_t offset, size;
  };

  // --- places (places.cpp) ---
  [[nodiscard]] Result<std::uint32_t> find_function(const runtime::BreakpointPlace& place) const;
  [[nodiscard]] std::optional<std::uint32_t> named(const std::string& name) const;
  [[nodiscard]] Result<baseline::DebugSite*> find_site(Version& version, std::optional<std::uint32_t> offset) const;
  [[nodiscard]] Error refuse(const std::string& what) const;

  Result<Version*> version_of(std::uint32_t function);
  Result<std::unique_ptr<Version>> compile(std::uint32_t function);
  Status arm(Version& version, const std::shared_ptr<ArmedBreakpoint>& breakpoint);
  Status disarm(Version& version, ArmedBreakpoint& breakpoint);
  Status hold_tiers();
  void release_tiers();
  std::size_t collect_locked(const WaitLimit& limit);

  // --- the guest's side (serve.cpp) ---
  Status act(const BreakpointFrame& frame, runtime::BreakpointAction action,
             std::shared_ptr<ArmedBreakpoint> breakpoint, bool was_stepping);
  Status switch_all_sites(std::uint32_t function, bool on);

  Engine& engine_;
  flags::FlagSet& flags_;
  std::deque<StaticKey> entry_keys_;  // by function index less imports
  std::vector<Body> bodies_;          // likewise
  std::vector<std::uint8_t> bytes_;   // of the module
  const ModuleState* module_ = nullptr;
  StaticKey* interrupt_ = nullptr;               // as BaselineOptions
  std::deque<StaticKey>* trace_keys_ = nullptr;  // likewise
  TraceFunction trace_ = nullptr;                // likewise
  LookupList<BaselineCode> code_;

  // One that sets, clears or collects at a time; comes before mutex_. Waits for threads are made with it held, so
  // who comes from guest code is in a HostScope.
  std::mutex changing_;
  std::size_t set_ = 0;       // breakpoints
  bool holds_tiers_ = false;  // the module's functions are held in the baseline
  // Protects the versions against those who serve. Commits are made with it held; handlers are called without it.
  std::mutex mutex_;
  std::map<std::uint32_t, std::unique_ptr<Version>> versions_;  // by function index
};

// Builtin::Breakpoint.
std::uint64_t breakpoint_reached(VmContext* context, std::uint64_t site, std::uint64_t stack_pointer, std::uint64_t,
                                 std::uint64_t);

}  // namespace shunt::wasm
