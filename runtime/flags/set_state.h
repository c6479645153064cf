// What a set of flags holds, and how it changes. One lock for all of it, held while stub sources prepare and the batch
// commits (lock order: set, then the stub sources', then the engine's).
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/flags/context.h"
#include "runtime/flags/definition.h"
#include "runtime/flags/evaluation.h"
#include "runtime/flags/in_force.h"
#include "runtime/flags/seconds_clock.h"
#include "shunt/runtime/flags.h"

namespace shunt::flags {

struct FlagSet::Impl {
  explicit Impl(Engine& owner) : engine(owner) {}

  Engine& engine;
  mutable std::mutex lock;
  std::map<std::string, std::unique_ptr<Flag>, std::less<>> flags;  // those that somebody wants
  Document document;
  Overrides overrides;
  Context context;
  std::vector<StubSource*> sources;
  std::map<std::string, InForce, std::less<>> targeted;  // what is in force of each targeted flag, for `context`
  ChangeCallback on_change;
  std::set<std::string> load_warnings;                 // of the last load
  std::set<std::string, std::less<>> reported_unread;  // wanted flags without a value that take_warnings() has reported

  // With the lock held:
  [[nodiscard]] Definitions with(const Document& next, const Overrides& set) const {
    return {next, set, context.json(), seconds_now()};
  }
  [[nodiscard]] InForce now(std::string_view key) const {
    // What was found for the context stays until the next change: the time goes on meanwhile.
    const auto found = targeted.find(key);
    return found != targeted.end() ? found->second : in_force(with(document, overrides), key);
  }
  [[nodiscard]] Status check_readers(const Document& next) const;
  // Puts what `next` says of `keys` in force, in one batch. `in_force` says whether the caller is to keep `next`: also
  // after SerialisationFailed, when the sites are written.
  Result<LoadReport> change(const Definitions& next, const std::set<std::string>& keys, bool& in_force);
  // The flags whose rules are evaluated, of a set in a state.
  [[nodiscard]] static bool is_targeted(const Definitions& all, std::string_view key);
  // "f.json: flag 'key': problem: it reads as zero"
  [[nodiscard]] static std::string reads_as_zero(const Document& document, std::string_view key,
                                                 std::string_view problem);
  // Starts the clock if rules of `next`, which is about to be in force, ask for the time. A failed commit is tried
  // again a second later. Errors: the clock's.
  Status follow_time(const Document& next);
  void told(const std::vector<std::string>& changed) const {
    if (on_change && !changed.empty()) on_change(changed);
  }

  SecondsClock clock;  // ends first: its thread uses all of the above

  // Gives a key that has no sites yet the state of the value in force. A commit that cannot be made for another reason
  // than memory (an earlier one is not serialised yet, code memory cannot be copied after a fork) refuses the
  // publication of the key's first site too, so it is reported there.
  void start(DemotableSwitch& key, unsigned state) const {
    if (state == 0) return;
    PatchBatch batch(engine);
    batch.set(key, state);
    const Result<CommitReport> committed = batch.commit();
    if (!committed && committed.error().code() == ErrorCode::OutOfMemory) throw std::bad_alloc();
  }
};

}  // namespace shunt::flags
