#include "engine/patch/breakpoint.h"

#include <algorithm>
#include <memory>
#include <string>

#include "engine/engine_impl.h"
#include "engine/patch/mutant.h"
#include "engine/trap/trap_handler.h"

namespace shunt {

using detail::BreakpointSite;
using detail::BreakpointStep;
using detail::CodeSpan;
using detail::Mutant;
using detail::SiteGroup;

namespace {

BreakpointStep next_step(BreakpointStep step) noexcept {
  switch (step) {
    case BreakpointStep::Breakpoints:
      return BreakpointStep::Tails;
    case BreakpointStep::Tails:
      return BreakpointStep::FirstBytes;
    default:
      return BreakpointStep::None;
  }
}

bool skips_serialisation(BreakpointStep step) noexcept {
  return (step == BreakpointStep::Breakpoints && mutated(Mutant::SkipSerialisation1)) ||
         (step == BreakpointStep::Tails && mutated(Mutant::SkipSerialisation2)) ||
         (step == BreakpointStep::FirstBytes && mutated(Mutant::SkipSerialisation3));
}

}  // namespace

bool Engine::Impl::by_breakpoint(const SiteGroup& group) const noexcept {
  return is_unaligned(group.records.shape()) || (strict && patcher->has_breakpoints());
}

// Before a site that goes by breakpoints can be flipped: when code that has one is published, so that an embedder knows
// when the handler is installed, and at each batch, for sites that the engine makes for itself. May throw
// std::bad_alloc.
Status Engine::Impl::enable_breakpoints() {
  if (Status status = detail::install_trap_handler(); !status) return status;
  breakpoints.entry.take();
  return Ok{};
}

// Makes room for what of the batch that is being planned goes by breakpoints, and refuses what threads could not
// survive. May throw std::bad_alloc.
Status Engine::Impl::plan_breakpoints() {
  std::size_t count = 0;
  bool in_host_text = false;
  const auto add = [&](const SiteGroup& group, std::size_t sites) {
    if (sites == 0 || !by_breakpoint(group)) return;
    count += sites;
    in_host_text = in_host_text || group.region != &code_region;
  };
  for (std::size_t i = plan.batch.first_change; i < plan.changes.size(); ++i) {
    for (const SiteGroup& group : plan.changes[i].sites->groups) add(group, group.records.size());
  }
  for (std::size_t i = plan.batch.first_retarget; i < plan.retargets.size(); ++i) add(*plan.retargets[i].group, 1);
  if (count == 0) return Ok{};

  if (in_host_text && !breakpoints_in_host_text) {
    return make_error(
        ErrorCode::BreakpointsForbidden,
        "a site in the host program's text can only be rewritten by a breakpoint, which kills a thread that "
        "blocks SIGTRAP; if no thread that runs this text does, say so by "
        "EngineOptions::breakpoints_in_host_text");
  }
  breakpoints.wanted += count;  // too many, if the batch is refused after all, or a retarget does not show
  if (breakpoints.sites.capacity() < breakpoints.wanted)
    breakpoints.sites.reserve(std::max(breakpoints.wanted, 2 * breakpoints.sites.capacity()));
  if (Status status = enable_breakpoints(); !status) return status;
  if (Status status = detail::check_trap_handler(); !status) return status;
  auto code = std::make_shared<std::vector<CodeSpan>>();
  for (const detail::Region* region : regions) {
    if (region == nullptr) continue;  // of a module that was unloaded
    const std::uint64_t begin = reinterpret_cast<std::uintptr_t>(region->views.rx);
    code->push_back({begin, begin + region->size});
  }
  breakpoints.code = std::move(code);
  return Ok{};
}

// Steps 1 and 2, as far as they are the breakpoints'. No site is twice in the batch: a rewrite is of a key that
// does not change.
void Engine::Impl::write_breakpoints() noexcept {
  std::vector<BreakpointSite>& sites = breakpoints.sites;
  if (sites.empty()) return;
  const auto by_address = [](const BreakpointSite& a, const BreakpointSite& b) { return a.address < b.address; };
  if (!std::is_sorted(sites.begin(), sites.end(), by_address)) std::sort(sites.begin(), sites.end(), by_address);
  breakpoints.step = BreakpointStep::Breakpoints;
  if (mutated(Mutant::BreakpointBeforeShown)) patcher->write_step(regions, sites, breakpoints.step);
  breakpoints.entry.show(sites, breakpoints.code);
  if (!mutated(Mutant::BreakpointBeforeShown)) patcher->write_step(regions, sites, breakpoints.step);
}

// Serialises after what was written last, and makes the steps that are left, each with its core serialisation. On error
// the batch stays where it is, and this is to be called again.
Status Engine::Impl::serialise_steps(CommitReport& report) noexcept {
  if (breakpoints.in_flight()) {
    if (Status status = own_text_of_breakpoints(); !status) return status;
  }
  for (;;) {
    if (!skips_serialisation(breakpoints.step)) {
      if (Status status = serialise(); !status) {
        if (mutated(Mutant::AbandonBreakpoints) && breakpoints.in_flight()) end_breakpoints();
        return status;
      }
      ++report.serialisations;
    }
    if (!breakpoints.in_flight()) return Ok{};
    breakpoints.step = next_step(breakpoints.step);
    if (!breakpoints.in_flight()) break;
    patcher->write_step(regions, breakpoints.sites, breakpoints.step);
  }
  end_breakpoints();
  return Ok{};
}

// Step 5.
void Engine::Impl::end_breakpoints() noexcept {
  breakpoints.entry.hide();
  breakpoints.sites.clear();
  breakpoints.step = BreakpointStep::None;
}

// Code in [begin, end) of a region ends; no thread is in it. A batch that a failed core serialisation holds up writes
// nothing there any more.
void Engine::Impl::drop_breakpoints(std::uint32_t region, std::uint32_t begin, std::uint32_t end) noexcept {
  if (!breakpoints.in_flight()) return;
  const std::uint64_t base = reinterpret_cast<std::uintptr_t>(regions[region]->views.rx);
  for (BreakpointSite& site : breakpoints.sites) {
    // Readers compare addresses alone, unless they look for this very site: nobody can.
    if (site.region == region && site.address >= base + begin && site.address < base + end) site.dropped = 1;
  }
}

}  // namespace shunt
