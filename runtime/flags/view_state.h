// A view of a set's flags, and changes of views' cells that can be taken back. Except for what says otherwise, under
// the set's lock.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/flags/context.h"
#include "runtime/flags/in_force.h"
#include "shunt/runtime/flag_view.h"

namespace shunt::flags {

struct ViewState {
  const ViewedFlags& flags;
  std::atomic<std::uint64_t>* cells;
  Context own;
  std::string own_text;  // of `own`; empty: it has no context of its own

  // Protects `texts` alone; nothing else is locked while it is held.
  mutable std::mutex text_lock;
  std::vector<std::shared_ptr<const std::string>> texts;  // of flags that are read as strings; null: not written yet

  ViewState(const ViewedFlags& viewed, std::atomic<std::uint64_t>* its_cells)
      : flags(viewed), cells(its_cells), texts(viewed.size()) {}

  [[nodiscard]] std::uint64_t bits_for(std::size_t cell, const InForce& now) const;
  // Whether the cells of a flag hold this value.
  [[nodiscard]] bool holds(const Flag& flag, const InForce& now) const;
};

// What is to be written to views' cells. Whatever needs memory is done when it is added, so that all of it is written
// or none.
class CellWrites {
 public:
  // `asked`: the cells were read before; else there is nothing to take back. May throw std::bad_alloc.
  void add(ViewState& view, const Flag& flag, const InForce& now, bool asked);
  // Stores with release, so that whoever is sent to a cell by a new site, or by Flag::State::asks, finds the value that
  // it means.
  void write() noexcept;
  void undo() noexcept;

 private:
  struct Cell {
    ViewState* view;
    std::size_t index;
    std::uint64_t bits;
    std::shared_ptr<const std::string> text;
  };
  static void put(Cell& cell) noexcept;
  std::vector<Cell> new_, old_;
};

// What views with contexts of their own see of flags, in one state of a set. Contexts that are equal are evaluated
// once.
class OwnContexts {
 public:
  explicit OwnContexts(const Definitions& all) : all_(all) {}
  [[nodiscard]] InForce see(const ViewState& view, std::string_view key);

 private:
  const Definitions& all_;
  std::map<std::string_view, Context> merged_;  // by the view's own text
};

}  // namespace shunt::flags
