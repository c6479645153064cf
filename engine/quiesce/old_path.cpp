#include "engine/quiesce/old_path.h"

#include <algorithm>
#include <cstdio>
#include <functional>
#include <string>
#include <utility>

#include "engine/engine_impl.h"
#include "engine/patch/mutant.h"

namespace shunt {

using detail::CodePieces;
using detail::KeySites;
using detail::QueuedBatch;
using detail::QueuedState;
using detail::SiteGroup;
using detail::SiteView;

namespace detail {

std::string hex(const void* address) {
  char text[24];
  std::snprintf(text, sizeof text, "%p", address);
  return text;
}

Status BlockingThread::check(const std::vector<CodeExtent>& old_path) const {
  for (const CodeExtent& extent : old_path) {
    const auto first = std::lower_bound(addresses.begin(), addresses.end(), extent.begin, std::less<>());
    if (first == addresses.end() || !std::less<>()(*first, extent.end()) || mutated(Mutant::WaitForOneself)) continue;
    return make_error(ErrorCode::InsideOldPath, who + " would wait for itself: when this call returns it goes on at " +
                                                    hex(*first) + ", in the old path. Use a ticket");
  }
  return Ok{};
}

}  // namespace detail

namespace {

// The pieces of code that old targets stand for, each once. A veneer stands for what it leads to: in itself no thread
// has a frame, because it calls nothing and holds no safepoint.
class OldPieces {
 public:
  OldPieces(const CodePieces& pieces, const detail::Veneers& veneers, const std::uint8_t* code)
      : pieces_(pieces), veneers_(veneers), code_(code) {}

  void add(std::uint32_t offset) {
    if (!mutated(detail::Mutant::DrainToVeneer)) offset = veneers_.target_of(offset);
    if (offset - last_.begin < last_.size) return;
    last_ = pieces_.find(offset);
    if (last_.size != 0) extents_.push_back({code_ + last_.begin, last_.size});
  }
  std::vector<CodeExtent> take() {
    const auto begin = [](const CodeExtent& extent) { return extent.begin; };
    std::ranges::sort(extents_, std::less<>(), begin);
    const auto repeated = std::ranges::unique(extents_, std::equal_to<>(), begin);
    extents_.erase(repeated.begin(), repeated.end());
    return std::move(extents_);
  }

 private:
  const CodePieces& pieces_;
  const detail::Veneers& veneers_;
  const std::uint8_t* code_;
  CodePieces::Piece last_;
  std::vector<CodeExtent> extents_;
};

void add_other_states(OldPieces& old, const SiteGroup& group, unsigned states, unsigned wanted) {
  const auto add = [&](const SiteView& site) {
    for (unsigned state = 0; state < states; ++state) {
      if (state != wanted) old.add(site.branches(state) ? site.target(state) : site.offset);
    }
    return true;
  };
  group.records.for_each(add, [](std::uint32_t) {});
}

}  // namespace

// commit_lock held. The batch is planned, not written. May throw std::bad_alloc.
Status Engine::Impl::find_old_path(const QueuedBatch& batch) {
  OldPieces old(published, veneers, views().rx);
  const auto refuse = [](const KeySites& sites) {
    return make_error(ErrorCode::InvalidArgument,
                      std::string("commit_and_drain: key \"") + sites.key->name() +
                          "\" has sites in the embedder's own code, whose paths the engine does not know: name the old "
                          "path with PatchBatch::old_path(); nothing was written");
  };
  // Each key once: all of its entries have the state that the last call gave it.
  std::vector<std::pair<KeySites*, unsigned>> wanted;
  for (const QueuedState& queued : batch.states)
    wanted.emplace_back(queued.key->sites_, plan.state_of(*queued.key->sites_));
  std::ranges::sort(wanted, std::less<>(), &std::pair<KeySites*, unsigned>::first);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const auto [sites, state] = wanted[i];
    if (i + 1 < wanted.size() && wanted[i + 1].first == sites) continue;
    if (sites->call != nullptr) {  // a function that is called no more; who calls it stands in no old path
      const detail::CommitPlan::Change now = detail::CommitPlan::now(*sites);
      if (now.to != 0 && !plan.after_batches(*sites).same(now)) old.add(now.target);
      continue;
    }
    for (const SiteGroup& group : sites->groups) {
      if (group.region != &code_region && group.records.size() != 0) return refuse(*sites);
      add_other_states(old, group, sites->key->states(), state);
    }
  }
  for (std::size_t i = plan.batch.first_retarget; i < plan.retargets.size(); ++i) {
    const detail::CommitPlan::Retarget& retarget = plan.retargets[i];
    if (retarget.group->region != &code_region) return refuse(*retarget.sites);
    old.add(retarget.group->records.at(retarget.slot).target(retarget.state));
  }
  batch.old_path->extents = old.take();
  const detail::BlockingThread* const blocks = batch.old_path->blocks;
  return blocks == nullptr ? Status(Ok{}) : blocks->check(batch.old_path->extents);
}

}  // namespace shunt
