#include <map>
#include <tuple>
#include <utility>

#include "runtime/wasm/instance/extern_value.h"

namespace shunt::runtime {
namespace {

using wasm::Extern;
using wasm::ImportedExtern;
using wasm::InstanceState;
using wasm::ModuleData;

std::string quoted(const ImportedExtern& import) {
  return "import \"" + import.module + "\" \"" + import.name + "\"";
}

Error unlinkable(const ModuleData& module, const ImportedExtern& import, const std::string& what) {
  return make_error(ErrorCode::Unlinkable, module.source_name + ": " + quoted(import) + ": " + what);
}

}  // namespace

struct Linker::Impl {
  explicit Impl(wasm::StoreState& owner) : store(owner) {}

  void define(std::string_view module, std::string_view name, Extern item) {
    items.insert_or_assign({std::string(module), std::string(name)}, std::move(item));
  }

  // The value for one import.
  Result<const Extern*> resolve(const ModuleData& module, const wasm::ImportRecord& record) const {
    const ImportedExtern import = wasm::import_name(module, record);
    if (record.kind == wasm::ExternKind::Function && import.module == wasm::flags_module)
      return static_cast<const Extern*>(nullptr);
    const ExternType wanted = wasm::extern_type(module, record.kind, record.index);
    const auto found = items.find({import.module, import.name});
    if (found == items.end()) {
      return unlinkable(module, import, "unknown import: define a " + to_string(wanted) + " of this name");
    }
    const ExternType type = wasm::type_of(found->second);
    if (!wasm::matches(wanted, type)) {
      return unlinkable(
          module, import,
          "incompatible import type: the module wants a " + to_string(wanted) + ", defined is a " + to_string(type));
    }
    return &found->second;
  }

  wasm::StoreState& store;
  std::map<std::pair<std::string, std::string>, Extern> items;
};

Linker::Linker(Store& store) : impl_(std::make_unique<Impl>(store.state())) {}
Linker::~Linker() = default;
Linker::Linker(Linker&&) noexcept = default;
Linker& Linker::operator=(Linker&&) noexcept = default;

void Linker::define_function(std::string_view module, std::string_view name, FunctionType type, HostFunction function) {
  impl_->define(module, name,
                wasm::HostDefinition{std::move(type), std::make_shared<const HostFunction>(std::move(function))});
}

void Linker::define_instance(std::string_view module, const Instance& instance) {
  const InstanceState& state = *instance.state();
  for (const wasm::ExportRecord& record : state.data().exports)
    impl_->define(module, record.name, wasm::exported(state, record));
}

Status Linker::define_memory(std::string_view module, std::string_view name, MemoryType type) {
  Result<std::unique_ptr<wasm::LinearMemory>> memory =
      wasm::LinearMemory::create(type, impl_->store.options.max_memory_bytes);
  if (!memory) return std::move(memory).error();
  impl_->define(module, name, &impl_->store.own(std::move(*memory)));
  return Ok{};
}

Status Linker::define_table(std::string_view module, std::string_view name, TableType type) {
  if (type.element != ValueType::FuncRef && type.element != ValueType::ExternRef) {
    return make_error(ErrorCode::InvalidArgument,
                      "a table of " + std::string(to_string(type.element)) + ": tables hold references");
  }
  Result<std::unique_ptr<wasm::Table>> table = wasm::Table::create(type, impl_->store.table_elements_left);
  if (!table) return std::move(table).error();
  impl_->define(module, name, &impl_->store.own(std::move(*table)));
  return Ok{};
}

Status Linker::define_global(std::string_view module, std::string_view name, GlobalType type, Value value) {
  if (value.type != type.type) {
    return make_error(ErrorCode::InvalidArgument, "global \"" + std::string(name) + "\" of type " +
                                                      std::string(to_string(type.type)) + " cannot hold " +
                                                      std::string(to_string(value.type)));
  }
  wasm::GlobalCell& cell = impl_->store.owned_globals.emplace_back();
  cell.bits[0] = wasm::significant_bits(value.type, value.bits);
  impl_->define(module, name, wasm::ExternGlobal{&cell, type});
  return Ok{};
}

Result<Instance> Linker::instantiate(const Module& module, const InstanceOptions& options) {
  const ModuleData& data = *module.state()->data;
  std::vector<const Extern*> imports;
  imports.reserve(data.imports.size());
  for (const wasm::ImportRecord& record : data.imports) {
    Result<const Extern*> import = impl_->resolve(data, record);
    if (!import) return std::move(import).error();
    imports.push_back(*import);
  }
  Result<InstanceState*> instance = wasm::make_instance(impl_->store, module.state(), imports, options.context);
  if (!instance) return std::move(instance).error();
  return Instance(*instance);
}

}  // namespace shunt::runtime
