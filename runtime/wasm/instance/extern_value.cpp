#include "runtime/wasm/instance/extern_value.h"

namespace shunt::wasm {
namespace {

// What another instance's index space holds of the function: it is told of no change of tiers, so it goes by the entry,
// which is.
FuncRef by_entry(const FuncRef& reference) {
  return {.code = reference.code,
          .context = reference.context,
          .type = reference.type,
          .function = reference.function,
          .optimised = nullptr};
}

bool limits_match(const runtime::Limits& wanted, const runtime::Limits& found) {
  if (found.min < wanted.min) return false;
  return !wanted.has_max || (found.has_max && found.max <= wanted.max);
}

struct Match {
  bool operator()(const FunctionType& wanted, const FunctionType& found) const { return wanted == found; }
  bool operator()(const TableType& wanted, const TableType& found) const {
    return wanted.element == found.element && limits_match(wanted.limits, found.limits);
  }
  bool operator()(const MemoryType& wanted, const MemoryType& found) const {
    return limits_match(wanted.limits, found.limits);
  }
  bool operator()(const GlobalType& wanted, const GlobalType& found) const {
    return wanted.type == found.type && wanted.is_mutable == found.is_mutable;
  }
  template <class Wanted, class Found>
  bool operator()(const Wanted&, const Found&) const {
    return false;  // of different kinds
  }
};

struct TypeOf {
  runtime::ExternType operator()(const HostDefinition& host) const { return host.type; }
  runtime::ExternType operator()(const ExportedFunction& function) const { return function.type; }
  runtime::ExternType operator()(const Table* table) const { return table->type(); }
  runtime::ExternType operator()(const LinearMemory* memory) const { return memory->type(); }
  runtime::ExternType operator()(const ExternGlobal& global) const { return global.type; }
};

}  // namespace

InstanceState& owner_of(const FuncRef& reference) {
  return *reference.context->instance;
}

FuncRef& owners_reference(const FuncRef& reference) {
  return owner_of(reference).functions[reference.function];
}

ExportedFunction as_import(const FuncRef& reference) {
  return {by_entry(reference), owner_of(reference).data().type_of_function(reference.function)};
}

Extern exported(const InstanceState& instance, const ExportRecord& record) {
  switch (record.kind) {
    case ExternKind::Function:
      return as_import(instance.functions[record.index]);
    case ExternKind::Table:
      return instance.tables[record.index];
    case ExternKind::Memory:
      return instance.memory;
    case ExternKind::Global:
      break;
  }
  return ExternGlobal{instance.globals[record.index], instance.data().globals[record.index].type};
}

runtime::ExternType type_of(const Extern& item) {
  return std::visit(TypeOf{}, item);
}

bool matches(const runtime::ExternType& wanted, const runtime::ExternType& found) {
  return std::visit(Match{}, wanted, found);
}

}  // namespace shunt::wasm
