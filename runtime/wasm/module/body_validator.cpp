#include "runtime/wasm/module/body_validator.h"

#include <algorithm>
#include <utility>

namespace shunt::wasm {
namespace {

using wabt::Failed;

wabt::TypeVector to_wabt(const std::vector<ValueType>& types) {
  wabt::TypeVector converted(types.size());
  std::transform(types.begin(), types.end(), converted.begin(), [](ValueType type) { return wasm::to_wabt(type); });
  return converted;
}

}  // namespace

wabt::Type to_wabt(ValueType type) {
  constexpr wabt::Type::Enum types[] = {wabt::Type::I32, wabt::Type::I64,     wabt::Type::F32,
                                        wabt::Type::F64, wabt::Type::FuncRef, wabt::Type::ExternRef};
  return types[static_cast<std::size_t>(type)];
}

BodyValidator::BodyValidator(const ModuleData& module, const wabt::Features& features)
    : module_(module), checker_(features) {
  checker_.set_error_callback([this](const char* message) { message_ = message; });
}

void BodyValidator::begin_code() {
  signatures_.resize(first_module_block_type);
  for (std::uint32_t type = 1; type < first_module_block_type; ++type) {
    signatures_[type].results = {to_wabt(static_cast<ValueType>(type - 1))};
  }
  for (const FunctionType& type : module_.types) signatures_.push_back({to_wabt(type.params), to_wabt(type.results)});

  // WebAssembly 2.0, 3.4.10: those that occur outside of function bodies.
  declared_.resize(module_.functions.size());
  const auto declare = [this](const ConstExpr& expression) {
    if (expression.kind == ConstExpr::Kind::RefFunc) declared_[expression.bits] = true;
  };
  for (const ElementSegment& segment : module_.elements)
    std::for_each(segment.items.begin(), segment.items.end(), declare);
  for (const GlobalInfo& global : module_.globals) declare(global.init);
  for (const ExportRecord& record : module_.exports) {
    if (record.kind == ExternKind::Function) declared_[record.index] = true;
  }
}

void BodyValidator::begin_function(const FunctionType& type, std::span<const ValueType> locals) {
  locals_ = locals;
  checker_.BeginFunction(to_wabt(type.results));
}

wabt::Result BodyValidator::fail(std::string message) {
  message_ = std::move(message);
  return wabt::Result::Error;
}

wabt::Result BodyValidator::out_of_range(std::uint32_t index, std::size_t count, const char* what) {
  return fail(std::string(what) + " variable out of range: " + std::to_string(index) + " (max " +
              std::to_string(count) + ")");
}

// The reader refuses alignments of 2^32 and more.
wabt::Result BodyValidator::check_alignment(wabt::Opcode opcode, wabt::Address align_log2) {
  const wabt::Address natural = opcode.GetMemorySize();
  if (wabt::Address{1} << align_log2 <= natural) return wabt::Result::Ok;
  return fail("alignment must not be larger than natural alignment (" + std::to_string(natural) + ")");
}

wabt::Result BodyValidator::check_equal(ValueType from, ValueType to, const char* what) {
  if (from == to) return wabt::Result::Ok;
  return fail(std::string("type mismatch at ") + what + ". got " + std::string(to_string(from)) + ", expected " +
              std::string(to_string(to)));
}

wabt::Result BodyValidator::block(std::uint32_t block_type) {
  return checker_.OnBlock(signatures_[block_type].params, signatures_[block_type].results);
}
wabt::Result BodyValidator::loop(std::uint32_t block_type) {
  return checker_.OnLoop(signatures_[block_type].params, signatures_[block_type].results);
}
wabt::Result BodyValidator::if_(std::uint32_t block_type) {
  return checker_.OnIf(signatures_[block_type].params, signatures_[block_type].results);
}

wabt::Result BodyValidator::br_table(std::span<const std::uint32_t> depths) {
  wabt::Result valid = checker_.BeginBrTable();
  for (std::size_t i = 0; i < depths.size() && !Failed(valid); ++i) valid = checker_.OnBrTableTarget(depths[i]);
  return Failed(valid) ? valid : checker_.EndBrTable();
}

// The checker leaves a value of any type; the one that was named takes its place.
wabt::Result BodyValidator::select(ValueType type) {
  wabt::Result valid = checker_.OnSelect({wasm::to_wabt(type)});
  if (!Failed(valid)) valid = checker_.OnDrop();
  return Failed(valid) ? valid : checker_.OnConst(wasm::to_wabt(type));
}

wabt::Result BodyValidator::call(std::uint32_t function) {
  if (Failed(check_index(function, module_.functions.size(), "function"))) return wabt::Result::Error;
  const Signature& callee = signatures_[first_module_block_type + module_.functions[function].type];
  return checker_.OnCall(callee.params, callee.results);
}

wabt::Result BodyValidator::call_indirect(std::uint32_t type, std::uint32_t table) {
  if (Failed(check_index(type, module_.types.size(), "function type"))) return wabt::Result::Error;
  if (Failed(check_index(table, module_.tables.size(), "table"))) return wabt::Result::Error;
  if (Failed(check_equal(module_.tables[table].type.element, ValueType::FuncRef, "call_indirect")))
    return wabt::Result::Error;
  const Signature& callee = signatures_[first_module_block_type + type];
  return checker_.OnCallIndirect(callee.params, callee.results);
}

wabt::Result BodyValidator::local_get(std::uint32_t local) {
  if (Failed(check_index(local, locals_.size(), "local"))) return wabt::Result::Error;
  return checker_.OnLocalGet(wasm::to_wabt(locals_[local]));
}
wabt::Result BodyValidator::local_set(std::uint32_t local) {
  if (Failed(check_index(local, locals_.size(), "local"))) return wabt::Result::Error;
  return checker_.OnLocalSet(wasm::to_wabt(locals_[local]));
}
wabt::Result BodyValidator::local_tee(std::uint32_t local) {
  if (Failed(check_index(local, locals_.size(), "local"))) return wabt::Result::Error;
  return checker_.OnLocalTee(wasm::to_wabt(locals_[local]));
}

wabt::Result BodyValidator::global_get(std::uint32_t global) {
  if (Failed(check_index(global, module_.globals.size(), "global"))) return wabt::Result::Error;
  return checker_.OnGlobalGet(wasm::to_wabt(module_.globals[global].type.type));
}
wabt::Result BodyValidator::global_set(std::uint32_t global) {
  if (Failed(check_index(global, module_.globals.size(), "global"))) return wabt::Result::Error;
  const GlobalType& type = module_.globals[global].type;
  if (!type.is_mutable) return fail("can't global.set on immutable global at index " + std::to_string(global) + ".");
  return checker_.OnGlobalSet(wasm::to_wabt(type.type));
}

wabt::Result BodyValidator::load(wabt::Opcode opcode, wabt::Address align_log2) {
  if (Failed(check_memory()) || Failed(check_alignment(opcode, align_log2))) return wabt::Result::Error;
  return checker_.OnLoad(opcode, memory_limits_);
}
wabt::Result BodyValidator::store(wabt::Opcode opcode, wabt::Address align_log2) {
  if (Failed(check_memory()) || Failed(check_alignment(opcode, align_log2))) return wabt::Result::Error;
  return checker_.OnStore(opcode, memory_limits_);
}

wabt::Result BodyValidator::memory_size() {
  return Failed(check_memory()) ? wabt::Result(wabt::Result::Error) : checker_.OnMemorySize(memory_limits_);
}
wabt::Result BodyValidator::memory_grow() {
  return Failed(check_memory()) ? wabt::Result(wabt::Result::Error) : checker_.OnMemoryGrow(memory_limits_);
}
wabt::Result BodyValidator::memory_fill() {
  return Failed(check_memory()) ? wabt::Result(wabt::Result::Error) : checker_.OnMemoryFill(memory_limits_);
}
wabt::Result BodyValidator::memory_copy() {
  return Failed(check_memory()) ? wabt::Result(wabt::Result::Error)
                                : checker_.OnMemoryCopy(memory_limits_, memory_limits_);
}
wabt::Result BodyValidator::memory_init(std::uint32_t segment) {
  if (Failed(check_memory()) || Failed(data_drop(segment))) return wabt::Result::Error;
  return checker_.OnMemoryInit(segment, memory_limits_);
}
wabt::Result BodyValidator::data_drop(std::uint32_t segment) {
  return check_index(segment, data_count_, "data_segment");
}

wabt::Result BodyValidator::table_get(std::uint32_t table) {
  return Failed(table_exists(table)) ? wabt::Result(wabt::Result::Error) : checker_.OnTableGet(element(table));
}
wabt::Result BodyValidator::table_set(std::uint32_t table) {
  return Failed(table_exists(table)) ? wabt::Result(wabt::Result::Error) : checker_.OnTableSet(element(table));
}
wabt::Result BodyValidator::table_size(std::uint32_t table) {
  return Failed(table_exists(table)) ? wabt::Result(wabt::Result::Error) : checker_.OnTableSize();
}
wabt::Result BodyValidator::table_grow(std::uint32_t table) {
  return Failed(table_exists(table)) ? wabt::Result(wabt::Result::Error) : checker_.OnTableGrow(element(table));
}
wabt::Result BodyValidator::table_fill(std::uint32_t table) {
  return Failed(table_exists(table)) ? wabt::Result(wabt::Result::Error) : checker_.OnTableFill(element(table));
}

wabt::Result BodyValidator::table_copy(std::uint32_t destination, std::uint32_t source) {
  if (Failed(table_exists(destination)) || Failed(table_exists(source))) return wabt::Result::Error;
  const ValueType from = module_.tables[source].type.element, to = module_.tables[destination].type.element;
  return Failed(check_equal(from, to, "table.copy")) ? wabt::Result(wabt::Result::Error) : checker_.OnTableCopy();
}
wabt::Result BodyValidator::table_init(std::uint32_t segment, std::uint32_t table) {
  if (Failed(table_exists(table)) || Failed(elem_drop(segment))) return wabt::Result::Error;
  const ValueType from = module_.elements[segment].type, to = module_.tables[table].type.element;
  return Failed(check_equal(from, to, "table.init")) ? wabt::Result(wabt::Result::Error)
                                                     : checker_.OnTableInit(table, segment);
}
wabt::Result BodyValidator::elem_drop(std::uint32_t segment) {
  return check_index(segment, module_.elements.size(), "elem_segment");
}

wabt::Result BodyValidator::ref_func(std::uint32_t function) {
  if (Failed(check_index(function, module_.functions.size(), "function"))) return wabt::Result::Error;
  if (!declared_[function])
    return fail("function " + std::to_string(function) + " is not declared in any elem sections");
  return checker_.OnRefFuncExpr(module_.functions[function].type);
}

}  // namespace shunt::wasm
