// Which version of each function of a module runs, and the switch between them.
//
// A function has its baseline code for ever, and may have an optimised version. The switch is one patch batch over the
// sites at the entries and loops' heads of the functions that change (EntryState), and over those that direct calls of
// them in other versions pass (OutsideEntry). Then the FuncRefs of the module's instances are told, by which optimised
// code calls optimised code through tables. A version that nothing leads to any more is kept until no thread is in it.
#pragma once

#include <atomic>
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
#include "runtime/wasm/tiers/loop_entries.h"
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
  // A function is hot after `hot_count` (at least 1) entries and turns of loops.
  Tiers(Engine& engine, flags::FlagSet& flags, OptimisingCompiler compiler, When when, std::int32_t hot_count)
      : engine_(engine), flags_(flags), compiler_(compiler), when_(when), hot_count_(hot_count) {}
  Tiers(const Tiers&) = delete;
  Tiers& operator=(const Tiers&) = delete;

  // Gives the baseline compiler its keys for so many functions, and its counters. Errors: the engine's.
  Status prepare(std::size_t defined_functions, BaselineOptions& options);
  // `module`, which is complete and whose code was compiled with the keys, owns this object. `bytes` is what it was
  // read from; a copy is kept where functions are compiled when they are hot.
  // Errors: SystemCall (no thread to look for hot functions).
  Status begin(const ModuleState& module, std::span<const std::uint8_t> bytes);

  // Ends the thread that looks for hot functions; waits for a compilation in progress. Before the code ends.
  void stop() { hot_.reset(); }

  // Compiles these functions, with entries at these loops of theirs (BaselineCode::loop_heads; the most important
  // first), and installs them; those that are too large for it (ModuleLimits::optimised_body_bytes, optimised_values)
  // stay in the baseline for good. Blocks for as long as that takes. Errors: the compiler's, the engine's.
  Status compile(std::span<const FunctionBody> bodies, std::span<const CodePlace> loops = {});
  // From now on the functions of `code` run there. All or nothing. Blocks: a commit. Errors: the engine's.
  Status install(std::unique_ptr<OptimisedCode> code);
  // From now on these functions (indices) run in the baseline again, and are counted anew. Blocks: a commit. Errors:
  // the engine's.
  Status revert(std::span<const std::uint32_t> functions);

  // From when this has returned until as many calls of let_optimise(), calls that begin run in the baseline, where they
  // can be watched; what is compiled meanwhile waits, and hot functions are not looked for. Frames that are in
  // optimised code stay there until they return, and so does what they call directly. Block: a commit, if they are the
  // first or the last. Errors: the engine's; then nothing has changed.
  Status hold_in_baseline();
  Status let_optimise();

  // Frees the versions that nothing leads to any more, but for those that a thread is still in after `limit`. Returns
  // how many are left. Blocks. Errors: those of Engine::drain() but TimedOut.
  Result<std::size_t> collect(const WaitLimit& limit);

  // An instance's own functions, by function index less imports; they stay where they are until it is removed.
  void add_instance(std::span<FuncRef> functions);
  void remove_instance(std::span<FuncRef> functions);

  [[nodiscard]] const CodePieces& pieces() const { return pieces_; }
  struct Site {
    SiteInfo site;
    std::uint32_t code_offset;
    std::optional<CodePlace> place;
  };
  // Of optimised code. Blocks while a switch is committed, and for the engine's commit lock.
  [[nodiscard]] std::vector<Site> sites();
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
  void redirect_outside_calls(PatchBatch& batch, const Version& version);
  void assign(std::uint32_t defined_function, Function now);
  void tell_instances(std::uint32_t defined_function);
  Status switch_optimised(EntryState state);
  // What a look at the counters found.
  struct Heat {
    std::vector<std::uint32_t> warm;  // functions, ascending
    std::vector<CodePlace> loops;     // of theirs, for entries
    bool is_hot = false, moves = false;
  };
  Heat measure();
  void measure(std::uint32_t defined_function, Heat& heat, std::vector<LoopEntries::Wanted>& loops);
  HotFunctions::Found look();
  Status compile_all(std::span<const FunctionBody> bodies, std::span<const CodePlace> loops);
  Status give_up(std::span<const std::uint32_t> functions);

  Engine& engine_;
  flags::FlagSet& flags_;
  OptimisingCompiler compiler_;
  When when_;
  StaticKey* interrupt_ = nullptr;  // of the sites at loops' heads and entries; null: none
  std::int32_t hot_count_;
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
  std::uint32_t holds_ = 0;          // not zero: functions with a version run in the baseline all the same
  std::list<Version> versions_;
  std::vector<std::span<FuncRef>> instances_;
  LoopEntries loops_;
  runtime::TierStats stats_;
  std::mutex collecting_;  // one at a time; comes before mutex_

  std::atomic<std::uint64_t> loop_entries_{0};  // how often optimised code was entered at a loop; a count

  std::optional<HotFunctions> hot_;  // ends first
};

}  // namespace shunt::wasm
