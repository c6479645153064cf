#include "runtime/wasm/instance/table.h"

#include <algorithm>
#include <new>
#include <string>

#include "runtime/wasm/module/limits.h"

namespace shunt::wasm {

Result<std::unique_ptr<Table>> Table::create(const runtime::TableType& type) {
  std::unique_ptr<Table> table(new Table(type));
  if (!table->grow(type.limits.min, 0)) {
    return make_error(ErrorCode::Uninstantiable, "a table of " + std::to_string(type.limits.min) +
                                                     " elements: this runtime takes at most " +
                                                     std::to_string(limits::table_elements));
  }
  return table;
}

runtime::TableType Table::type() const {
  runtime::TableType now = declared_;
  now.limits.min = size();
  return now;
}

std::optional<std::uint64_t> Table::grow(std::uint64_t count, std::uint64_t reference) {
  const std::uint64_t most = declared_.limits.has_max
                                 ? std::min<std::uint64_t>(declared_.limits.max, limits::table_elements)
                                 : limits::table_elements;
  const std::uint64_t before = size();
  if (before > most || count > most - before) return std::nullopt;
  try {
    elements_.resize(before + count, reference);
  } catch (const std::bad_alloc&) {
    return std::nullopt;
  }
  view_ = {elements_.data(), elements_.size()};
  return before;
}

}  // namespace shunt::wasm
