#include "runtime/wasm/baseline/op_info.h"

#include "runtime/wasm/instance/vm_context.h"

namespace shunt::wasm::baseline {
namespace {

using wabt::Opcode;
using Type = wabt::Type::Enum;

struct Signature {
  Type result, first, second, third;
  std::uint32_t bytes;
};

constexpr ValueType value_type(Type type) {
  switch (type) {
    case Type::I64:
      return ValueType::I64;
    case Type::F32:
      return ValueType::F32;
    case Type::F64:
      return ValueType::F64;
    default:
      return ValueType::I32;
  }
}

constexpr bool between(Opcode::Enum op, Opcode::Enum first, Opcode::Enum last) {
  return op >= first && op <= last;
}

// Operations with operators: sets kind and operator if `op` lies in [first, last].
constexpr bool classify(OpInfo& info, Opcode::Enum op, Opcode::Enum first, Opcode::Enum last, OpKind kind) {
  if (!between(op, first, last)) return false;
  info.kind = kind;
  info.op = static_cast<std::uint8_t>(op - first);
  return true;
}

constexpr bool classify_numeric(OpInfo& info, Opcode::Enum op) {
  using enum OpKind;
  return classify(info, op, Opcode::I32Eq, Opcode::I32GeU, IntCompare) ||
         classify(info, op, Opcode::I64Eq, Opcode::I64GeU, IntCompare) ||
         classify(info, op, Opcode::F32Eq, Opcode::F32Ge, FloatCompare) ||
         classify(info, op, Opcode::F64Eq, Opcode::F64Ge, FloatCompare) ||
         classify(info, op, Opcode::I32Clz, Opcode::I32Popcnt, IntUnary) ||
         classify(info, op, Opcode::I64Clz, Opcode::I64Popcnt, IntUnary) ||
         classify(info, op, Opcode::I32Add, Opcode::I32Rotr, IntBinary) ||
         classify(info, op, Opcode::I64Add, Opcode::I64Rotr, IntBinary) ||
         classify(info, op, Opcode::F32Abs, Opcode::F32Sqrt, FloatUnary) ||
         classify(info, op, Opcode::F64Abs, Opcode::F64Sqrt, FloatUnary) ||
         classify(info, op, Opcode::F32Add, Opcode::F32Copysign, FloatBinary) ||
         classify(info, op, Opcode::F64Add, Opcode::F64Copysign, FloatBinary) ||
         classify(info, op, Opcode::I32Load, Opcode::I64Load32U, Load) ||
         classify(info, op, Opcode::I32Store, Opcode::I64Store32, Store) ||
         classify(info, op, Opcode::I32Const, Opcode::F64Const, Constant);
}

constexpr void sign_extension(OpInfo& info, baseline::IntUnary op) {
  info.kind = OpKind::IntUnary;
  info.op = static_cast<std::uint8_t>(op);
}

constexpr void conversion(OpInfo& info, OpKind kind, bool is_signed, bool saturates = false) {
  info.kind = kind;
  info.is_signed = is_signed;
  info.saturates = saturates;
}

constexpr bool classify_conversion(OpInfo& info, Opcode::Enum op) {
  switch (op) {
    case Opcode::I32Eqz:
    case Opcode::I64Eqz:
      info.kind = OpKind::IntEqz;
      return true;
    case Opcode::I32Extend8S:
    case Opcode::I64Extend8S:
      sign_extension(info, IntUnary::Extend8);
      return true;
    case Opcode::I32Extend16S:
    case Opcode::I64Extend16S:
      sign_extension(info, IntUnary::Extend16);
      return true;
    case Opcode::I64Extend32S:
      sign_extension(info, IntUnary::Extend32);
      return true;
    case Opcode::I32WrapI64:
      info.kind = OpKind::Wrap;
      return true;
    case Opcode::I64ExtendI32S:
    case Opcode::I64ExtendI32U:
      conversion(info, OpKind::Extend, op == Opcode::I64ExtendI32S);
      return true;
    case Opcode::I32TruncF32S:
    case Opcode::I32TruncF64S:
    case Opcode::I64TruncF32S:
    case Opcode::I64TruncF64S:
      conversion(info, OpKind::Truncate, true);
      return true;
    case Opcode::I32TruncF32U:
    case Opcode::I32TruncF64U:
    case Opcode::I64TruncF32U:
    case Opcode::I64TruncF64U:
      conversion(info, OpKind::Truncate, false);
      return true;
    case Opcode::I32TruncSatF32S:
    case Opcode::I32TruncSatF64S:
    case Opcode::I64TruncSatF32S:
    case Opcode::I64TruncSatF64S:
      conversion(info, OpKind::Truncate, true, true);
      return true;
    case Opcode::I32TruncSatF32U:
    case Opcode::I32TruncSatF64U:
    case Opcode::I64TruncSatF32U:
    case Opcode::I64TruncSatF64U:
      conversion(info, OpKind::Truncate, false, true);
      return true;
    case Opcode::F32ConvertI32S:
    case Opcode::F32ConvertI64S:
    case Opcode::F64ConvertI32S:
    case Opcode::F64ConvertI64S:
      conversion(info, OpKind::Convert, true);
      return true;
    case Opcode::F32ConvertI32U:
    case Opcode::F32ConvertI64U:
    case Opcode::F64ConvertI32U:
    case Opcode::F64ConvertI64U:
      conversion(info, OpKind::Convert, false);
      return true;
    case Opcode::F32DemoteF64:
    case Opcode::F64PromoteF32:
      info.kind = OpKind::FloatResize;
      return true;
    case Opcode::I32ReinterpretF32:
    case Opcode::I64ReinterpretF64:
    case Opcode::F32ReinterpretI32:
    case Opcode::F64ReinterpretI64:
      info.kind = OpKind::Reinterpret;
      return true;
    default:
      return false;
  }
}

constexpr void plain(OpInfo& info, OpKind kind, int height) {
  info.kind = kind;
  info.height = static_cast<std::int8_t>(height);
}

constexpr bool classify_control(OpInfo& info, Opcode::Enum op) {
  switch (op) {
    case Opcode::Unreachable:
      plain(info, OpKind::Unreachable, 0);
      return true;
    case Opcode::Nop:
      plain(info, OpKind::Nop, 0);
      return true;
    case Opcode::Block:
      plain(info, OpKind::Block, 0);
      return true;
    case Opcode::Loop:
      plain(info, OpKind::Loop, 0);
      return true;
    case Opcode::If:
      plain(info, OpKind::If, -1);
      return true;
    case Opcode::Else:
      plain(info, OpKind::Else, 0);
      return true;
    case Opcode::End:
      plain(info, OpKind::End, 0);
      return true;
    case Opcode::Br:
      plain(info, OpKind::Br, 0);
      return true;
    case Opcode::BrIf:
      plain(info, OpKind::BrIf, -1);
      return true;
    case Opcode::BrTable:
      plain(info, OpKind::BrTable, -1);
      return true;
    case Opcode::Return:
      plain(info, OpKind::Return, 0);
      return true;
    case Opcode::Call:
      plain(info, OpKind::Call, 0);
      return true;
    case Opcode::CallIndirect:
      plain(info, OpKind::CallIndirect, -1);
      return true;
    case Opcode::Drop:
      plain(info, OpKind::Drop, -1);
      return true;
    case Opcode::Select:
    case Opcode::SelectT:
      plain(info, OpKind::Select, -2);
      return true;
    case Opcode::LocalGet:
      plain(info, OpKind::LocalGet, 1);
      return true;
    case Opcode::LocalSet:
      plain(info, OpKind::LocalSet, -1);
      return true;
    case Opcode::LocalTee:
      plain(info, OpKind::LocalTee, 0);
      return true;
    case Opcode::GlobalGet:
      plain(info, OpKind::GlobalGet, 1);
      return true;
    case Opcode::GlobalSet:
      plain(info, OpKind::GlobalSet, -1);
      return true;
    case Opcode::MemorySize:
      plain(info, OpKind::MemorySize, 1);
      return true;
    case Opcode::TableSize:
      plain(info, OpKind::TableSize, 1);
      return true;
    case Opcode::RefNull:
      plain(info, OpKind::RefNull, 1);
      return true;
    case Opcode::RefIsNull:
      plain(info, OpKind::RefIsNull, 0);
      return true;
    case Opcode::RefFunc:
      plain(info, OpKind::RefFunc, 1);
      return true;
    default:
      return false;
  }
}

constexpr void runtime(OpInfo& info, Builtin builtin, int height) {
  plain(info, OpKind::Runtime, height);
  info.op = static_cast<std::uint8_t>(builtin);
  info.calls = true;
}

constexpr bool classify_runtime(OpInfo& info, Opcode::Enum op) {
  switch (op) {
    case Opcode::MemoryGrow:
      runtime(info, Builtin::MemoryGrow, 0);
      return true;
    case Opcode::MemoryFill:
      runtime(info, Builtin::MemoryFill, -3);
      return true;
    case Opcode::MemoryCopy:
      runtime(info, Builtin::MemoryCopy, -3);
      return true;
    case Opcode::MemoryInit:
      runtime(info, Builtin::MemoryInit, -3);
      return true;
    case Opcode::DataDrop:
      runtime(info, Builtin::DataDrop, 0);
      return true;
    case Opcode::TableGet:
      runtime(info, Builtin::TableGet, 0);
      return true;
    case Opcode::TableSet:
      runtime(info, Builtin::TableSet, -2);
      return true;
    case Opcode::TableGrow:
      runtime(info, Builtin::TableGrow, -1);
      return true;
    case Opcode::TableFill:
      runtime(info, Builtin::TableFill, -3);
      return true;
    case Opcode::TableCopy:
      runtime(info, Builtin::TableCopy, -3);
      return true;
    case Opcode::TableInit:
      runtime(info, Builtin::TableInit, -3);
      return true;
    case Opcode::ElemDrop:
      runtime(info, Builtin::ElemDrop, 0);
      return true;
    default:
      return false;
  }
}

constexpr bool is_signed_load(Opcode::Enum op) {
  return op == Opcode::I32Load8S || op == Opcode::I32Load16S || op == Opcode::I64Load8S || op == Opcode::I64Load16S ||
         op == Opcode::I64Load32S;
}

constexpr OpInfo describe(Opcode::Enum op, const Signature& types) {
  OpInfo info;
  if (classify_control(info, op) || classify_runtime(info, op)) return info;
  if (!classify_numeric(info, op) && !classify_conversion(info, op)) return {};
  info.operand = value_type(types.first);
  info.result = value_type(types.result);
  info.height = static_cast<std::int8_t>((types.result != Type::Void) - (types.first != Type::Void) -
                                         (types.second != Type::Void) - (types.third != Type::Void));
  if (info.kind == OpKind::FloatUnary) info.height = 0;  // wabt's table gives them two operands
  info.bytes = static_cast<std::uint8_t>(types.bytes);
  if (info.kind == OpKind::Load) {
    info.operand = info.result;
    info.is_signed = is_signed_load(op);
  }
  if (info.kind == OpKind::Store) info.operand = value_type(types.second);
  if (info.kind == OpKind::Constant) {
    constexpr ValueType constants[] = {ValueType::I32, ValueType::I64, ValueType::F32, ValueType::F64};
    info.result = constants[info.op];
    info.height = 1;
  }
  return info;
}

constexpr std::array<OpInfo, Opcode::Invalid> make_table() {
  using enum wabt::Type::Enum;  // the names that opcode.def uses
  std::array<OpInfo, Opcode::Invalid> table;
#define WABT_OPCODE(rtype, type1, type2, type3, mem_size, prefix, code, Name, text, decomp) \
  table[Opcode::Name] = describe(Opcode::Name, {rtype, type1, type2, type3, mem_size});
#include <wabt/opcode.def>
#undef WABT_OPCODE
  return table;
}

static_assert(Opcode::I32Rotr - Opcode::I32Add == static_cast<int>(IntBinary::Rotr));
static_assert(Opcode::I32GeU - Opcode::I32Eq == static_cast<int>(IntCompare::GeU));
static_assert(Opcode::F64Ge - Opcode::F64Eq == static_cast<int>(FloatCompare::Ge));
static_assert(Opcode::F64Sqrt - Opcode::F64Abs == static_cast<int>(FloatUnary::Sqrt));
static_assert(Opcode::F64Copysign - Opcode::F64Add == static_cast<int>(FloatBinary::Copysign));

}  // namespace

constinit const std::array<OpInfo, Opcode::Invalid> op_table = make_table();

}  // namespace shunt::wasm::baseline
