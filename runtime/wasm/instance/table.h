// A table of references, as compiled code reads it through its TableView.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "runtime/wasm/instance/vm_context.h"
#include "runtime/wasm/speculation/module_assumptions.h"
#include "shunt/error.h"
#include "shunt/runtime/module.h"

namespace shunt::wasm {

// Elements are FuncRef* or host words; 0 is null. Not thread-safe: it belongs to a store. The view's `elements` move
// with growth.
class Table {
 public:
  // All null. Takes its elements, now and when it grows, from `elements_left`, which the tables of a store share.
  // Errors: Uninstantiable if it begins with more.
  static Result<std::unique_ptr<Table>> create(const runtime::TableType& type, std::uint64_t& elements_left);
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  [[nodiscard]] TableView& view() { return view_; }
  [[nodiscard]] std::uint64_t size() const { return elements_.size(); }
  // As declared, with the present size for the minimum: what an importer's type is matched against.
  [[nodiscard]] runtime::TableType type() const;

  [[nodiscard]] bool contains(std::uint64_t index, std::uint64_t count) const {
    return count <= elements_.size() && index <= elements_.size() - count;
  }

  // Code assumes that the table holds what its module put there. `unwritten` may be null: it does not. Both must
  // outlive all writes.
  void assume_unwritten(const ModuleAssumptions& assumptions, Assumption* unwritten) {
    assumptions_ = &assumptions;
    unwritten_ = unwritten;
  }
  // To be called before anything is written or grown, but for what the module's own segments put there. Blocks (a
  // commit) if code assumes that it is not. Errors: the engine's; the table must stay as it is then.
  Status before_write() const { return unwritten_ == nullptr ? Status(Ok{}) : assumptions_->withdraw(unwritten_); }

  // The number of elements before, or nothing if the table stayed as it was.
  std::optional<std::uint64_t> grow(std::uint64_t count, std::uint64_t reference);

 private:
  Table(const runtime::TableType& type, std::uint64_t& elements_left)
      : declared_(type), elements_left_(elements_left), view_{nullptr, 0} {}

  runtime::TableType declared_;
  std::uint64_t& elements_left_;
  std::vector<std::uint64_t> elements_;
  TableView view_;
  const ModuleAssumptions* assumptions_ = nullptr;
  Assumption* unwritten_ = nullptr;
};

}  // namespace shunt::wasm
