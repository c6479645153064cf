#include "runtime/wasm/instance/table.h"

#include <new>
#include <string>

namespace shunt::wasm {

Result<std::unique_ptr<Table>> Table::create(const runtime::TableType& type, std::uint64_t& elements_left) {
  std::unique_ptr<Table> table(new Table(type, elements_left));
  if (!table->grow(type.limits.min, 0)) {
    return make_error(ErrorCode::Uninstantiable,
                      "a table of " + std::to_string(type.limits.min) + " elements: this store has room for " +
                          std::to_string(elements_left) + " (StoreOptions::max_table_elements)");
  }
  return table;
}

runtime::TableType Table::type() const {
  runtime::TableType now = declared_;
  now.limits.min = size();
  return now;
}

std::optional<std::uint64_t> Table::grow(std::uint64_t count, std::uint64_t reference) {
  const std::uint64_t before = size();
  if (count > elements_left_) return std::nullopt;
  if (declared_.limits.has_max && count > declared_.limits.max - before) return std::nullopt;
  try {
    elements_.resize(before + count, reference);
  } catch (const std::bad_alloc&) {
    return std::nullopt;
  }
  elements_left_ -= count;
  view_ = {elements_.data(), elements_.size()};
  return before;
}

}  // namespace shunt::wasm
