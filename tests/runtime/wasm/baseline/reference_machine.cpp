#include "tests/runtime/wasm/baseline/reference_machine.h"

#include <wabt/binary-reader.h>
#include <wabt/error-formatter.h>
#include <wabt/feature.h>
#include <wabt/interp/binary-reader-interp.h>
#include <wabt/interp/interp.h>

#include <cstring>

namespace shunt::test {
namespace {

namespace interp = wabt::interp;
using Type = ReferenceMachine::Type;

template <class To, class From>
To bit_cast(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}

interp::Value value_of(Type type, std::uint64_t bits) {
  switch (type) {
    case Type::I32:
      return interp::Value::Make(static_cast<std::uint32_t>(bits));
    case Type::I64:
      return interp::Value::Make(bits);
    case Type::F32:
      return interp::Value::Make(bit_cast<float>(static_cast<std::uint32_t>(bits)));
    default:
      return interp::Value::Make(bit_cast<double>(bits));
  }
}

std::uint64_t bits_of(Type type, const interp::Value& value) {
  switch (type) {
    case Type::I32:
      return value.Get<wabt::interp::u32>();
    case Type::I64:
      return value.Get<wabt::interp::u64>();
    case Type::F32:
      return bit_cast<std::uint32_t>(value.Get<wabt::interp::f32>());
    default:
      return bit_cast<std::uint64_t>(value.Get<wabt::interp::f64>());
  }
}

}  // namespace

struct ReferenceMachine::State {
  interp::Store store;
  interp::Module::Ptr module;
  interp::Instance::Ptr instance;
};

ReferenceMachine::ReferenceMachine(std::unique_ptr<State> state) : state_(std::move(state)) {}
ReferenceMachine::~ReferenceMachine() = default;

std::unique_ptr<ReferenceMachine> ReferenceMachine::create(const std::vector<std::uint8_t>& module,
                                                           std::string& message) {
  auto state = std::make_unique<State>();
  wabt::Errors errors;
  interp::ModuleDesc description;
  const wabt::ReadBinaryOptions options(wabt::Features(), nullptr, true, true, true);
  if (Failed(interp::ReadBinaryInterp("random", module.data(), module.size(), options, &errors, &description))) {
    message = wabt::FormatErrorsToString(errors, wabt::Location::Type::Binary);
    return nullptr;
  }
  state->module = interp::Module::New(state->store, description);
  interp::Trap::Ptr trap;
  state->instance = interp::Instance::Instantiate(state->store, state->module.ref(), {}, &trap);
  if (!state->instance) {
    message = trap->message();
    return nullptr;
  }
  return std::unique_ptr<ReferenceMachine>(new ReferenceMachine(std::move(state)));
}

std::optional<ReferenceMachine::Words> ReferenceMachine::call(std::uint32_t function, const std::vector<Type>& params,
                                                              const std::vector<Type>& result_types,
                                                              const Words& arguments) {
  interp::Values values;
  for (std::size_t i = 0; i < arguments.size(); ++i) values.push_back(value_of(params[i], arguments[i]));
  interp::Func::Ptr callee(state_->store, state_->instance->funcs()[function]);
  interp::Values results;
  interp::Trap::Ptr trap;
  if (Failed(callee->Call(state_->store, values, results, &trap))) return std::nullopt;
  Words words;
  for (std::size_t i = 0; i < results.size(); ++i) words.push_back(bits_of(result_types[i], results[i]));
  return words;
}

std::uint64_t ReferenceMachine::global(std::uint32_t index) const {
  const interp::Global::Ptr global(state_->store, state_->instance->globals()[index]);
  switch (global->type().type) {
    case wabt::Type::I32:
      return bits_of(Type::I32, global->Get());
    case wabt::Type::I64:
      return bits_of(Type::I64, global->Get());
    case wabt::Type::F32:
      return bits_of(Type::F32, global->Get());
    default:
      return bits_of(Type::F64, global->Get());
  }
}

void ReferenceMachine::set_global(std::uint32_t index, std::uint32_t value) {
  const interp::Global::Ptr global(state_->store, state_->instance->globals()[index]);
  global->UnsafeSet(interp::Value::Make(value));
}

std::pair<const std::uint8_t*, std::size_t> ReferenceMachine::memory() const {
  const interp::Memory::Ptr memory(state_->store, state_->instance->memories()[0]);
  return {memory->UnsafeData(), memory->ByteSize()};
}

}  // namespace shunt::test
