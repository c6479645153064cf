#include <algorithm>
#include <utility>

#include "runtime/wasm/instance/inline_buffer.h"
#include "runtime/wasm/instance/instance_state.h"
#include "shunt/runtime/instance.h"

namespace shunt::runtime {
namespace {

using wasm::ExportRecord;
using wasm::ExternKind;
using wasm::InstanceState;

Error invalid(const InstanceState& instance, const std::string& what) {
  return make_error(ErrorCode::InvalidArgument, instance.data().source_name + ": " + what);
}

Error invalid_context(const InstanceState& instance, const Error& error) {
  return make_error(error.code(), instance.data().source_name + ": " + error.message());
}

Result<const ExportRecord*> find(const InstanceState& instance, std::string_view name, ExternKind kind,
                                 std::string_view what) {
  const ExportRecord* const record = instance.module->find_export(name);
  if (record != nullptr && record->kind == kind) return record;
  return invalid(instance, "no " + std::string(what) + " is exported as \"" + std::string(name) + "\"");
}

Status check_arguments(const InstanceState& instance, std::string_view name, const FunctionType& type,
                       std::span<const Value> arguments) {
  const bool fits = std::equal(arguments.begin(), arguments.end(), type.params.begin(), type.params.end(),
                               [](const Value& argument, ValueType wanted) { return argument.type == wanted; });
  if (fits) return Ok{};
  FunctionType given{{}, type.results};
  for (const Value& argument : arguments) given.params.push_back(argument.type);
  return invalid(instance, "function \"" + std::string(name) + "\" has type " + to_string(type) + ", called as " +
                               to_string(given));
}

}  // namespace

Result<std::vector<Value>> Instance::call(std::string_view export_name, std::span<const Value> arguments) {
  Result<const ExportRecord*> record = find(*state_, export_name, ExternKind::Function, "function");
  if (!record) return std::move(record).error();
  const std::uint32_t function = (*record)->index;
  const FunctionType& type = state_->data().type_of_function(function);
  Status fits = check_arguments(*state_, export_name, type, arguments);
  if (!fits) return std::move(fits).error();

  wasm::InlineBuffer<std::uint64_t, 16> words(std::max(type.params.size(), type.results.size()));
  std::uint64_t* const slots = words.all().data();
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    slots[i] = wasm::significant_bits(type.params[i], arguments[i].bits);
  }
  Status called = wasm::call_function(*state_, function, slots);
  if (!called) return std::move(called).error();
  std::vector<Value> results;
  results.reserve(type.results.size());
  for (std::size_t i = 0; i < type.results.size(); ++i) {
    results.push_back({type.results[i], wasm::significant_bits(type.results[i], slots[i])});
  }
  return results;
}

std::optional<FunctionType> Instance::function_type(std::string_view export_name) const {
  const ExportRecord* const record = state_->module->find_export(export_name);
  if (record == nullptr || record->kind != ExternKind::Function) return std::nullopt;
  return state_->data().type_of_function(record->index);
}

Result<Value> Instance::global(std::string_view export_name) const {
  Result<const ExportRecord*> record = find(*state_, export_name, ExternKind::Global, "global");
  if (!record) return std::move(record).error();
  const ValueType type = state_->data().globals[(*record)->index].type.type;
  return Value{type, wasm::significant_bits(type, state_->globals[(*record)->index]->bits[0])};
}

Status Instance::set_global(std::string_view export_name, Value value) {
  Result<const ExportRecord*> record = find(*state_, export_name, ExternKind::Global, "global");
  if (!record) return std::move(record).error();
  const GlobalType type = state_->data().globals[(*record)->index].type;
  if (!type.is_mutable) return invalid(*state_, "global \"" + std::string(export_name) + "\" is immutable");
  if (type.type != value.type) {
    return invalid(*state_, "global \"" + std::string(export_name) + "\" has type " +
                                std::string(to_string(type.type)) + ", given " + std::string(to_string(value.type)));
  }
  state_->globals[(*record)->index]->bits[0] = wasm::significant_bits(value.type, value.bits);
  return Ok{};
}

Status Instance::set_context(std::string_view json) {
  Result<flags::LoadReport> report = state_->flags.set_context(json);
  if (!report) return invalid_context(*state_, report.error());
  return Ok{};
}

Instance Caller::instance() const {
  return Instance(instance_);
}

std::span<std::uint8_t> Memory::bytes() const {
  if (instance_ == nullptr || instance_->memory == nullptr) return {};
  const wasm::MemoryView& view = instance_->memory->view();
  return {view.base, view.bytes};
}

std::optional<std::span<std::uint8_t>> Memory::view(std::uint64_t address, std::uint64_t length) const {
  const std::span<std::uint8_t> all = bytes();
  if (length > all.size() || address > all.size() - length) return std::nullopt;
  return all.subspan(address, length);
}

namespace {

Error outside_memory(std::uint64_t address, std::size_t length, std::size_t size) {
  return make_error(ErrorCode::InvalidArgument, std::to_string(length) + " bytes at address " +
                                                    std::to_string(address) + " are not inside the guest's memory of " +
                                                    std::to_string(size) + " bytes");
}

}  // namespace

Status Memory::read(std::uint64_t address, std::span<std::uint8_t> out) const {
  const auto from = view(address, out.size());
  if (!from) return outside_memory(address, out.size(), bytes().size());
  std::copy(from->begin(), from->end(), out.begin());
  return Ok{};
}

Status Memory::write(std::uint64_t address, std::span<const std::uint8_t> in) const {
  const auto to = view(address, in.size());
  if (!to) return outside_memory(address, in.size(), bytes().size());
  std::copy(in.begin(), in.end(), to->begin());
  return Ok{};
}

}  // namespace shunt::runtime
