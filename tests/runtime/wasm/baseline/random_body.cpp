#include "tests/runtime/wasm/baseline/random_body.h"

#include <algorithm>
#include <array>
#include <bit>

#include "runtime/wasm/baseline/op_info.h"

namespace shunt::test {
namespace {

using wabt::Opcode;
using wasm::FunctionType;
using wasm::ValueType;
using wasm::baseline::info_of;
using wasm::baseline::OpInfo;
using wasm::baseline::OpKind;

constexpr std::uint32_t max_loops = 3;  // nested; one counter each

struct Operator {
  Opcode::Enum opcode;
  std::vector<ValueType> operands;
  ValueType result;
};

// Every operation from numbers to a number.
std::vector<Operator> all_operators() {
  std::vector<Operator> operators;
  for (unsigned i = 0; i < Opcode::Invalid; ++i) {
    const auto opcode = static_cast<Opcode::Enum>(i);
    const OpInfo& info = info_of(opcode);
    if (info.kind < OpKind::IntEqz || info.kind > OpKind::Reinterpret) continue;
    const std::size_t arity = info.kind == OpKind::FloatUnary ? 1 : static_cast<std::size_t>(1 - info.height);
    operators.push_back({opcode, std::vector<ValueType>(arity, info.operand), info.result});
  }
  return operators;
}

bool is_float(ValueType type) {
  return type == ValueType::F32 || type == ValueType::F64;
}

bool may_give_nan(OpKind kind) {
  return kind == OpKind::FloatUnary || kind == OpKind::FloatBinary || kind == OpKind::FloatResize ||
         kind == OpKind::Reinterpret;
}

}  // namespace

std::uint8_t encoding_of(ValueType type) {
  switch (type) {
    case ValueType::I64:
      return 0x7e;
    case ValueType::F32:
      return 0x7d;
    case ValueType::F64:
      return 0x7c;
    default:
      return 0x7f;
  }
}

RandomBody::RandomBody(Choices& random, const RandomModuleOptions& options, RandomContext& context,
                       const FunctionType& type)
    : random_(random), options_(options), context_(context), type_(type) {}

Bytes RandomBody::make() {
  locals_ = type_.params;
  const unsigned extra = below(options_.max_locals + 1);
  for (unsigned i = 0; i < extra; ++i) locals_.push_back(any_type());
  assignable_ = static_cast<std::uint32_t>(locals_.size());
  locals_.insert(locals_.end(), max_loops, ValueType::I32);
  fuel_ = static_cast<int>(options_.body_size);
  labels_.push_back({type_.results, false, 0});
  step();
  while (fuel_ > 0) statement(options_.expression_depth);
  values(type_.results, options_.expression_depth);
  op(Opcode::End);
  Bytes body;
  const std::size_t declared = locals_.size() - type_.params.size();
  body.number(declared);
  for (std::size_t i = type_.params.size(); i < locals_.size(); ++i) body.add({1, encoding_of(locals_[i])});
  return body.add(code_);
}

// --- encoding ---

void RandomBody::op(Opcode::Enum opcode) {
  --fuel_;
  for (const std::uint8_t byte : Opcode(opcode).GetBytes()) code_.add({byte});
}

void RandomBody::op(Opcode::Enum opcode, std::uint64_t immediate) {
  op(opcode);
  code_.number(immediate);
}

void RandomBody::constant(ValueType type, std::uint64_t bits) {
  const auto fixed = [&](unsigned bytes) {
    for (unsigned i = 0; i < bytes; ++i) code_.add({static_cast<int>((bits >> (8 * i)) & 0xff)});
  };
  const auto signed_number = [&](std::int64_t value) {
    for (;;) {
      const auto low = static_cast<int>(value & 0x7f);
      value >>= 7;
      if ((value == 0 && (low & 0x40) == 0) || (value == -1 && (low & 0x40) != 0)) {
        code_.add({low});
        return;
      }
      code_.add({low | 0x80});
    }
  };
  switch (type) {
    case ValueType::I32:
      op(Opcode::I32Const);
      signed_number(static_cast<std::int32_t>(bits));
      return;
    case ValueType::I64:
      op(Opcode::I64Const);
      signed_number(static_cast<std::int64_t>(bits));
      return;
    case ValueType::F32:
      op(Opcode::F32Const);
      fixed(4);
      return;
    default:
      op(Opcode::F64Const);
      fixed(8);
  }
}

ValueType RandomBody::any_type() {
  constexpr std::array all = {ValueType::I32, ValueType::I32, ValueType::I64, ValueType::F32, ValueType::F64};
  return all[below(options_.floats ? 5 : 3)];
}

std::uint32_t RandomBody::block_type(std::vector<ValueType> params, std::vector<ValueType> results) {
  context_.types.push_back({std::move(params), std::move(results)});
  return static_cast<std::uint32_t>(context_.types.size() - 1);
}

// --- values ---

void RandomBody::values(std::span<const ValueType> types, unsigned depth) {
  for (const ValueType type : types) value(type, depth);
}

void RandomBody::value(ValueType type, unsigned depth) {
  if (depth == 0 || fuel_ <= 0) {
    leaf(type);
    return;
  }
  const unsigned kind = below(16);
  switch (is_tight_ && kind > 5 ? 9 : kind) {
    case 0:
    case 1:
    case 2:
      leaf(type);
      return;
    case 3:
      load(type, depth - 1);
      return;
    case 4:
    case 5:
      choice(type, depth - 1);
      return;
    case 6:
      block_value(type, depth - 1);
      return;
    case 7:
      if (call_for(type, depth - 1)) return;
      break;
    case 8: {  // something happens while values wait below
      value(type, depth - 1);
      statement(depth - 1);
      return;
    }
    default:
      break;
  }
  arithmetic(type, depth - 1);
}

void RandomBody::flag() {
  op(Opcode::Call, below(context_.flags));
}

void RandomBody::leaf(ValueType type) {
  if (context_.flags > 0 && type == ValueType::I32 && chance(8)) return flag();
  if (options_.segments && type == ValueType::I32 && chance(4)) {
    op(chance(50) ? Opcode::MemorySize : Opcode::TableSize);
    code_.add({0});
    return;
  }
  std::vector<std::uint32_t> locals;
  for (std::uint32_t i = 0; i < assignable_; ++i) {
    if (locals_[i] == type) locals.push_back(i);
  }
  if (!locals.empty() && chance(65)) {
    op(Opcode::LocalGet, locals[below(static_cast<unsigned>(locals.size()))]);
    return;
  }
  std::vector<std::uint32_t> globals;
  for (std::uint32_t i = 1; i < context_.globals.size(); ++i) {
    if (context_.globals[i] == type) globals.push_back(i);
  }
  if (!globals.empty() && chance(15)) {
    op(Opcode::GlobalGet, globals[below(static_cast<unsigned>(globals.size()))]);
    return;
  }
  random_constant(type);
}

void RandomBody::random_constant(ValueType type) {
  constexpr std::array<std::uint64_t, 14> integers = {0,  1,  2,   3,     4,          5,          8,
                                                      16, 31, 255, 65535, 0x7fffffff, 0x80000000, 0xffffffff};
  constexpr std::array<double, 12> floats = {
      0.0, -0.0, 1.0, -1.5, 3.99, 1e10, 2147483648.0, -1e300, 1e-310, 4294967296.0, 9223372036854775808.0, 0.5};
  std::uint64_t bits = 0;
  if (!is_float(type)) {
    bits = chance(70) ? integers[below(integers.size())] : random_();
    if (chance(30)) bits = 0 - bits;
  } else {
    const double number = floats[below(floats.size())];
    bits = type == ValueType::F64 ? std::bit_cast<std::uint64_t>(number)
                                  : std::bit_cast<std::uint32_t>(static_cast<float>(number));
  }
  constant(type, bits);
}

void RandomBody::arithmetic(ValueType type, unsigned depth) {
  static const std::vector<Operator> operators = all_operators();
  for (;;) {
    const Operator& chosen = operators[below(static_cast<unsigned>(operators.size()))];
    if (chosen.result != type) continue;
    if (!options_.floats && is_float(chosen.operands.front())) continue;
    values(chosen.operands, depth);
    op(chosen.opcode);
    if (is_float(type) && may_give_nan(info_of(chosen.opcode).kind)) canonical_nan(type);
    return;
  }
}

// (x == x) ? x : nan, also in the local that holds x meanwhile. Without a local of the type the value is replaced.
void RandomBody::canonical_nan(ValueType type) {
  for (std::uint32_t i = 0; i < assignable_; ++i) {
    if (locals_[i] != type) continue;
    op(Opcode::LocalTee, i);
    constant(type, type == ValueType::F64 ? 0x7ff8'0000'0000'0000 : 0x7fc0'0000);
    op(Opcode::LocalGet, i);
    op(Opcode::LocalGet, i);
    op(type == ValueType::F64 ? Opcode::F64Eq : Opcode::F32Eq);
    op(Opcode::Select);
    op(Opcode::LocalTee, i);
    return;
  }
  op(Opcode::Drop);
  random_constant(type);
}

void RandomBody::load(ValueType type, unsigned depth) {
  for (;;) {
    const auto opcode = static_cast<Opcode::Enum>(Opcode::I32Load + below(Opcode::I64Load32U - Opcode::I32Load + 1));
    if (info_of(opcode).result != type) continue;
    address(depth);
    op(opcode, 0);  // alignment
    code_.number(chance(5) ? random_() & 0xffff'ffff : below(64));
    if (is_float(type)) canonical_nan(type);
    return;
  }
}

// Mostly inside the memory.
void RandomBody::address(unsigned depth) {
  if (is_tight_ && chance(90)) return tight_address();
  if (chance(10)) {
    constant(ValueType::I32, below(65536));
    return;
  }
  value(ValueType::I32, depth);
  if (chance(3)) return;
  constant(ValueType::I32, chance(50) ? 0xff : 0x7fff);
  op(Opcode::I32And);
}

// Advances by a constant; seldom out of the memory.
void RandomBody::tight_address() {
  constexpr std::array<std::uint64_t, 8> steps = {1, 2, 4, 8, 8, 16, 0, ~std::uint64_t{0}};
  op(Opcode::LocalGet, labels_.back().counter);
  constant(ValueType::I32, steps[below(steps.size())]);
  op(Opcode::I32Mul);
  constant(ValueType::I32, chance(5) ? 65536 - below(200) : 300 + below(chance(50) ? 200 : 60000));
  op(Opcode::I32Add);
}

void RandomBody::choice(ValueType type, unsigned depth) {
  value(type, depth);
  value(type, depth);
  value(ValueType::I32, depth);
  op(Opcode::Select);
}

void RandomBody::block_value(ValueType type, unsigned depth) {
  const std::array<ValueType, 1> results = {type};
  block(results, depth);
}

// A call that gives the type, with other results dropped or kept aside.
bool RandomBody::call_for(ValueType type, unsigned depth) {
  for (std::uint32_t function = context_.first_callable; function < context_.functions; ++function) {
    const FunctionType& callee = context_.types[function];
    if (callee.results.empty() || callee.results.front() != type || chance(40)) continue;
    const FunctionType copy = callee;  // nested blocks add types
    values(copy.params, depth);
    const std::uint32_t first_in_table = context_.functions - context_.table_functions;
    if (function >= first_in_table && chance(50)) {
      if (chance(70)) {
        constant(ValueType::I32, chance(90) ? function - first_in_table : random_());
      } else {  // another one, perhaps of the same type
        value(ValueType::I32, depth);
        constant(ValueType::I32, chance(50) ? 1 : 3);
        op(Opcode::I32And);
      }
      op(Opcode::CallIndirect, function);
      code_.number(0);
    } else {
      op(Opcode::Call, context_.flags + function);
    }
    for (std::size_t i = 1; i < copy.results.size(); ++i) op(Opcode::Drop);
    return true;
  }
  return false;
}

}  // namespace shunt::test
