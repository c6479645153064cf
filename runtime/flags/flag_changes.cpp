// How a set of flags goes from one state to the next.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "runtime/flags/evaluation.h"
#include "runtime/flags/flag_state.h"
#include "runtime/flags/set_state.h"
#include "runtime/flags/view_state.h"

namespace shunt::flags {

// The flags whose rules are evaluated, of a set in a state.
bool FlagSet::Impl::is_targeted(const Definitions& all, std::string_view key) {
  const auto definition = all.document.flags.find(key);
  return definition != all.document.flags.end() && definition->second.is_targeted() && !all.overrides.contains(key);
}

std::string FlagSet::Impl::reads_as_zero(const Document& document, std::string_view key, std::string_view problem) {
  return fmt::format("{}flag {}: {}: it reads as zero", document.source.empty() ? "" : document.source + ": ",
                     in_quotes(key), problem);
}

namespace {

// What views that have contexts of their own see of a flag, by the context's text.
struct Seen {
  std::map<std::string_view, InForce> by_context;
  bool differs = false;  // from what all others see

  [[nodiscard]] const InForce& of(std::string_view own_text, const InForce& common) const {
    return own_text.empty() ? common : by_context.at(own_text);
  }
};

}  // namespace

// 1. Find what changes, for the set's context and for those of views, and queue its keys and stubs.
// 2. Write the cells, so that no site can be sent to an old value.
// 3. Commit. If nothing was written, put the cells back.
Result<LoadReport> FlagSet::Impl::change(const Definitions& next, const std::set<std::string>& keys, bool& in_force) {
  in_force = false;
  struct Changed {
    Flag* flag;
    Flag::State::Cells before, after;
    bool differs, asked, was_demoted;
  };
  std::vector<Changed> changed;
  std::vector<std::string> demoted;  // of `changed`, perhaps
  LoadReport report;
  std::map<std::string, InForce, std::less<>> found;
  PatchBatch batch(engine);
  CellWrites cells;
  OwnContexts contexts(next);
  for (const std::string& key : keys) {
    InForce before = now(key);
    InForce after = flags::in_force(next, key);
    const bool evaluated = is_targeted(next, key);
    std::string problem = after.problem;
    if (evaluated) found.emplace(key, after);
    const auto wanted = flags.find(key);
    if (wanted == flags.end()) {
      if (!(before == after)) report.changed.push_back(key);
    } else {
      Flag& flag = *wanted->second;
      Flag::State& state = *flag.state_;
      Seen seen;
      bool cells_change = false;
      for (const ViewState* view : state.views) {
        if (!evaluated) break;
        if (!view->own_text.empty() && !seen.by_context.contains(view->own_text)) {
          InForce sees = contexts.see(*view, key);
          if (problem.empty()) problem = sees.problem;
          seen.differs = seen.differs || !(sees == after);
          seen.by_context.emplace(view->own_text, std::move(sees));
        }
        cells_change = cells_change || !view->holds(flag, seen.of(view->own_text, after));
      }
      const bool asked = state.asks.load(std::memory_order_relaxed);  // written under the lock
      const bool is_other = asked != seen.differs || (asked ? cells_change : !(before == after));
      if (is_other || !(before == after)) report.changed.push_back(key);
      if (is_other) {
        if (Status queued = state.queue(batch, flag, {before, asked}, {after, seen.differs}); !queued)
          return queued.error();
        if (asked && seen.differs) state.queue_again(batch);
        for (ViewState* view : state.views) {
          if (seen.differs) cells.add(*view, flag, seen.of(view->own_text, after), asked);
        }
        changed.push_back({&flag, state.cells(), state.cells_for(after), seen.differs, asked, state.demoted()});
        demoted.push_back(key);
      }
    }
    if (!problem.empty()) report.warnings.push_back(reads_as_zero(next.document, key, problem));
  }

  cells.write();
  for (const Changed& change : changed) {
    if (!change.differs) change.flag->state_->write(change.after);
    change.flag->state_->asks.store(change.differs, std::memory_order_release);
  }
  Result<CommitReport> committed = batch.commit();
  in_force = committed || committed.error().code() == ErrorCode::SerialisationFailed;
  if (!in_force) {
    for (const Changed& change : changed) {
      if (!change.differs) change.flag->state_->write(change.before);
      change.flag->state_->asks.store(change.asked, std::memory_order_release);
    }
    cells.undo();
    return committed.error();
  }
  for (const std::string& key : keys) targeted.erase(key);
  targeted.merge(found);
  told(report.changed);
  if (!committed) return committed.error();
  report.commit = *committed;
  for (std::size_t i = 0; i < changed.size(); ++i) {
    if (changed[i].was_demoted || !changed[i].flag->state_->demoted()) demoted[i].clear();
  }
  std::erase(demoted, std::string());
  report.demoted = std::move(demoted);
  return report;
}

Status FlagSet::Impl::follow_time(const Document& next) {
  const auto asks = [](const auto& entry) { return uses_time(entry.second); };
  if (std::ranges::none_of(next.flags, asks)) return Ok{};
  return clock.start([this] {
    const std::scoped_lock hold(lock);
    std::set<std::string> keys;
    for (const auto& [key, definition] : document.flags) {
      if (uses_time(definition)) keys.insert(key);
    }
    bool in_force = false;
    if (!keys.empty()) static_cast<void>(change(with(document, overrides), keys, in_force));
  });
}

}  // namespace shunt::flags
