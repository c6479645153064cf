#include "shunt/runtime/flag_view.h"

#include <algorithm>
#include <functional>
#include <map>
#include <mutex>
#include <utility>

#include "runtime/flags/flag_state.h"
#include "runtime/flags/set_state.h"
#include "runtime/flags/view_state.h"

namespace shunt::flags {

// --- cells ---

ViewedFlags::ViewedFlags(std::vector<ViewedFlag> by_cell) : by_cell_(std::move(by_cell)) {
  std::map<Flag*, std::vector<std::uint32_t>, std::less<>> found;
  for (std::size_t cell = 0; cell < by_cell_.size(); ++cell) {
    if (by_cell_[cell].flag != nullptr) found[by_cell_[cell].flag].push_back(static_cast<std::uint32_t>(cell));
  }
  for (auto& [flag, cells] : found) by_flag_.push_back({flag, std::move(cells)});
}

std::span<const std::uint32_t> ViewedFlags::cells_of(const Flag& flag) const noexcept {
  const auto found = std::ranges::lower_bound(by_flag_, &flag, std::less<const Flag*>(), &OfFlag::flag);
  if (found == by_flag_.end() || found->flag != &flag) return {};
  return found->cells;
}

std::uint64_t ViewState::bits_for(std::size_t cell, const InForce& now) const {
  const ViewedFlag& viewed = flags[cell];
  if (viewed.variant.empty()) return bits_of(now, viewed.type);
  return now.value && now.variant == viewed.variant ? 1 : 0;
}

bool ViewState::holds(const Flag& flag, const InForce& now) const {
  for (const std::uint32_t i : flags.cells_of(flag)) {
    // Relaxed: written under the lock that is held.
    if (cells[i].load(std::memory_order_relaxed) != bits_for(i, now)) return false;
    if (flags[i].type != FlagType::String) continue;
    const std::scoped_lock hold(text_lock);
    if (texts[i] == nullptr || *texts[i] != *text_of(now)) return false;
  }
  return true;
}

void CellWrites::put(Cell& cell) noexcept {
  cell.view->cells[cell.index].store(cell.bits, std::memory_order_release);
  if (cell.view->flags[cell.index].type != FlagType::String) return;
  const std::scoped_lock hold(cell.view->text_lock);
  cell.view->texts[cell.index].swap(cell.text);
}

void CellWrites::add(ViewState& view, const Flag& flag, const InForce& now, bool asked) {
  for (const std::uint32_t i : view.flags.cells_of(flag)) {
    // Relaxed: written under the lock that is held, as the texts.
    if (asked) old_.push_back({&view, i, view.cells[i].load(std::memory_order_relaxed), view.texts[i]});
    const bool is_text = view.flags[i].type == FlagType::String;
    new_.push_back({&view, i, view.bits_for(i, now), is_text ? text_of(now) : nullptr});
  }
}

void CellWrites::write() noexcept {
  std::ranges::for_each(new_, &CellWrites::put);
}

void CellWrites::undo() noexcept {
  std::ranges::for_each(old_, &CellWrites::put);
}

InForce OwnContexts::see(const ViewState& view, std::string_view key) {
  auto merged = merged_.find(view.own_text);
  if (merged == merged_.end()) merged = merged_.emplace(view.own_text, view.own.over(all_.context)).first;
  return in_force({all_.document, all_.overrides, merged->second.json(), all_.seconds}, key);
}

// --- views ---

FlagView::FlagView(FlagSet& set, const ViewedFlags& flags, std::atomic<std::uint64_t>* cells)
    : set_(set), state_(std::make_unique<ViewState>(flags, cells)) {
  const std::scoped_lock hold(set_.impl_->lock);
  CellWrites writes;
  try {
    for (const auto& [flag, unused] : flags.flags()) {
      flag->state_->views.insert(state_.get());
      if (!flag->state_->asks.load(std::memory_order_relaxed)) continue;  // written under the lock
      writes.add(*state_, *flag, set_.impl_->now(flag->key()), false);
    }
  } catch (...) {
    leave();
    throw;
  }
  writes.write();
}

FlagView::~FlagView() {
  const std::scoped_lock hold(set_.impl_->lock);
  leave();
}

void FlagView::leave() noexcept {
  for (const auto& [flag, unused] : state_->flags.flags()) flag->state_->views.erase(state_.get());
}

// For the flags whose rules are evaluated:
//   1. find what the view sees otherwise than before;
//   2. write its cells, and where it is the first to differ from the others, theirs;
//   3. commit: sites that did not ask do from then on. If nothing was written, put the cells back.
Result<LoadReport> FlagView::set_context(std::string_view json) {
  Result<Context> next = Context::parse(json);
  if (!next) return next.error();
  std::string text = next->text();
  FlagSet::Impl& set = *set_.impl_;
  const std::scoped_lock hold(set.lock);
  const Context merged = next->over(set.context.json());
  const Definitions all{set.document, set.overrides, merged.json(), seconds_now()};
  LoadReport report;
  PatchBatch batch(set.engine);
  CellWrites cells;
  std::vector<Flag*> asking;         // from now on
  std::vector<Flag*> was_calm;       // of those that change, the ones that are not demoted
  std::vector<std::string> demoted;  // of them, perhaps
  for (const auto& [viewed, unused] : state_->flags.flags()) {
    Flag& flag = *viewed;
    if (!FlagSet::Impl::is_targeted(all, flag.key())) continue;
    const InForce common = set.now(flag.key());
    const InForce seen = text.empty() ? common : in_force(all, flag.key());
    if (!seen.problem.empty()) {
      report.warnings.push_back(FlagSet::Impl::reads_as_zero(set.document, flag.key(), seen.problem));
    }
    Flag::State& state = *flag.state_;
    const bool asked = state.asks.load(std::memory_order_relaxed);  // written under the lock
    if (asked) {
      if (state_->holds(flag, seen)) continue;
      state.queue_again(batch);
    } else {
      if (seen == common) continue;
      if (Status queued = state.queue(batch, flag, {common, false}, {common, true}); !queued) return queued.error();
      for (ViewState* other : state.views) {
        if (other != state_.get()) cells.add(*other, flag, common, false);
      }
      asking.push_back(&flag);
    }
    cells.add(*state_, flag, seen, asked);
    report.changed.push_back(flag.key());
    if (state.demoted()) continue;
    was_calm.push_back(&flag);
    demoted.push_back(flag.key());
  }
  cells.write();
  for (const Flag* flag : asking) flag->state_->asks.store(true, std::memory_order_release);
  Result<CommitReport> committed = batch.commit();
  if (!committed && committed.error().code() != ErrorCode::SerialisationFailed) {
    for (const Flag* flag : asking) flag->state_->asks.store(false, std::memory_order_release);
    cells.undo();
    return committed.error();
  }
  state_->own = std::move(*next);
  state_->own_text = std::move(text);
  std::ranges::sort(report.changed);
  set.told(report.changed);
  if (!committed) return committed.error();
  report.commit = *committed;
  for (std::size_t i = 0; i < was_calm.size(); ++i) {
    if (!was_calm[i]->state_->demoted()) demoted[i].clear();
  }
  std::erase(demoted, std::string());
  std::ranges::sort(demoted);
  report.demoted = std::move(demoted);
  return report;
}

std::uint64_t FlagView::bits(std::size_t cell) const {
  const ViewedFlag& viewed = state_->flags[cell];
  // Acquire, of either: what was written before the flag changed is seen.
  if (viewed.flag->state_->asks.load(std::memory_order_acquire)) {
    return state_->cells[cell].load(std::memory_order_acquire);
  }
  const std::atomic<std::uint64_t>& bits =
      viewed.variant.empty() ? viewed.flag->bits(viewed.type) : viewed.flag->variant_bits(viewed.variant);
  return bits.load(std::memory_order_acquire);
}

std::shared_ptr<const std::string> FlagView::text(std::size_t cell) const {
  const Flag& flag = *state_->flags[cell].flag;
  if (!flag.state_->asks.load(std::memory_order_acquire)) return flag.text();  // acquire: what it sends to is written
  const std::scoped_lock hold(state_->text_lock);
  return state_->texts[cell];
}

}  // namespace shunt::flags
