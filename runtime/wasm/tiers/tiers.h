// Which version of each function of a module runs, and the switch between them.
//
// A function has its baseline code for ever, and may have an optimised version. The switch is one patch batch over the
// entry sites of the functions that change (EntryState); then the FuncRefs of the module's instances are told, so that
// optimised code calls optimised code directly. A version that nothing leads to any more is kept until no thread is in
// it.
#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "runtime/wasm/baseline/baseline.h"
#include "runtime/wasm/baseline/entry_stubs.h"
#include "runtime/wasm/tiers/code_pieces.h"
#include "runtime/wasm/tiers/hot_functions.h"
#include "runtime/wasm/tiers/optimising_compiler.h"
#include "shunt/engine.h"

namespace shunt::wasm {

struct ModuleState;

// Thread-safe, except for construction, begin() and destruction.
class Tiers {
 public:
  enum class When : std::uint8_t {
    Asked,  // functions are compiled by compile()
    Hot,    // and by a thread of this object's, once their counters say so
  };
  Tiers(Engine& engine, flags::FlagSet& flags, OptimisingCompiler compiler, When when)
      : engine_(engine), flags_(flags), compiler_(compiler), when_(when) {}
  Tiers(const Tiers&) = delete;
  Tiers& operator=(const Tiers&) = delete;

  // Gives the baseline compiler its keys for so many functions, and its counters. Errors: the engine's.
  Status prepare(std::size_t defined_functions, BaselineOptions& options);
  // `module`, which is complete and whose code was compiled with the keys, owns this object. `bytes` is what it was
  // read from; a copy is kept where functions are compiled when they are hot.
  void begin(const ModuleState& module, std::span<const std::uint8_t> bytes);

  // Ends the thread that looks for hot functions; waits for a compilation in progress. Before the code ends.
  void stop() { hot_.reset(); }

  // Compiles these functions and installs them. Blocks for as long as that takes. Errors: the compiler's, the engine's.
  Status compile(std::span<const FunctionBody> bodies);
  // From now on the functions of `code` run there. All or nothing. Blocks: a commit. Errors: the engine's.
  Status install(std::unique_ptr<OptimisedCode> code);
  // From now on these functions (indices) run in the baseline again, and are counted anew. Blocks: a commit. Errors:
  // the engine's.
  Status revert(std::span<const std::uint32_t> functions);

  // Frees the versions that nothing leads to any more, but for those that a thread is still in after `limit`. Returns
  // how many are left. Blocks. Errors: those of Engine::drain() but TimedOut.
  Result<std::size_t> collect(const WaitLimit& limit);

  // An instance's own functions, by function index less imports; they stay where they are until it is removed.
  void add_instance(std::span<FuncRef> functions);
  void remove_instance(std::span<FuncRef> functions);

  [[nodiscard]] const CodePieces& pieces() const { return pieces_; }
  [[nodiscard]] runtime::TierStats stats();  // blocks while a switch is committed

 private:
  struct Version {  // several functions'
    std::unique_ptr<OptimisedCode> code;
    baseline::EntryStubs stubs;
    std::size_t functions = 0;  // that run there
  };
  struct Function {
    Version* version = nullptr;
    const void* body = nullptr;
  };

  [[nodiscard]] std::uint32_t defined(std::uint32_t function) const { return function - module_->imported_functions; }
  [[nodiscard]] const std::uint8_t* site_of(std::uint32_t defined_function) const {
    return code_->code.data() + code_->entries[defined_function];
  }
  void assign(std::uint32_t defined_function, Function now);
  HotFunctions::Found look();
  Status give_up(std::span<const std::uint32_t> functions);

  Engine& engine_;
  flags::FlagSet& flags_;
  OptimisingCompiler compiler_;
  When when_;
  std::deque<StaticSwitch> keys_;
  // Where functions are counted. Guest code writes without synchronisation: a lost count delays, no more.
  std::vector<std::int32_t> counters_;
  std::vector<std::int32_t> seen_;   // by the last look
  std::vector<std::uint8_t> bytes_;  // of the module
  const ModuleState* state_ = nullptr;
  const ModuleData* module_ = nullptr;
  const BaselineCode* code_ = nullptr;
  std::vector<CallGuestThunk> call_guest_;  // by type index
  CodePieces pieces_;

  // Protects what follows, and pieces_ against two writers. A commit is made with it held.
  std::mutex mutex_;
  std::vector<Function> functions_;  // by function index less imports
  std::list<Version> versions_;
  std::vector<std::span<FuncRef>> instances_;
  runtime::TierStats stats_;
  std::mutex collecting_;  // one at a time; comes before mutex_

  std::optional<HotFunctions> hot_;  // ends first
};

}  // namespace shunt::wasm
