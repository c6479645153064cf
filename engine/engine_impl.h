// The inside of an Engine, shared by the files that implement it.
//
// Locks: `commit_lock` protects the site table, the regions, the bytes of all registered sites, KeyBase::sites_ of this
// engine's keys, the plan and what is unserialised. It is held during a batch's core serialisation, so that batches are
// complete in the order in which they wrote. With it held, CodeMemory's lock or that of Quiescence (leaves) may be
// taken; nothing else, and no callback is made.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/calls/call_code.h"
#include "engine/fork.h"
#include "engine/memory/code_memory.h"
#include "engine/observe/seeing.h"
#include "engine/patch/breakpoint.h"
#include "engine/patch/commit_lock.h"
#include "engine/patch/patcher.h"
#include "engine/patch/phase_clock.h"
#include "engine/patch/plan.h"
#include "engine/patch/queued_batch.h"
#include "engine/patch/requests.h"
#include "engine/patch/veneers.h"
#include "engine/quiesce/code_pieces.h"
#include "engine/quiesce/quiescence.h"
#include "engine/serialise/core_serialiser.h"
#include "engine/service/service_thread.h"
#include "engine/sites/host_modules.h"
#include "engine/sites/site_table.h"
#include "shunt/assumption.h"
#include "shunt/engine.h"
#include "shunt/static_call.h"

namespace shunt {

namespace detail {
struct TicketState;  // engine/service/ticket_state.h
}

struct [[gnu::visibility("hidden")]] Engine::Impl final : detail::LockedAtFork {
  Impl(Engine& owner, const EngineOptions& options, detail::DualMapping mapping,
       std::unique_ptr<detail::Patcher> new_patcher, std::unique_ptr<detail::CoreSerialiser> new_serialiser);
  ~Impl();

  // patch/group_commit.cpp
  Result<CommitReport> commit(std::span<const detail::QueuedState> states,
                              std::span<const detail::QueuedTarget> targets, detail::OldPath* old_path = nullptr);
  [[nodiscard]] static bool as_wanted(const detail::QueuedState& queued, unsigned state) noexcept;
  [[nodiscard]] bool is_complete(std::span<const detail::QueuedState> states) const noexcept;
  CommitReport nothing_to_do(std::span<const detail::QueuedState> states) noexcept;
  [[nodiscard]] static bool kind_is_complete(const detail::QueuedState& queued) noexcept;
  void lead(detail::QueuedBatch* own) noexcept;  // commit_lock held; released when it returns
  Status carry_out_unless(const std::atomic<bool>* done);
  static bool carry_out(void* impl) noexcept;

  // service/ticket.cpp
  std::shared_ptr<detail::TicketState> queue(std::vector<detail::QueuedState>& states,
                                             std::vector<detail::QueuedTarget>& targets, Visibility wanted,
                                             std::vector<CodeExtent>& old_path);
  static void count_pending(const detail::QueuedBatch& batch) noexcept;
  static void uncount_pending(const detail::QueuedBatch& batch) noexcept;

  // patch/requests.cpp
  bool request(KeyBase& key, unsigned state) noexcept;

  // patch/commit.cpp; commit_lock held
  void commit_group(detail::QueuedBatch* first) noexcept;
  static void refuse_group(detail::QueuedBatch* first, const Error& cause) noexcept;
  void admit(detail::QueuedBatch& batch) noexcept;
  Status apply_plan(CommitReport& shared, detail::PhaseClock& clock) noexcept;
  [[nodiscard]] static bool is_unserialised(const detail::QueuedBatch& batch) noexcept;
  Status serialise() noexcept;
  void mark_unserialised(detail::KeySites& sites) noexcept;
  void forget_unserialised(detail::KeySites& sites) noexcept;
  void complete_key(detail::KeySites& sites) noexcept;
  void complete_keys() noexcept;

  // patch/plan.cpp; commit_lock held
  void begin_plan() noexcept;
  Status plan_batch(detail::QueuedBatch& batch);  // may throw std::bad_alloc
  Result<detail::CommitPlan::Change> plan_state(const detail::QueuedState& queued);
  void add_change(const detail::CommitPlan::Change& change);
  Status plan_retarget(const detail::QueuedTarget& queued);
  [[nodiscard]] detail::CommitPlan::Change plan_demotable(const detail::QueuedState& queued) const noexcept;
  void keep_changes(CommitReport& report);
  void plan_rewrites();
  [[nodiscard]] bool shows(const detail::CommitPlan::Retarget& retarget) const noexcept;
  Status check_batch();
  void drop_batch() noexcept;
  void finish_plan() noexcept;
  std::size_t write_plan() noexcept;
  void maintain_plan();
  template <class Visit>
  void for_each_planned_site(Visit&& visit) const;  // in the order of write_plan(): visit(key, address, length)

  // quiesce/retire.cpp
  Result<CommitReport> commit_and_settle(std::span<const detail::QueuedState> states,
                                         std::span<const detail::QueuedTarget> targets, const WaitLimit& limit);
  Result<CommitReport> commit_and_drain(std::span<const detail::QueuedState> states,
                                        std::span<const detail::QueuedTarget> targets,
                                        std::vector<CodeExtent> named_old_path, const WaitLimit& limit);
  Result<CommitReport> await_threads(Visibility wanted, std::vector<CodeExtent> old_path, const WaitLimit& limit,
                                     CommitReport report);

  // quiesce/ticket_wait.cpp
  bool await_threads(detail::TicketState& ticket) noexcept;  // commit_lock held
  Status await_threads_of(const detail::TicketState& ticket);

  // quiesce/old_path.cpp; commit_lock held
  Status find_old_path(const detail::QueuedBatch& batch);

  // observe/seeing.cpp
  static std::size_t write_unwatched(void* impl) noexcept;  // write_plan()
  static std::size_t write_watched(void* impl) noexcept;    // the same, and notes what it does

  // observe/flip_rates.cpp
  bool watch_demoted_keys() noexcept;
  void begin_watching_demoted_keys() noexcept;

  // patch/breakpoint.cpp; commit_lock held
  [[nodiscard]] bool by_breakpoint(const detail::SiteGroup& group) const noexcept;
  Status enable_breakpoints();
  Status plan_breakpoints();
  void write_breakpoints() noexcept;
  Status serialise_steps(CommitReport& report) noexcept;
  void end_breakpoints() noexcept;
  void drop_breakpoints(std::uint32_t region, std::uint32_t begin, std::uint32_t end) noexcept;
  // patch/counted.cpp; commit_lock held
  Result<unsigned> plan_count(StaticKey& key, bool more);
  [[nodiscard]] std::uint32_t planned_references(const StaticKey& key) const noexcept;
  void drop_counts() noexcept;
  void forget_counts() noexcept;
  [[nodiscard]] bool count_again(const detail::QueuedBatch& batch) noexcept;
  void open_counts() noexcept;

  // patch/call.cpp; commit_lock held
  Status bind_call(detail::CallBase& call);
  Status make_trampoline(detail::KeySites& sites);
  Result<detail::CommitPlan::Change> plan_call(detail::CallBase& call, const void* function);
  Status aim_new(const detail::PlacedSite& site);
  Status prepare_reach(const detail::KeySites& sites, std::uint32_t target);
  void drop_calls() noexcept;
  void aim_call(const detail::CommitPlan::Change& change) noexcept;
  void finish_calls(bool complete) noexcept;
  void complete_call(detail::KeySites& sites) noexcept;
  void end_call(detail::KeySites& sites) noexcept;
  void leave_call(detail::KeySites& sites) noexcept;

  // patch/publish.cpp
  Result<Code> publish(const Allocation& allocation, std::span<const NewSite> sites,
                       std::span<Assumption* const> dependencies, bool synchronise);
  Status place(const Allocation& allocation, std::span<const NewSite> sites, std::vector<detail::PlacedSite>& placed,
               std::vector<std::uint32_t>& targets) const;
  Status fill(std::uint32_t begin);  // takes commit_lock
  Status bind_new(KeyBase& key);
  Status add_sites(std::uint32_t begin, std::span<detail::PlacedSite> placed,
                   std::span<Assumption* const> dependencies);
  void drop_code(std::uint32_t begin, std::uint32_t size) noexcept;

  // patch/end_code.cpp; no lock held
  void end_codes(std::span<Code> codes, std::span<arch::CodeRange> freed) noexcept;
  [[nodiscard]] arch::CodeRange end_code(Code& code) noexcept;
  void maintain_freed(std::span<arch::CodeRange> freed) noexcept;

  // sites/host_sites.cpp; commit_lock held but where said
  void adopt_host_modules() noexcept;  // takes it
  void adopt_host_modules_locked() noexcept;
  detail::AdoptedModule& adopted_module(detail::HostModule& module);
  Status adopt(detail::AdoptedModule& adopted);
  Status adopt(detail::AdoptedModule& adopted, detail::HostRun& run, detail::HostRewrite& rewrite);
  Status prepare_host_text(const detail::QueuedBatch& batch);
  Status own_text(const detail::Region& region);
  Status own_text_of_breakpoints() noexcept;
  Status move_text(detail::AdoptedModule& adopted);
  void share_host_text() noexcept;
  void drop_host_module(detail::HostModule& module) noexcept;  // takes it
  static void forget_host_sites(detail::KeySites& sites) noexcept;

  // engine.cpp
  void lock_before_fork() override;
  void unlock_after_fork(detail::ForkSide side) noexcept override;
  void forget_other_threads() noexcept;
  Status own_code_memory() noexcept;  // commit_lock held; before code memory is written
  Status bind(KeyBase& key);          // commit_lock held; afterwards key.sites_ is set. May throw std::bad_alloc
  void end_key(KeyBase& key) noexcept;
  [[nodiscard]] const detail::CodeViews& views() const noexcept { return code_region.views; }
  [[nodiscard]] std::uint32_t offset_of(const void* rx_address) const noexcept {
    return code_region.offset_of(rx_address);
  }
  [[nodiscard]] bool contains(const void* rx_address) const noexcept { return code_region.contains(rx_address); }

  Engine& engine;
  detail::CodeMemory memory;
  const detail::Region code_region;  // published code: the engine's code memory
  const std::unique_ptr<detail::Patcher> patcher;
  const std::unique_ptr<detail::CoreSerialiser> serialiser;
  const bool strict;                    // CrossModification::Strict
  const bool breakpoints_in_host_text;  // EngineOptions

  detail::WaitingBatches waiting;
  detail::Requests requests;
  const std::shared_ptr<detail::ServiceThread> service =
      std::make_shared<detail::ServiceThread>(&Impl::carry_out, this);
  detail::CommitLock commit_lock;
  std::vector<const detail::Region*> regions;  // by number
  detail::SiteTable table;
  detail::CodePieces published;  // code, piece by piece
  detail::Veneers veneers;
  detail::CallCode call_code;
  detail::CommitPlan plan;
  detail::BreakpointBatch breakpoints;
  bool remapped = false;                          // code memory is another object, and no core was serialised since
  bool unserialised = false;                      // something was written, and the core serialisation failed
  detail::KeySites* unserialised_keys = nullptr;  // the keys of it; the others follow by next_unserialised

  bool serves_host_sites = false;  // this is Engine::process(); never changes once others know the engine
  std::vector<std::unique_ptr<detail::AdoptedModule>> host_modules;
  // Some module has sites that are not adopted, and whose keys' state they may not be in. Stored under commit_lock.
  // Acquire and release: a commit without lock that finds nothing to do relies on what the adoption wrote.
  std::atomic<bool> host_incomplete{false};

  // Counts commits that wrote. Written under commit_lock; relaxed, because reports of commits that found nothing to do
  // read it as data.
  std::atomic<std::uint64_t> generation{0};

  // The engine's own thread promotes keys. Constant once the engine is made.
  bool watches_demoted_keys = true;
  std::uint64_t next_look_at_demoted = 0;  // of monotonic_clock(); the engine's own thread alone uses it

  detail::Seeing seeing{&write_unwatched, &write_watched};  // who watches; its parts say what protects them
  detail::Quiescence quiescence{engine};                    // last: its driver uses the rest
};

// For tests.
struct detail::EngineInside {
  static auto& of(Engine& engine) noexcept { return *engine.impl_; }
};

}  // namespace shunt
