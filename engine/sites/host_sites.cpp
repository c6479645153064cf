// The host sites of the process's engine: modules are taken over, moved before their first flip, and dropped.
#include <cerrno>

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "arch/backend.h"
#include "engine/engine_impl.h"
#include "engine/memory/page.h"
#include "engine/patch/mutant.h"
#include "engine/sites/host_modules.h"

namespace shunt {

using detail::AdoptedModule;
using detail::DualMapping;
using detail::HostModule;
using detail::HostModules;
using detail::HostRun;
using detail::HostSite;
using detail::KeySites;
using detail::SiteGroup;
using detail::SiteRecords;
using detail::SiteView;

namespace {

// The host's only form of host sites: shunt/arch/*/host_branch.h.
constexpr SiteForm host_form =
    arch::HostInstructionSet::supports(arch::SiteForm::Toggle) ? SiteForm::Toggle : SiteForm::AlignedWord;

constexpr std::size_t words_per_site = sizeof(HostSite) / sizeof(std::uint32_t);

std::vector<HostRun> find_runs(const HostModule& module) {
  std::vector<HostRun> runs;
  const auto count = static_cast<std::uint32_t>(module.end - module.begin);
  for (std::uint32_t i = 0; i < count; ++i) {
    if (i == 0 || module.begin[i].key != module.begin[i - 1].key) runs.push_back({i, 0, false});
    ++runs.back().count;
  }
  return runs;
}

SiteRecords records_of(const AdoptedModule& adopted, const HostRun& run) noexcept {
  HostSite& first = adopted.module->begin[run.first];
  const bool inverted = (HostModules::flags_of(*adopted.module, first) & detail::host_site_inverted) != 0;
  return {reinterpret_cast<std::uint32_t*>(&first), run.count, words_per_site, inverted};
}

// Whether the module has sites of the batch's keys that are not adopted.
bool waits_for(const AdoptedModule& adopted, const detail::QueuedBatch& batch) {
  const HostModule& module = *adopted.module;
  const auto names = [&](const HostSite& site) {
    const KeyBase* const key = HostModules::key_of(module, site);
    return std::any_of(batch.states.begin(), batch.states.end(), [&](const auto& queued) { return queued.key == key; });
  };
  if (!module.rewritten) return std::any_of(module.begin, module.end, names);
  return std::any_of(adopted.runs.begin(), adopted.runs.end(),
                     [&](const HostRun& run) { return !run.adopted && names(module.begin[run.first]); });
}

// The pages that hold sites, as pieces in order. A short gap between two is moved along, so that a module does not end
// up in more mappings than the system allows (vm.max_map_count, 65,530 by default): each piece costs two.
std::vector<DualMapping::Piece> pieces_with_sites(const AdoptedModule& adopted, unsigned site_length) {
  constexpr std::size_t most_pieces = 1024;
  std::vector<bool> has_site(adopted.region.size / detail::page_size());
  for (const HostSite* site = adopted.module->begin; site != adopted.module->end; ++site) {
    const std::uint32_t offset = static_cast<std::uint32_t>(site->code) & SiteView::offset_mask;
    has_site[offset / detail::page_size()] = true;
    has_site[(offset + site_length - 1) / detail::page_size()] = true;
  }
  std::vector<DualMapping::Piece> pieces;
  for (std::size_t longest_gap = 4;; longest_gap *= 2) {  // pages
    pieces.clear();
    std::size_t end = 0;  // page after the last piece
    for (std::size_t page = 0; page < has_site.size(); ++page) {
      if (!has_site[page]) continue;
      if (pieces.empty() || page - end > longest_gap) pieces.push_back({page * detail::page_size(), 0});
      end = page + 1;
      pieces.back().size = end * detail::page_size() - pieces.back().offset;
    }
    if (pieces.size() <= most_pieces) return pieces;
  }
}

}  // namespace

// Takes over the modules that are new, and tries again what failed. A module that fails keeps the sites that failed as
// they are, and the error for the next commit of their keys.
void Engine::Impl::adopt_host_modules() noexcept {
  const std::lock_guard hold(commit_lock);
  adopt_host_modules_locked();
}

void Engine::Impl::adopt_host_modules_locked() noexcept {
  bool incomplete = false;
  try {
    for (HostModule* module : HostModules::all()) {
      AdoptedModule& adopted = adopted_module(*module);
      adopted.problem.reset();
      if (Status status = adopt(adopted); !status) adopted.problem = status.error();
      incomplete = incomplete || adopted.problem.has_value();
    }
  } catch (const std::bad_alloc&) {
    incomplete = true;
  }
  host_incomplete.store(incomplete, std::memory_order_release);  // see engine_impl.h
}

AdoptedModule& Engine::Impl::adopted_module(HostModule& module) {
  for (const auto& adopted : host_modules) {
    if (adopted->module == &module) return *adopted;
  }
  auto adopted = std::make_unique<AdoptedModule>();
  adopted->module = &module;
  std::size_t number = 0;
  while (number < regions.size() && regions[number] != nullptr) ++number;
  adopted->region = {{module.text, nullptr}, module.text_size, static_cast<std::uint32_t>(number)};
  host_modules.reserve(host_modules.size() + 1);
  if (number == regions.size()) {
    regions.push_back(&adopted->region);
  } else {
    regions[number] = &adopted->region;
  }
  return *host_modules.emplace_back(std::move(adopted));
}

Status Engine::Impl::adopt(AdoptedModule& adopted) {
  HostModule& module = *adopted.module;
  if (!module.rewritten) {
    if (Status status = HostModules::rewrite(module, host_form); !status) return status;
  }
  if (adopted.runs.empty()) adopted.runs = find_runs(module);
  detail::HostRewrite rewrite;
  Status outcome = Ok{};
  for (HostRun& run : adopted.runs) {
    if (run.adopted) continue;
    if (Status status = adopt(adopted, run, rewrite); !status) outcome = status;
  }
  if (!rewrite.keys.empty()) {
    // The module's text may be on this core's way already, and of a module that waited, on others'.
    std::sort(rewrite.written.begin(), rewrite.written.end());
    patcher->maintain(regions, rewrite.written);
    if (Status status = serialiser->serialise(); !status) {
      unserialised = true;
      for (KeySites* sites : rewrite.keys) mark_unserialised(*sites);
    }
  }
  return outcome;
}

// The sites of one key get the state that the key has.
Status Engine::Impl::adopt(AdoptedModule& adopted, HostRun& run, detail::HostRewrite& rewrite) {
  const HostSite& first = adopted.module->begin[run.first];
  KeyBase* const key = HostModules::key_of(*adopted.module, first);
  if (key == nullptr) return Ok{};  // has ended
  if (Status status = bind(*key); !status) return status;
  KeySites& sites = *key->sites_;
  const unsigned emitted = HostModules::state_of(HostModules::flags_of(*adopted.module, first));
  SiteGroup group{&sites, &adopted.region, records_of(adopted, run)};
  sites.groups.reserve(sites.groups.size() + 1);
  if (sites.written != emitted && !mutated(detail::Mutant::AdoptInEmittedState)) {
    if (adopted.region.views.rw == nullptr) {
      if (Status status = move_text(adopted); !status) return status;
    }
    if (Status status = patcher->check(group, emitted); !status) return status;
    rewrite.keys.push_back(&sites);
    if (patcher->collects_ranges()) rewrite.written.reserve(rewrite.written.size() + run.count);
    patcher->write(group, sites.written, rewrite.written);
  }
  table.add_group(sites, std::move(group));
  run.adopted = true;
  return Ok{};
}

// Text that is not moved yet, or shared since a fork(), before it is written.
Status Engine::Impl::own_text(const detail::Region& region) {
  if (region.views.rw != nullptr) return Ok{};
  const auto adopted = std::find_if(host_modules.begin(), host_modules.end(),
                                    [&](const auto& module) { return &module->region == &region; });
  return adopted == host_modules.end() ? Status(Ok{}) : move_text(**adopted);
}

// What a batch that a failed core serialisation holds up has still to write, if a fork() came since.
Status Engine::Impl::own_text_of_breakpoints() noexcept {
  if (mutated(detail::Mutant::KeepHeldUpText)) return Ok{};
  try {
    for (const detail::BreakpointSite& site : breakpoints.sites) {
      if (site.dropped != 0) continue;
      if (Status status = own_text(*regions[site.region]); !status) return status;
    }
  } catch (const std::bad_alloc&) {
    return make_error(ErrorCode::OutOfMemory, "no heap memory to move host text");
  }
  return Ok{};
}

// Before the bytes of a batch are checked: the text of every region that it is going to write gets its RW alias, and
// none of its keys has sites that could not be adopted.
Status Engine::Impl::prepare_host_text(const detail::QueuedBatch& batch) {
  const auto prepare = [this](const SiteGroup& group) { return own_text(*group.region); };
  for (std::size_t i = plan.batch.first_change; i < plan.changes.size(); ++i) {
    for (const SiteGroup& group : plan.changes[i].sites->groups) {
      if (Status status = prepare(group); !status) return status;
    }
  }
  for (const detail::CommitPlan::Retarget& rewrite : plan.batch.rewrites) {
    if (Status status = prepare(*rewrite.group); !status) return status;
  }
  if (!host_incomplete.load(std::memory_order_relaxed)) return Ok{};  // only stored under commit_lock, which we hold
  for (const auto& adopted : host_modules) {
    if (adopted->problem && waits_for(*adopted, batch)) return *adopted->problem;
  }
  return Ok{};
}

// The pages with sites are copied into a shared memory object, and its RX view is laid over them (docs/host-sites.md).
// Threads execute the text all the while: what they execute is the same before and after, and never missing. Only pages
// with sites, because all others stay shared with other processes, and keep the name of their file.
Status Engine::Impl::move_text(AdoptedModule& adopted) {
  const std::string name = HostModules::name_of(*adopted.module);
  const auto refuse = [&](const Error& error) {
    return make_error(error.code(), "host sites of " + name + ": their code cannot be moved: " + error.message() +
                                        "; no site and no key has changed");
  };
  detail::Region& region = adopted.region;
  const std::vector<DualMapping::Piece> pieces = pieces_with_sites(adopted, patcher->site_length(host_form, 0));
  const std::string file = *adopted.module->path == '\0' ? program_invocation_short_name : name;
  const std::string file_name = "shunt-text:" + file.substr(file.rfind('/') + 1).substr(0, 200);  // memfd's limit: 249
  const bool writable = memory.backing() == detail::Backing::Writable;
  const detail::Backing backing = writable ? detail::Backing::Writable : detail::Backing::Any;
  Result<DualMapping> made = DualMapping::create(region.size, backing, file_name.c_str());
  if (!made) return refuse(made.error());
  DualMapping copy = std::move(*made);
  if (Status status = copy.expose(region.size); !status) return refuse(status.error());
  for (const DualMapping::Piece& piece : pieces) {
    if (Status status = copy.take_memory(piece.offset, piece.offset + piece.size); !status)
      return refuse(status.error());
    std::memcpy(copy.rw() + piece.offset, region.views.rx + piece.offset, piece.size);
  }
  // Fetchable before anybody can fetch it.
  std::vector<arch::CodeRange> ranges;
  const detail::Region copied{{copy.rx(), copy.rw()}, region.size, 0};
  const detail::Region* const copied_region = &copied;
  for (const DualMapping::Piece& piece : pieces) {
    ranges.push_back({static_cast<std::uint32_t>(piece.offset), static_cast<std::uint32_t>(piece.size), 0});
  }
  patcher->maintain({&copied_region, 1}, ranges);
  if (Status status = copy.lay_over(region.views.rx, pieces); !status) return refuse(status.error());
  adopted.text = std::move(copy);
  region.views.rw = adopted.text->rw();
  return Ok{};
}

// After fork(), parent and child share the object that text was moved to. Each moves it anew, to an object of its own,
// before its next flip.
void Engine::Impl::share_host_text() noexcept {
  if (mutated(detail::Mutant::KeepSharedText)) return;
  for (const auto& adopted : host_modules) adopted->region.views.rw = nullptr;
}

void Engine::Impl::drop_host_module(HostModule& module) noexcept {
  const std::lock_guard hold(commit_lock);
  for (auto adopted = host_modules.begin(); adopted != host_modules.end(); ++adopted) {
    if ((*adopted)->module != &module) continue;
    const detail::Region& region = (*adopted)->region;
    if (!mutated(detail::Mutant::KeepDroppedModule)) table.remove_groups(region);
    drop_breakpoints(region.number, 0, static_cast<std::uint32_t>(region.size));
    regions[region.number] = nullptr;
    host_modules.erase(adopted);
    return;
  }
}

// The key ends: no record names it any more.
void Engine::Impl::forget_host_sites(KeySites& sites) noexcept {
  if (mutated(detail::Mutant::KeepDroppedModule)) return;  // the records may be gone
  for (const SiteGroup& group : sites.groups) {
    auto* site = reinterpret_cast<HostSite*>(group.records.foreign());
    if (site == nullptr) continue;
    for (std::size_t i = 0; i < group.records.size(); ++i) site[i].key = 0;
  }
}

}  // namespace shunt
