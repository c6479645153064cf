// An engine owns code memory and site tables, and commits patch batches.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "shunt/api.h"
#include "shunt/assumption.h"
#include "shunt/error.h"
#include "shunt/flip_log.h"
#include "shunt/observe.h"
#include "shunt/patch_batch.h"
#include "shunt/quiescence.h"
#include "shunt/static_key.h"
#include "shunt/stats.h"
#include "shunt/thread.h"
#include "shunt/ticket.h"

namespace shunt {

enum class InstructionSet : std::uint8_t { X86_64, Arm64 };

// How a site is encoded. One instruction in every state.
enum class SiteForm : std::uint8_t {
  Toggle,       // x86-64: `test eax, imm32` <-> `jmp rel32`, one byte changes; clobbers the flags; one target only
  AlignedWord,  // x86-64: NOP5 <-> JMP5 within one aligned 8-byte word; arm64: NOP <-> B. Any number of targets
  Redirect,     // a branch in every state, also in state 0; encoded like an AlignedWord
  Call,         // a direct call of a function, or a no-op; placed like an AlignedWord

  // x86-64: five bytes at any address. A batch that writes one makes three core serialisations instead of one, and a
  // thread that blocks SIGTRAP must not execute it (docs/patching-protocol.md, breakpoints).
  Unaligned,          // NOP5 <-> JMP5, JMP5 <-> JMP5
  UnalignedRedirect,  // JMP5 <-> JMP5, a branch in every state
  UnalignedCall,      // NOP5 <-> CALL5, CALL5 <-> CALL5
};

// A site in code that is about to be published, as offsets from the code's first byte. What stands there must be a site
// of that form in any of its states: publish() writes the state that the key has.
struct NewSite {
  KeyBase* key = nullptr;
  SiteForm form = SiteForm::Toggle;
  std::uint32_t offset = 0;  // of the rewritable instruction's first byte (its prefixes included)
  // One for each state above 0; of a Redirect, one for each; of a static call, none.
  std::span<const std::uint32_t> targets;
};

// The first `length` bytes are the instruction.
struct SiteBytes {
  std::array<std::uint8_t, 16> bytes{};
  std::uint8_t length = 0;
};

// A site in state 0 (a Redirect: a branch to itself): what a code generator writes where a NewSite will be. `offset` is
// its place from the code's first byte, which stands at a multiple of 16. Pure.
[[nodiscard]] SHUNT_API SiteBytes idle_site(InstructionSet instruction_set, SiteForm form,
                                            std::uint32_t offset) noexcept;

// Code that can run. Movable handle: when it ends, its sites are dropped and its memory is filled with traps and may be
// used again, so no thread may be in it any more, and no branch lead to it. Must not outlive its engine.
class SHUNT_API Code {
 public:
  Code() noexcept = default;
  ~Code();
  Code(Code&&) noexcept;
  Code& operator=(Code&&) noexcept;

  [[nodiscard]] const std::uint8_t* data() const noexcept { return rx_; }  // executable view
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  // The code at `offset` as a function pointer.
  template <class Signature>
  [[nodiscard]] Signature* entry(std::size_t offset = 0) const noexcept {
    return reinterpret_cast<Signature*>(reinterpret_cast<std::uintptr_t>(rx_ + offset));
  }

 private:
  friend class Engine;
  Engine* engine_ = nullptr;
  const std::uint8_t* rx_ = nullptr;
  std::size_t size_ = 0;
};

// One registered site, as inspection tools show it.
struct SiteInfo {
  const std::uint8_t* address = nullptr;
  unsigned length = 0;  // bytes
  SiteForm form = SiteForm::Toggle;
  unsigned state = 0;  // that the last batch wrote
  const KeyBase* key = nullptr;
  // One for each state above 0; of a Redirect, one for each state. Where its branches get to, and where they lead: the
  // same, or, if that is beyond their reach, to a veneer.
  std::vector<const std::uint8_t*> targets;
  std::vector<const std::uint8_t*> branches;
};

// How sites are rewritten while other threads may execute them (docs/patching-protocol.md, "What the vendors promise").
enum class CrossModification : std::uint8_t {
  // By one naturally aligned store, where the form allows it: one core serialisation a batch.
  SingleStores,

  // x86-64: every rewrite of every form goes by breakpoints: one-byte INT3s are all that is stored where a core may be
  // executing. Three core serialisations a batch, and a thread that blocks SIGTRAP must not execute any site. arm64:
  // the
  // same as SingleStores, which its architecture promises.
  Strict,
};

// How other cores are made to serialise (docs/patching-protocol.md, core serialisation).
enum class Serialisation : std::uint8_t {
  Any,         // membarrier, else signals
  Membarrier,  // membarrier(2)
  Signals,     // a signal to every thread of the process; none may block it for long
};

struct EngineOptions {
  // Bytes of address space for code, 64 KiB to 2 GiB. 0: what direct branches reach from end to end, 1 GiB on x86-64,
  // 128 MiB on arm64. In a larger one an arm64 site gets to a target beyond its reach by a veneer, which changes X16
  // (docs/patching-protocol.md, far branches).
  std::size_t code_reservation = 0;
  // A key that is flipped more often than this within a second is counted as thrashing (Engine::key_stats()), and
  // demoted if it is a demotable one (shunt/demotable_key.h). 0: no limit.
  std::uint32_t flip_limit = 0;
  bool anonymous_code = false;  // code in anonymous memory, not in a memory file: what `perf` asks its map about
  CrossModification cross_modification = CrossModification::SingleStores;

  // The embedder's word that no thread which blocks SIGTRAP executes sites of the host program's own text that are
  // rewritten by breakpoints (unaligned forms; with Strict, all). Without it a batch with such a site is refused.
  bool breakpoints_in_host_text = false;

  // Gives up W^X where there is no other way: on an emulator that never executes what is written to code through
  // another mapping, code memory and moved host text are mapped once, writable and executable at the same time. Without
  // it an engine cannot be made there (AliasWritesNotExecuted). Changes nothing on any other machine.
  bool allow_writable_code = false;

  Serialisation serialisation = Serialisation::Any;
  // For signals: which one; 0 takes one that has no handler. One for the whole process: the first engine's.
  int serialisation_signal = 0;
  // For signals: how long a thread may take to run the handler before a commit fails with SerialisationFailed. At
  // least 1 ms.
  std::chrono::milliseconds serialisation_timeout{5000};
};

namespace detail {
struct EngineParts;   // what an engine is made of; engine/patch/engine_parts.h
struct EngineInside;  // lets tests look at an engine's inside; engine/engine_impl.h
struct CodeViews;
CodeViews code_views(const Engine& engine) noexcept;
}  // namespace detail

// Thread-safe, except for construction and destruction.
class SHUNT_API Engine {
 public:
  // The process's engine: made at first use, never destroyed. If it cannot be made, the next call tries again, with the
  // options of the last make_process(), if there was one. Errors: those of create(). Thread-safe.
  static Result<Engine*> process();

  // Makes the process's engine with these options, before anybody else has used it. Errors: those of create();
  // InvalidArgument if it was made before. Thread-safe.
  static Result<Engine*> make_process(const EngineOptions& options);

  // Errors: SerialisationUnavailable, CodeMemoryUnavailable, AliasWritesNotExecuted, InvalidArgument, OutOfMemory,
  // SystemCall (pthread_atfork); nothing is left behind then.
  static Result<std::unique_ptr<Engine>> create(const EngineOptions& options = {});

  // All of its code must have ended. Keys that were used with it may be used with another engine afterwards.
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  [[nodiscard]] InstructionSet instruction_set() const noexcept;

  // Code memory of at least `size` bytes, aligned to 64 (to 16 if size <= 64), not yet reachable by anyone: write the
  // code to `staging`, then publish(), which copies it to its place and ends the staging memory. Split in two because
  // code that is linked to its address must know it first. Staging memory is ordinary private memory: after fork(),
  // parent and child each have their own. Errors: OutOfMemory, InvalidArgument.
  struct Allocation {
    const std::uint8_t* rx = nullptr;  // where the code will run
    std::uint8_t* staging = nullptr;   // where to write it, aligned to 64; until publish() or release()
    std::size_t size = 0;
  };
  Result<Allocation> allocate(std::size_t size);
  void release(const Allocation& allocation) noexcept;  // an allocation that was never published

  // Makes the written code reachable: its sites are checked, set to their keys' current states and registered, its
  // lines are cache-maintained, and every core serialised, so that its address may be handed to any thread. Blocks.
  // Errors: InvalidArgument (names the site: no site stands there, sites overlap, wrong number of targets),
  // TargetOutOfRange (also if there is no room for a veneer), KeyBelongsToOtherEngine, OutOfMemory,
  // SerialisationFailed. On error the allocation is released and no site is registered.
  //
  // The code depends on the assumptions of its sites, and on `dependencies`: if one of them is broken by now, the code
  // is refused (AssumptionBroken).
  Result<Code> publish(const Allocation& allocation, std::span<const NewSite> sites,
                       std::span<Assumption* const> dependencies = {});

  // The same without the core serialisation: for code that other threads reach only by a branch patched in a later
  // commit of this engine (docs/patching-protocol.md, publication by branch).
  Result<Code> publish_nosync(const Allocation& allocation, std::span<const NewSite> sites,
                              std::span<Assumption* const> dependencies = {});

  // Where the pieces of code begin (Code::data()) that depend on the assumption, by address: after it was invalidated,
  // what there is to throw away. Blocks (the commit lock) for a walk over all code.
  [[nodiscard]] std::vector<const std::uint8_t*> dependents(const Assumption& assumption) const;

  // After SerialisationFailed: try again. Nothing to do is success. Blocks.
  Status resynchronise();

  // Blocks until every thread that is attached at this moment was seen at a safepoint or away from guest code, after
  // the call began. Not with a lock held that another thread wants in guest code. Errors: TimedOut (names the threads);
  // InvalidArgument if the calling thread is in guest code itself (a HostScope is the remedy); those of a commit of the
  // safepoint key.
  Result<QuiescenceReport> settle(const WaitLimit& limit = {});

  // The same until none of them has a frame, a return address or a resume point in `old_path`, into which nothing leads
  // any more: its sites are flipped away (Synced), pointers to it replaced. Errors: also InsideOldPath, at once, if the
  // calling thread has one there itself, or if threads that drain wait for each other.
  Result<QuiescenceReport> drain(std::span<const CodeExtent> old_path, const WaitLimit& limit = {});

  // Frees code once it is drained: drops its sites, fills it with traps, then calls `then`, which frees the data that
  // the code used. Before, the caller has seen to it that nothing leads into the code but what is retired in the same
  // call: sites flipped or retargeted away (also in their other states) and committed, pointers replaced. Does not
  // block for threads, so it may be called in guest code, and from the code itself. `then` runs on a thread of the
  // engine and may call it, but not wait for threads. Errors: InvalidArgument, OutOfMemory, SystemCall: the handles are
  // as they were.
  Status retire(Code&& code, std::function<void()> then = {});
  Status retire(std::span<Code> codes, std::function<void()> then = {});  // moved from

  // Blocks until everything retired before is freed and `then` was called. Errors: those of drain().
  Status await_retired(const WaitLimit& limit = {});

  // The key of all safepoints: off, but while somebody waits for threads in guest code. The engine flips it.
  [[nodiscard]] StaticKey& safepoint_key() noexcept;

  // A key whose sites are safepoints too, beside what else they are for: it is switched on and off together with the
  // safepoint key, by references (so it is counted, never set). One that is added while somebody waits is switched on
  // soon after. Block for moments; remove_safepoint_key() for a commit. Thread-safe, also against each other for
  // different keys. Errors of add_safepoint_key(): OutOfMemory. Before the key ends, it is removed; a key that was not
  // added is left alone.
  Status add_safepoint_key(StaticKey& key);
  void remove_safepoint_key(StaticKey& key) noexcept;

  // Where all code that is published with this engine lies.
  [[nodiscard]] CodeExtent code_memory() const noexcept;

  // What a safepoint's stub calls, for emitters of one's own; the stub must be as engine/quiesce/safepoint_entry.h and
  // docs/quiescence.md say. Null where there is none.
  [[nodiscard]] static const void* safepoint_entry() noexcept;

  [[nodiscard]] std::vector<ThreadInfo> threads() const;  // attached ones. Blocks for moments: a lock
  [[nodiscard]] QuiescenceCounts quiescence_counts() const;

  // For places that may not block: signal handlers, allocator hooks, callbacks at a thread's start. Records the wish
  // and returns; the last wish for a key counts. It is carried out by the next commit of this engine that has anything
  // to do, before that commit's own changes, or by the engine's own thread if it runs (start_service_thread()). A
  // commit of the key that begins later counts more than the wish. Async-signal-safe; lock-free. False: nothing is
  // recorded, because there is no such state or because the key belongs to another engine.
  bool request(StaticKey& key, bool on) noexcept;
  bool request(StaticSwitch& key, unsigned state) noexcept;

  // Carries out now, on this thread, what was requested and what waits with a ticket. Blocks. Errors: the first error
  // of a request since the last call (a request that fails is dropped); InsideCommit.
  Status carry_out_requests();

  // Starts the engine's own thread, which carries out requests and tickets, and promotes keys. Nothing to do if it
  // runs. commit_async() and demotions start it too; request() cannot. It blocks most signals, ends with the engine,
  // and is not there in a child made by fork(). Errors: SystemCall.
  Status start_service_thread();

  using SiteInfo = shunt::SiteInfo;

  // The sites of a piece of code, by address. Blocks (the commit lock).
  [[nodiscard]] std::vector<SiteInfo> sites(const Code& code) const;

  // Disassembly of a site: as it is in `state`, and as it stands in memory now: "nop", "jmp +0x1234" (from the site's
  // first byte), "test eax, 0x1234", "b +0x1234". Precondition: `site` came from sites() and its code has not ended.
  [[nodiscard]] std::string instruction(const SiteInfo& site, unsigned state) const;
  [[nodiscard]] std::string instruction_now(const SiteInfo& site) const;

  // Seeing (docs/seeing.md).

  // From now on, tells perf or gdb the names that name() is given. Blocks. Errors: SystemCall (a file cannot be
  // written), InvalidArgument (perf_map without anonymous_code); nothing has changed then.
  Status observe(const ObserveOptions& options);

  // Whether anybody observes: else name() does nothing, and names need not be collected. Does not block.
  [[nodiscard]] bool names_wanted() const noexcept;

  // Names functions of `code`, which must not have ended; a second call replaces the names. They are taken back when
  // the code ends. Blocks. Errors: InvalidArgument (a symbol does not lie in the code), SystemCall, OutOfMemory.
  Status name(const Code& code, std::span<const CodeSymbol> symbols);

  // Counters. Blocks (the commit lock). May throw std::bad_alloc.
  [[nodiscard]] EngineStats stats() const;
  [[nodiscard]] std::vector<KeyStats> key_stats() const;  // of every key that has been used with this engine

  // EngineOptions::flip_limit. While it is 0, no key is ever demoted.
  [[nodiscard]] std::uint32_t flip_limit() const noexcept;

  // Promotes the demoted keys that had no flip for a second; success if there is none. A commit: blocks, and has its
  // errors. The engine's own thread, which the first demotion starts, does the same once a second while a key is
  // demoted.
  Status promote_calm_keys();

  // Starts the flip log with an empty ring of `capacity` records, and stops it. When start returned, every site that a
  // commit writes is logged. Starting again empties the ring; stopping a log that is not on is success. Each is a
  // commit: blocks, and has its errors; also InvalidArgument (capacity 0), OutOfMemory.
  Status start_flip_log(std::size_t capacity = 4096);
  Status stop_flip_log();

  // What the ring holds, also after it was stopped. Blocks (the commit lock). May throw std::bad_alloc.
  [[nodiscard]] FlipLog flip_log() const;

  // An engine of chosen parts, for tests.
  static Result<std::unique_ptr<Engine>> create(const EngineOptions& options, detail::EngineParts parts);

 private:
  friend class PatchBatch;
  friend class Ticket;

  friend class Code;
  friend class KeyBase;
  friend struct detail::EngineInside;
  friend struct detail::HostModules;
  friend class StaticKey;
  friend detail::CodeViews detail::code_views(const Engine& engine) noexcept;
  friend class Thread;
  static Result<Engine*> process(const EngineOptions* options, bool& made_now);
  struct Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace shunt
