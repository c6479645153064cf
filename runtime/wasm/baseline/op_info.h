// What the compiler knows about each operation in advance, as one constant table: its kind, which operator of that kind
// it is, its types, and what it does to the height of the operand stack.
#pragma once

#include <wabt/opcode.h>

#include <array>
#include <cstdint>

#include "runtime/wasm/module/module_data.h"

namespace shunt::wasm::baseline {

enum class OpKind : std::uint8_t {
  Unsupported,  // never delivered by the reader
  Unreachable,
  Nop,
  Block,
  Loop,
  If,
  Else,
  End,
  Br,
  BrIf,
  BrTable,
  Return,
  Call,
  CallIndirect,
  Drop,
  Select,
  LocalGet,
  LocalSet,
  LocalTee,
  GlobalGet,
  GlobalSet,
  Load,
  Store,
  Constant,
  IntEqz,
  IntCompare,
  FloatCompare,
  IntBinary,
  IntUnary,
  FloatBinary,
  FloatUnary,
  Wrap,
  Extend,
  Truncate,
  Convert,
  FloatResize,
  Reinterpret,
  MemorySize,
  Runtime,  // Runtime: a call of a builtin
  TableSize,
  RefNull,
  RefIsNull,
  RefFunc,
};

// In the order of the opcodes, so that an opcode's distance from its kind's first is the operator.
enum class IntBinary : std::uint8_t {
  Add,
  Sub,
  Mul,
  DivS,
  DivU,
  RemS,
  RemU,
  And,
  Or,
  Xor,
  Shl,
  ShrS,
  ShrU,
  Rotl,
  Rotr
};
enum class IntUnary : std::uint8_t { Clz, Ctz, Popcnt, Extend8, Extend16, Extend32 };
enum class IntCompare : std::uint8_t { Eq, Ne, LtS, LtU, GtS, GtU, LeS, LeU, GeS, GeU };
enum class FloatCompare : std::uint8_t { Eq, Ne, Lt, Gt, Le, Ge };
enum class FloatUnary : std::uint8_t { Abs, Neg, Ceil, Floor, Trunc, Nearest, Sqrt };
enum class FloatBinary : std::uint8_t { Add, Sub, Mul, Div, Min, Max, Copysign };

// The comparison of exchanged operands.
constexpr IntCompare mirrored(IntCompare op) {
  switch (op) {
    case IntCompare::LtS:
      return IntCompare::GtS;
    case IntCompare::LtU:
      return IntCompare::GtU;
    case IntCompare::GtS:
      return IntCompare::LtS;
    case IntCompare::GtU:
      return IntCompare::LtU;
    case IntCompare::LeS:
      return IntCompare::GeS;
    case IntCompare::LeU:
      return IntCompare::GeU;
    case IntCompare::GeS:
      return IntCompare::LeS;
    case IntCompare::GeU:
      return IntCompare::LeU;
    default:
      return op;
  }
}
constexpr bool is_commutative(IntBinary op) {
  return op == IntBinary::Add || op == IntBinary::Mul || op == IntBinary::And || op == IntBinary::Or ||
         op == IntBinary::Xor;
}
constexpr bool is_division(IntBinary op) {
  return op >= IntBinary::DivS && op <= IntBinary::RemU;
}
constexpr bool is_remainder(IntBinary op) {
  return op == IntBinary::RemS || op == IntBinary::RemU;
}
constexpr bool is_signed_division(IntBinary op) {
  return op == IntBinary::DivS || op == IntBinary::RemS;
}
// Addition and multiplication only: minimum and maximum are commutative too, but their code is not.
constexpr bool is_commutative(FloatBinary op) {
  return op == FloatBinary::Add || op == FloatBinary::Mul;
}

struct OpInfo {
  OpKind kind = OpKind::Unsupported;
  std::uint8_t op = 0;  // the operator: one of the enums above. Runtime: the Builtin. Truncate: see below
  ValueType operand{};  // type of the (first) operand; of a memory access, the value's type
  ValueType result{};
  std::int8_t height = 0;  // change of the stack's height, where the opcode alone decides it
  std::uint8_t bytes = 0;  // memory accesses: their size
  bool is_signed = false;  // loads, conversions, truncations, extensions: signed
  bool saturates = false;  // truncations
  bool calls = false;      // destroys the registers that calls destroy
};

extern const std::array<OpInfo, wabt::Opcode::Invalid> op_table;

inline const OpInfo& info_of(wabt::Opcode::Enum opcode) {
  return op_table[opcode];
}

}  // namespace shunt::wasm::baseline
