// Static calls in batches and publications: where their sites lead, and where C++ enters them.
//
// Users of veneers: a call has one of that of the function that its sites' bytes call; a plan has one of that of each
// function that it is going to set. After the commit the call takes over the plan's, or the plan gives it back.
#include <memory>
#include <string>
#include <utility>

#include "engine/engine_impl.h"

namespace shunt {

using detail::CallBase;
using detail::CallSites;
using detail::CommitPlan;
using detail::KeySites;

// bind() for a call: afterwards key.sites_->call is set as well. commit_lock held; may throw std::bad_alloc.
Status Engine::Impl::bind_call(CallBase& call) {
  if (Status status = bind(call); !status) return status;
  KeySites& sites = *call.sites_;
  if (sites.call != nullptr) return Ok{};
  auto made = std::make_unique<CallSites>();
  const void* const last = call.function_.load(std::memory_order_relaxed);  // stored under commit_lock, which we hold
  if (call.state() != 0) made->function = last != nullptr ? last : call.operations_->initial(call);
  if (made->function != nullptr) {
    Result<std::uint32_t> target = call_code.use(made->function);
    if (!target) return target.error();
    made->target = *target;
    call_code.reached(made->function);
  }
  sites.call = std::move(made);
  return Ok{};
}

// The call's trampoline is a site of the call like any other; nobody enters it before complete_call().
Status Engine::Impl::make_trampoline(KeySites& sites) {
  detail::SiteRecords& records = sites.group(code_region, detail::Shape::FallsThrough).records;
  records.reserve(1);
  Result<std::uint32_t> made = call_code.make_trampoline();
  if (!made) return made.error();
  const std::uint32_t offset = *made;
  std::uint32_t target = offset;
  detail::PlacedSite site{sites.key, SiteForm::AlignedWord, offset, {&target, 1}};
  Status status = patcher->check_new(views(), site);
  if (status) status = aim_new(site);
  if (!status) {
    call_code.end_trampoline(offset);
    return status;
  }
  patcher->write_new(views(), site, sites.written);
  call_code.maintain(offset);
  records.append(offset, site.form, site.targets);
  sites.call->trampoline = offset;
  return Ok{};
}

// Where the call is to lead.
Result<CommitPlan::Change> Engine::Impl::plan_call(CallBase& call, const void* function) {
  if (function == nullptr && !call.operations_->may_be_empty) {
    return make_error(ErrorCode::InvalidArgument,
                      std::string("static call \"") + call.name() +
                          "\" returns a value, so it cannot be empty; set it to a function");
  }
  if (Status status = bind_call(call); !status) return status.error();
  KeySites& sites = *call.sites_;
  if (sites.call->trampoline == CallSites::none) {
    if (Status status = make_trampoline(sites); !status) return status.error();
  }
  CommitPlan::Change change{&sites, 0, CallSites::none};
  plan.calls.push_back({&sites, nullptr});
  sites.call->place = plan.calls.size() - 1;
  if (function == nullptr) return change;
  Result<std::uint32_t> target = call_code.use(function);
  if (!target) return target.error();
  plan.calls.back().function = function;
  change.to = 1;
  change.target = *target;
  if (Status status = prepare_reach(sites, *target); !status) return status.error();
  return change;
}

// A site of new code, or a trampoline: its targets become where its branches lead. A call's site leads where the call
// does; an empty call's to itself.
Status Engine::Impl::aim_new(const detail::PlacedSite& site) {
  if (site.key->kind() == KeyKind::Call) {
    const KeySites& sites = *site.key->sites_;
    site.targets[0] = sites.written != 0 ? sites.call->target : site.offset;
  }
  for (std::uint32_t& target : site.targets) {
    const Result<std::uint32_t> way = veneers.reach(site.form, site.offset, target);
    if (!way) return way.error();
    target = *way;
  }
  return Ok{};
}

// Every site of the call is to reach `target`, if need be by a veneer.
Status Engine::Impl::prepare_reach(const KeySites& sites, std::uint32_t target) {
  Status reached = Ok{};
  if (sites.written != 0 && target == sites.call->target) return reached;
  for (const detail::SiteGroup& group : sites.groups) {
    group.records.for_each(
        [this, &reached, target](const detail::SiteView& site) {
          if (const auto way = veneers.reach(site.form, site.offset, target); !way) reached = way.error();
          return reached.has_value();
        },
        [](std::uint32_t) {});
    if (!reached) break;
  }
  return reached;
}

// The batch that is being looked at is refused.
void Engine::Impl::drop_calls() noexcept {
  if (plan.calls.size() == plan.batch.first_call) return;
  while (plan.calls.size() > plan.batch.first_call) {
    call_code.drop(plan.calls.back().function);
    plan.calls.pop_back();
  }
  for (std::size_t i = 0; i < plan.calls.size(); ++i) plan.calls[i].sites->call->place = i;
}

// The records say from here on what the sites are about to be written as.
void Engine::Impl::aim_call(const CommitPlan::Change& change) noexcept {
  CallSites& call = *change.sites->call;
  call.target = change.target;
  call_code.reached(plan.calls[call.place].function);
  const bool everywhere = !veneers.needed();
  for (detail::SiteGroup& group : change.sites->groups) {
    group.records.set_targets([&](const detail::SiteView& site) {
      return everywhere ? change.target : veneers.way(site.form, site.offset, change.target);
    });
  }
}

// The end of a commit, and whether its core serialisation succeeded.
void Engine::Impl::finish_calls(bool complete) noexcept {
  for (std::size_t i = 0; i < plan.calls.size(); ++i) {
    const CommitPlan::Call& planned = plan.calls[i];
    CallSites& call = *planned.sites->call;
    const bool last = call.place == i;
    call_code.drop(last ? std::exchange(call.function, planned.function) : planned.function);
    if (!last || !complete) continue;
    auto& key = static_cast<CallBase&>(*planned.sites->key);
    key.function_.store(planned.function, std::memory_order_release);  // see static_call.h
  }
}

// What the call's sites call is complete: for commits that find nothing to do, and for C++. A core serialisation has
// succeeded since the trampoline was written, so any thread may be sent there.
void Engine::Impl::complete_call(KeySites& sites) noexcept {
  auto& call = static_cast<CallBase&>(*sites.key);
  call.function_.store(sites.call->function, std::memory_order_release);  // see static_call.h
  if (sites.call->trampoline != CallSites::none) {
    call.operations_->enter(call, memory.rx() + sites.call->trampoline);
  }
}

// The call ends before the engine: nobody calls through it any more, but published code may still lead to its function.
void Engine::Impl::end_call(KeySites& sites) noexcept {
  if (sites.call == nullptr) return;
  const bool entered = sites.call->trampoline != CallSites::none;
  if (sites.size() == (entered ? 1U : 0U)) call_code.drop(sites.call->function);
  if (!entered) return;
  const std::uint32_t trampoline = sites.call->trampoline;
  drop_breakpoints(code_region.number, trampoline, trampoline + detail::CallCode::size);
  call_code.end_trampoline(trampoline);
}

// The engine ends before the call: C++ calls the function directly, or, if that was in code memory, the initial one.
void Engine::Impl::leave_call(KeySites& sites) noexcept {
  auto& call = static_cast<CallBase&>(*sites.key);
  if (sites.call == nullptr) return;
  const void* function = sites.call->function;
  if (contains(function)) function = call.operations_->initial(call);
  call.function_.store(function, std::memory_order_relaxed);  // nobody else uses an engine that ends
  call.state_.store(function == nullptr ? 0 : 1, std::memory_order_relaxed);
  call.operations_->enter(call, function);
}

}  // namespace shunt
