#include "runtime/wasm/speculation/known_items.h"

#include <algorithm>
#include <map>

namespace shunt::wasm {
namespace {

bool is_exported(const ModuleData& module, ExternKind kind, std::uint32_t index) {
  return std::any_of(module.exports.begin(), module.exports.end(),
                     [&](const ExportRecord& record) { return record.kind == kind && record.index == index; });
}

using Entries = std::map<std::uint32_t, std::uint32_t>;

// False: what the segment puts there is not known, or it does not fit.
bool apply(const ElementSegment& segment, std::uint64_t size, Entries& entries) {
  if (segment.offset.kind != ConstExpr::Kind::Const) return false;
  const auto to = static_cast<std::uint32_t>(segment.offset.bits);
  if (segment.items.size() > size || to > size - segment.items.size()) return false;
  for (std::uint32_t i = 0; i < segment.items.size(); ++i) {
    const ConstExpr& item = segment.items[i];
    if (item.kind == ConstExpr::Kind::RefNull) {
      entries.erase(to + i);
    } else if (item.kind == ConstExpr::Kind::RefFunc) {
      entries.insert_or_assign(to + i, static_cast<std::uint32_t>(item.bits));
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace

std::optional<KnownTable> known_table(const ModuleData& module, std::uint32_t table) {
  const TableInfo& info = module.tables[table];
  if (info.import || info.type.element != ValueType::FuncRef) return std::nullopt;
  Entries entries;
  bool leaks = false;  // the instance's functions are in another one's table, also if a later segment does not fit
  for (const ElementSegment& segment : module.elements) {
    if (segment.mode != SegmentMode::Active) continue;
    if (segment.table != table) {
      leaks = leaks || module.tables[segment.table].import.has_value();
    } else if (leaks || !apply(segment, info.type.limits.min, entries)) {
      return std::nullopt;
    }
  }
  KnownTable known{.size = info.type.limits.min};
  if (info.is_written || is_exported(module, ExternKind::Table, table)) known.lasts = Lasts::WhileUnwritten;
  for (const auto& [index, function] : entries) known.entries.push_back({.index = index, .function = function});
  return known;
}

std::optional<std::uint64_t> known_global(const ModuleData& module, std::uint32_t global) {
  const GlobalInfo& info = module.globals[global];
  if (info.import || info.is_written) return std::nullopt;
  if (info.type.is_mutable && is_exported(module, ExternKind::Global, global)) return std::nullopt;
  if (info.init.kind == ConstExpr::Kind::RefNull) return 0;
  if (info.init.kind == ConstExpr::Kind::Const) return info.init.bits;
  return std::nullopt;
}

}  // namespace shunt::wasm
