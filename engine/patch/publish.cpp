// Publication: code becomes reachable, with its sites in their keys' current states.
#include <algorithm>
#include <new>
#include <string>

#include "engine/engine_impl.h"
#include "engine/patch/mutant.h"

namespace shunt {

using detail::PlacedSite;

namespace {

Error bad_site(const NewSite& site, const std::string& problem) {
  return make_error(ErrorCode::InvalidArgument, "publish: site at offset " + std::to_string(site.offset) +
                                                    " of key \"" + (site.key == nullptr ? "(none)" : site.key->name()) +
                                                    "\": " + problem);
}

Status check_shape(const NewSite& site, std::size_t code_size) {
  if (site.key == nullptr) return bad_site(site, "no key");
  if (site.key->kind() == KeyKind::Call) {
    if (!detail::is_call(site.form)) return bad_site(site, "a static call's sites are of form Call");
    if (!site.targets.empty()) return bad_site(site, "a static call's sites lead where the call does: no targets");
    return Ok{};
  }
  const unsigned targets = site.key->states() - detail::first_branching_state(site.form);
  if (site.targets.size() != targets) {
    return bad_site(site, std::to_string(site.targets.size()) + " targets, but the key has " +
                              std::to_string(site.key->states()) + " states (one target for each " +
                              (targets == site.key->states() ? "of them)" : "above 0)"));
  }
  if (site.form == SiteForm::Toggle && site.key->states() != 2)
    return bad_site(site, "a Toggle has two states; use AlignedWord");
  for (std::uint32_t target : site.targets) {
    if (target >= code_size) return bad_site(site, "target " + std::to_string(target) + " lies outside the code");
  }
  return Ok{};
}

}  // namespace

// Checks the sites against the code's bounds and each other, and turns offsets in the code into offsets in code memory,
// by address.
Status Engine::Impl::place(const Allocation& allocation, std::span<const NewSite> sites,
                           std::vector<PlacedSite>& placed, std::vector<std::uint32_t>& targets) const {
  const std::uint32_t begin = offset_of(allocation.rx);
  std::size_t target_count = 0;
  const auto is_call = [](const NewSite& site) { return site.key != nullptr && site.key->kind() == KeyKind::Call; };
  for (const NewSite& site : sites) target_count += is_call(site) ? 1 : site.targets.size();
  targets.reserve(target_count);
  placed.reserve(sites.size());
  for (const NewSite& site : sites) {
    if (Status status = check_shape(site, allocation.size); !status) return status;
    if (site.offset >= allocation.size ||
        site.offset + patcher->site_length(site.form, begin + site.offset) > allocation.size) {
      return bad_site(site, "lies outside the code");
    }
    const std::size_t first = targets.size();
    for (std::uint32_t target : site.targets) targets.push_back(begin + target);
    if (is_call(site)) targets.push_back(begin + site.offset);  // aim_new() knows better
    placed.push_back({site.key, site.form, begin + site.offset, std::span(targets).subspan(first)});
  }
  const auto by_offset = [](const PlacedSite& a, const PlacedSite& b) { return a.offset < b.offset; };
  if (!std::is_sorted(placed.begin(), placed.end(), by_offset)) std::sort(placed.begin(), placed.end(), by_offset);
  for (std::size_t i = 1; i < placed.size(); ++i) {
    const PlacedSite& previous = placed[i - 1];
    if (placed[i].offset < previous.offset + patcher->site_length(previous.form, previous.offset)) {
      return make_error(ErrorCode::InvalidArgument,
                        "publish: sites overlap at offset " + std::to_string(placed[i].offset - begin));
    }
  }
  return Ok{};
}

// commit_lock held: binds the key, and refuses it if it is a broken assumption.
Status Engine::Impl::bind_new(KeyBase& key) {
  if (key.kind() == KeyKind::Call) return bind_call(static_cast<detail::CallBase&>(key));
  if (Status status = bind(key); !status) return status;
  // What is written counts, not what is complete: a site of this code would be born in its slow path, and whoever
  // compiled it believed otherwise.
  if (key.kind() == KeyKind::Assumption && key.sites_->written != 0 && !mutated(detail::Mutant::PublishBroken)) {
    return make_error(ErrorCode::AssumptionBroken, std::string("publish: the code depends on the assumption \"") +
                                                       key.name() + "\", which is broken; compile it again without");
  }
  return Ok{};
}

// commit_lock held. All or nothing; may throw std::bad_alloc, then drop_code() undoes it.
Status Engine::Impl::add_sites(std::uint32_t begin, std::span<PlacedSite> placed,
                               std::span<Assumption* const> dependencies) {
  const detail::CodeViews code = views();
  for (const PlacedSite& site : placed) {
    if (Status status = bind_new(*site.key); !status) return status;
    if (Status status = patcher->check_new(code, site); !status) return status;
    if (Status status = aim_new(site); !status) return status;
  }
  const bool breakpoints_needed = std::any_of(placed.begin(), placed.end(), [this](const PlacedSite& site) {
    return detail::is_unaligned(site.form) || (strict && patcher->has_breakpoints());
  });
  if (breakpoints_needed) {
    if (Status status = enable_breakpoints(); !status) return status;
  }
  if (mutated(detail::Mutant::ForgetDependency)) dependencies = {};
  for (Assumption* assumption : dependencies) {
    if (assumption == nullptr) return make_error(ErrorCode::InvalidArgument, "publish: an assumption is null");
    if (Status status = bind_new(*assumption); !status) return status;
  }
  if (placed.empty() && dependencies.empty()) return Ok{};
  detail::SiteTable::CodeEntry& entry = table.add_code(begin);
  for (Assumption* assumption : dependencies) table.add_dependency(entry, *assumption->sites_);
  for (std::size_t i = 0; i < placed.size(); ++i) {
    const PlacedSite& site = placed[i];
    detail::KeySites& sites = *site.key->sites_;
    const auto alike = [&](const PlacedSite& other) { return other.key == site.key && other.form == site.form; };
    if (i == 0 || !alike(placed[i - 1])) {
      const auto run_end = std::find_if_not(placed.begin() + static_cast<std::ptrdiff_t>(i), placed.end(), alike);
      table.reserve(sites, site.form, static_cast<std::size_t>(run_end - placed.begin()) - i);
    }
    table.add_site(entry, sites, site.offset, site.form, site.targets);
    patcher->write_new(code, site, mutated(detail::Mutant::PublishOldState) ? 0 : sites.written);
  }
  return Ok{};
}

void Engine::Impl::drop_code(std::uint32_t begin, std::uint32_t size) noexcept {
  const std::lock_guard hold(commit_lock);
  table.remove_code(begin, begin + size);
  drop_breakpoints(code_region.number, begin, begin + size);
  published.remove(begin);
  veneers.end(begin, begin + size);
}

// Copies the code to its place. Without the commit lock, but where code memory is shared since a fork: a module's
// megabytes would hold up others' commits.
Status Engine::Impl::fill(std::uint32_t begin) {
  if (memory.in_foreign_child()) return detail::made_before_clone();
  for (;;) {
    Result<bool> filled = memory.fill(begin);
    if (!filled) return std::move(filled).error();
    if (*filled) return Ok{};
    const std::lock_guard hold(commit_lock);
    if (Status status = own_code_memory(); !status) return status;
  }
}

Result<Code> Engine::Impl::publish(const Allocation& allocation, std::span<const NewSite> sites,
                                   std::span<Assumption* const> dependencies, bool synchronise) {
  if (!contains(allocation.rx) || !memory.is_staged({offset_of(allocation.rx), allocation.staging}, allocation.size)) {
    return make_error(ErrorCode::InvalidArgument,
                      "publish: the allocation is not of this engine, or it was published or released already");
  }
  const std::uint32_t begin = offset_of(allocation.rx);
  const auto size = static_cast<std::uint32_t>(allocation.size);
  Code code;  // from here on its end undoes everything
  code.engine_ = &engine;
  code.rx_ = allocation.rx;
  code.size_ = allocation.size;
  try {
    std::vector<PlacedSite> placed;
    std::vector<std::uint32_t> targets;
    if (Status status = place(allocation, sites, placed, targets); !status) return status.error();
    if (Status status = fill(begin); !status) return status.error();
    const std::lock_guard hold(commit_lock);
    if (Status status = own_code_memory(); !status) return status.error();  // a fork may have come since
    if (Status status = add_sites(begin, placed, dependencies); !status) return status.error();
    published.add(begin, size);
  } catch (const std::bad_alloc&) {
    return make_error(ErrorCode::OutOfMemory, "no heap memory to register the sites of new code");
  }
  const arch::CodeRange range{begin, size, code_region.number};
  const detail::Region* const region = &code_region;
  patcher->maintain({&region, 1}, {&range, 1});
  // Outside the commit lock: nobody else can reach the code yet, and others' commits need not wait.
  if (synchronise && !mutated(detail::Mutant::SkipSerialisation)) {
    if (Status status = serialiser->serialise(); !status) return status.error();
  }
  return code;
}

}  // namespace shunt
