// A set's flags as one reader sees them, who may have an evaluation context of its own: an instance of a module.
//
// As long as all views of a flag see what the set's own context gives, the flag's sites are patched to that value. When
// one does not, the sites ask: they go to stubs that load the value from the view's cell. Cells are written when
// definitions or contexts change, before the sites are; so nothing is evaluated when a flag is read, and when a change
// has returned, no read that begins later gives the old value. The sites ask until the definitions, or the set's own
// context, change again.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shunt/error.h"
#include "shunt/runtime/flags.h"

namespace shunt::flags {

// What a view reads of a flag; `variant` as in `key=variant`, else empty. Null: nothing.
struct ViewedFlag {
  Flag* flag = nullptr;
  FlagType type{};
  std::string variant;
};

// What views of the same kind read, by the number of their cells. Immutable, so many views share it.
class ViewedFlags {
 public:
  ViewedFlags() = default;
  explicit ViewedFlags(std::vector<ViewedFlag> by_cell);
  [[nodiscard]] std::size_t size() const noexcept { return by_cell_.size(); }
  [[nodiscard]] const ViewedFlag& operator[](std::size_t cell) const { return by_cell_[cell]; }
  // The flags, each once, and their cells.
  struct OfFlag {
    Flag* flag;
    std::vector<std::uint32_t> cells;
  };
  [[nodiscard]] std::span<const OfFlag> flags() const noexcept { return by_flag_; }
  // Empty for a flag that is not read.
  [[nodiscard]] std::span<const std::uint32_t> cells_of(const Flag& flag) const noexcept;

 private:
  std::vector<ViewedFlag> by_cell_;
  std::vector<OfFlag> by_flag_;  // sorted by address
};

struct ViewState;

// Thread-safe but for its end, which takes the set's lock, as its beginning does. Ends before the set.
class FlagView {
 public:
  // Without a context of its own. `flags`, of `set`, and as many `cells` must outlive the view. What stubs load from
  // them, with acquire: the bits as Flag::bits() has them, or whether the variant is in force. Meaningless while the
  // flag's key does not ask.
  FlagView(FlagSet& set, const ViewedFlags& flags, std::atomic<std::uint64_t>* cells);
  ~FlagView();
  FlagView(const FlagView&) = delete;
  FlagView& operator=(const FlagView&) = delete;

  // A JSON object whose members are put over those of the set's context; empty text for none. What rules decide
  // otherwise for it now is seen by every read that begins after this returned. Usually a store for each such flag; one
  // patch batch for flags in which this view is the first to differ. `changed` of the report has the flags that are
  // others for this view. Errors: InvalidArgument (FlagSet::set_context()), or what PatchBatch::commit() returns; then
  // nothing has changed, except after SerialisationFailed. Blocks.
  Result<LoadReport> set_context(std::string_view json);

  // What is in force for the view. For readers that are no sites. Lock-free but for strings and variants, which take a
  // lock. Precondition: a flag is read there.
  [[nodiscard]] std::uint64_t bits(std::size_t cell) const;
  [[nodiscard]] std::shared_ptr<const std::string> text(std::size_t cell) const;

 private:
  void leave() noexcept;  // the flags of the set, whose lock is held
  FlagSet& set_;
  std::unique_ptr<ViewState> state_;
};

}  // namespace shunt::flags
