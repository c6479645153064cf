// Instantiation, in the order of the specification (WebAssembly 2.0, 4.5.4): allocate, element segments, data segments,
// start function.
#include <cstring>
#include <string>
#include <utility>

#include "runtime/wasm/control/guest_thread.h"
#include "runtime/wasm/control/interrupt_state.h"
#include "runtime/wasm/instance/extern_value.h"
#include "runtime/wasm/instance/traps.h"
#include "shunt/runtime/flags.h"

namespace shunt::wasm {
namespace {

using runtime::Value;

class Maker {
 public:
  Maker(StoreState& store, std::shared_ptr<const ModuleState> module, std::span<const Extern* const> imports,
        std::string_view context)
      : store_(store),
        instance_(*store.instances.emplace_back(std::make_unique<InstanceState>(store, std::move(module)))),
        imports_(imports),
        context_(context) {}

  Result<InstanceState*> make() {
    add_imports();
    add_functions();
    Status added = add_tables_and_memory();
    if (!added) return std::move(added).error();
    add_globals();
    complete_context();
    if (!context_.empty()) {
      Result<flags::LoadReport> report = instance_.flags.set_context(context_);
      if (!report) return in_module(report.error());
    }
    for (const auto step : {&Maker::apply_elements, &Maker::apply_data, &Maker::start}) {
      Status done = (this->*step)();
      if (!done) return std::move(done).error();
    }
    return &instance_;
  }

 private:
  const ModuleState& module() const { return *instance_.module; }
  const ModuleData& data() const { return *module().data; }
  const std::uint8_t* code_at(std::uint32_t offset) const { return module().code->code.data() + offset; }

  void add_imports() {
    instance_.functions.reserve(data().functions.size());
    for (std::size_t i = 0; i < imports_.size(); ++i) {
      const ImportRecord& record = data().imports[i];
      switch (record.kind) {
        case ExternKind::Function:
          import_function(record.index, imports_[i]);
          break;
        case ExternKind::Table:
          instance_.tables.push_back(std::get<Table*>(*imports_[i]));
          break;
        case ExternKind::Memory:
          instance_.memory = std::get<LinearMemory*>(*imports_[i]);
          break;
        case ExternKind::Global:
          instance_.globals.push_back(std::get<ExternGlobal>(*imports_[i]).cell);
          break;
      }
    }
  }

  void import_function(std::uint32_t index, const Extern* import) {
    if (module().flag_imports[index].flag != nullptr)
      return bind(index, read_flag(module().flag_imports[index], index));
    if (const auto* host = std::get_if<HostDefinition>(import)) return bind(index, host->function);
    instance_.functions.push_back(std::get<ExportedFunction>(*import).reference);
  }

  void bind(std::uint32_t index, std::shared_ptr<const runtime::HostFunction> function) {
    const FunctionInfo& info = data().functions[index];
    HostBinding& binding = store_.host_bindings.emplace_back();
    binding.type = &data().types[info.type];
    binding.function = std::move(function);
    binding.import = index;
    binding.name = "\"" + info.module + "\" \"" + info.name + "\"";
    binding.context.execution = &store_.execution;
    binding.context.builtins = builtins;
    binding.context.host = &binding;
    binding.context.instance = &instance_;
    instance_.functions.push_back({.code = code_at(module().code->host_thunks[info.type]),
                                   .context = &binding.context,
                                   .type = module().canonical_types[info.type],
                                   .function = index});
  }

  // A flag import as a function of the host: for references to it. Direct calls are patch sites.
  std::shared_ptr<const runtime::HostFunction> read_flag(const FlagImport& import, std::uint32_t index) {
    return std::make_shared<const runtime::HostFunction>(
        [import, index, &instance = instance_](runtime::Caller, std::span<const Value> arguments,
                                               std::span<Value> results) -> Status {
          Value& result = results.front();
          if (import.type == flags::FlagType::String) {
            result.bits = builtins[static_cast<std::size_t>(Builtin::FlagString)](
                &instance.block.context(), arguments[0].bits, arguments[1].bits, index, 0);
            const auto trap = static_cast<TrapCode>(instance.store.execution.trap);
            if (trap != TrapCode::None) return trap_error(instance.store, trap, instance.data().source_name);
          } else {
            result.bits = instance.flags.bits(index);
          }
          return Ok{};
        });
  }

  void add_functions() {
    const std::uint32_t imported = data().imported_functions;
    for (std::uint32_t i = imported; i < data().functions.size(); ++i) {
      instance_.functions.push_back({.code = module().entry(i - imported),
                                     .context = &instance_.block.context(),
                                     .type = module().canonical_types[data().functions[i].type],
                                     .function = i});
    }
  }

  Status add_tables_and_memory() {
    for (std::uint32_t i = 0; i < data().tables.size(); ++i) {
      const TableInfo& info = data().tables[i];
      if (info.import) continue;
      Result<std::unique_ptr<Table>> table = Table::create(info.type, store_.table_elements_left);
      if (!table) return in_module(table.error());
      if (module().assumptions) (*table)->assume_unwritten(*module().assumptions, module().assumptions->of_table(i));
      instance_.tables.push_back(&store_.own(std::move(*table)));
    }
    for (const MemoryInfo& info : data().memories) {
      if (info.import) continue;
      Result<std::unique_ptr<LinearMemory>> memory = LinearMemory::create(info.type, store_.options.max_memory_bytes);
      if (!memory) return in_module(memory.error());
      instance_.memory = &store_.own(std::move(*memory));
    }
    return Ok{};
  }

  void add_globals() {
    for (std::size_t i = data().imported_globals; i < data().globals.size(); ++i) {
      GlobalCell& cell = instance_.block.own_global(i - data().imported_globals);
      cell.bits[0] = instance_.evaluate(data().globals[i].init);
      instance_.globals.push_back(&cell);
    }
  }

  void complete_context() {
    for (Table* const table : instance_.tables) instance_.table_views.push_back(&table->view());
    VmContext& context = instance_.block.context();
    if (instance_.memory != nullptr) {
      context.memory = &instance_.memory->view();
      context.memory_base = context.memory->base;
    }
    context.execution = &store_.execution;
    context.builtins = builtins;
    context.functions = instance_.functions.data();
    context.tables = instance_.table_views.data();
    context.imported_globals = instance_.globals.data();
    context.instance = &instance_;
    if (module().tiers) module().tiers->add_instance(instance_.own_functions());
    const ModuleState* const same =
        store_.modules.find([this](const ModuleState& other) { return &other == &module(); });
    if (same != nullptr) return;
    store_.modules.add(&module());
    store_.interrupts->add_module(instance_.module);
  }

  Status apply_elements() {
    for (std::uint32_t i = 0; i < data().elements.size(); ++i) {
      const ElementSegment& segment = data().elements[i];
      if (segment.mode == SegmentMode::Passive) continue;
      if (segment.mode == SegmentMode::Active) {
        const auto to = static_cast<std::uint32_t>(instance_.evaluate(segment.offset));
        Table& table = *instance_.tables[segment.table];
        if (data().tables[segment.table].import && table.contains(to, segment.items.size())) {
          if (Status ready = table.before_write(); !ready) return ready;
        }
        if (!instance_.init_table(segment.table, i, to, 0, segment.items.size())) {
          return outside(TrapCode::TableOutOfBounds, "element segment " + std::to_string(i));
        }
      }
      instance_.dropped_elements[i] = true;
    }
    return Ok{};
  }

  Status apply_data() {
    for (std::uint32_t i = 0; i < data().data.size(); ++i) {
      const DataSegment& segment = data().data[i];
      if (segment.mode == SegmentMode::Passive) continue;
      const auto to = static_cast<std::uint32_t>(instance_.evaluate(segment.offset));
      if (!instance_.init_memory(i, to, 0, segment.bytes.size())) {
        return outside(TrapCode::MemoryOutOfBounds, "data segment " + std::to_string(i));
      }
      instance_.dropped_data[i] = true;
    }
    return Ok{};
  }

  Status start() {
    if (!data().start) return Ok{};
    std::uint64_t no_slots[1] = {};
    return call_function(instance_, *data().start, no_slots);
  }

  Error in_module(const Error& error) const {
    return make_error(error.code(), data().source_name + ": " + error.message());
  }

  Error outside(TrapCode trap, const std::string& segment) const {
    return make_error(ErrorCode::Uninstantiable,
                      data().source_name + ": " + std::string(describe(trap)) + ": " + segment + " does not fit");
  }

  StoreState& store_;
  InstanceState& instance_;
  std::span<const Extern* const> imports_;
  std::string_view context_;
};

// Guest code of a store may call one another's directly, so one attachment of the thread has to do.
Status join_engine(StoreState& store, const ModuleState& module) {
  Engine& engine = module.control->engine;
  if (store.engine != nullptr && store.engine != &engine) {
    return make_error(ErrorCode::InvalidArgument,
                      module.data->source_name + ": the store has modules that were loaded with another engine");
  }
  if (store.engine == nullptr) store.walker = stack_scanner(engine);
  store.engine = &engine;
  return Ok{};
}

}  // namespace

Result<InstanceState*> make_instance(StoreState& store, std::shared_ptr<const ModuleState> module,
                                     std::span<const Extern* const> imports, std::string_view context) {
  if (Status joined = join_engine(store, *module); !joined) return std::move(joined).error();
  return Maker(store, std::move(module), imports, context).make();
}

}  // namespace shunt::wasm
