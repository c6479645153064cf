// FunctionLowering: numbers.
//
// LLVM may take a signalling NaN for a quiet one: it folds x * 1 and x - 0 to x, which WebAssembly wants quieted. So
// constants that it could fold with are hidden from it (opaque()).
#include <llvm/IR/Constants.h>
#include <llvm/IR/InlineAsm.h>
#include <llvm/IR/Intrinsics.h>

#include <bit>
#include <cmath>

#include "runtime/wasm/optimising/function_lowering.h"
#include "runtime/wasm/optimising/target.h"

namespace shunt::wasm {

using baseline::FloatBinary;
using baseline::FloatUnary;
using baseline::IntBinary;
using baseline::IntUnary;
using baseline::OpInfo;
using baseline::OpKind;

void FunctionLowering::step_numeric(const Op& op, const OpInfo& info) {
  llvm::Type* const result = shared_.type(info.result);
  switch (info.kind) {
    case OpKind::Constant:
      return constant(op, info);
    case OpKind::IntBinary:
      return int_binary(info);
    case OpKind::IntUnary:
      return int_unary(info);
    case OpKind::IntEqz: {
      llvm::Value* const value = pop();
      return push(b_.CreateZExt(b_.CreateNot(is_true(value)), b_.getInt32Ty()));
    }
    case OpKind::IntCompare:
      return int_compare(info);
    case OpKind::FloatCompare:
      return float_compare(info);
    case OpKind::FloatBinary:
      return float_binary(info);
    case OpKind::FloatUnary:
      return float_unary(info);
    case OpKind::Wrap:
      return push(b_.CreateTrunc(pop(), result));
    case OpKind::Extend:
      return push(info.is_signed ? b_.CreateSExt(pop(), result) : b_.CreateZExt(pop(), result));
    case OpKind::Truncate:
      return truncate(info);
    case OpKind::Convert:
      return push(info.is_signed ? b_.CreateSIToFP(pop(), result) : b_.CreateUIToFP(pop(), result));
    case OpKind::FloatResize: {
      // Widened before it is narrowed: LLVM must not see that nothing is left to do.
      llvm::Value* const value = pop();
      if (result->isFloatTy()) return push(b_.CreateFPTrunc(value, result));
      return push(opaque(b_.CreateFPExt(value, result)));
    }
    case OpKind::Reinterpret:
      return push(b_.CreateBitCast(pop(), result));
    default:
      return;
  }
}

// Nothing but a value that LLVM knows nothing of.
llvm::Value* FunctionLowering::opaque(llvm::Value* value) {
  llvm::FunctionType* const type = llvm::FunctionType::get(value->getType(), {value->getType()}, false);
  llvm::CallInst* const call = b_.CreateCall(llvm::InlineAsm::get(type, "", same_float_register, false), {value});
  call->setDoesNotAccessMemory();
  call->setDoesNotThrow();
  call->addFnAttr(llvm::Attribute::WillReturn);
  return call;
}

// A constant that LLVM does not know: one for the function, so that loops find it invariant.
llvm::Value* FunctionLowering::hidden(llvm::Constant* constant) {
  llvm::Value*& value = hidden_[constant];
  if (value != nullptr) return value;
  const llvm::IRBuilder<>::InsertPointGuard back(b_);
  llvm::BasicBlock& entry = function_.getEntryBlock();
  b_.SetInsertPoint(&entry, entry.getFirstNonPHIOrDbgOrAlloca());
  return value = opaque(constant);
}

void FunctionLowering::constant(const Op& op, const OpInfo& info) {
  switch (info.result) {
    case ValueType::I32:
      return push(b_.getInt32(static_cast<std::uint32_t>(op.imm)));
    case ValueType::F32:
      return push(b_.CreateBitCast(b_.getInt32(static_cast<std::uint32_t>(op.imm)), b_.getFloatTy()));
    case ValueType::F64:
      return push(b_.CreateBitCast(word(op.imm), b_.getDoubleTy()));
    default:
      return push(word(op.imm));
  }
}

void FunctionLowering::int_binary(const OpInfo& info) {
  const auto op = static_cast<IntBinary>(info.op);
  if (baseline::is_division(op)) return divide(op);
  llvm::Value* const right = pop();
  llvm::Value* const left = pop();
  const auto amount = [&] { return b_.CreateAnd(right, right->getType()->getIntegerBitWidth() - 1); };
  const auto rotate = [&](llvm::Intrinsic::ID way) {
    return b_.CreateIntrinsic(way, {left->getType()}, {left, left, right});
  };
  switch (op) {
    case IntBinary::Add:
      return push(b_.CreateAdd(left, right));
    case IntBinary::Sub:
      return push(b_.CreateSub(left, right));
    case IntBinary::Mul:
      return push(b_.CreateMul(left, right));
    case IntBinary::And:
      return push(b_.CreateAnd(left, right));
    case IntBinary::Or:
      return push(b_.CreateOr(left, right));
    case IntBinary::Xor:
      return push(b_.CreateXor(left, right));
    case IntBinary::Shl:
      return push(b_.CreateShl(left, amount()));
    case IntBinary::ShrS:
      return push(b_.CreateAShr(left, amount()));
    case IntBinary::ShrU:
      return push(b_.CreateLShr(left, amount()));
    case IntBinary::Rotl:
      return push(rotate(llvm::Intrinsic::fshl));
    default:
      return push(rotate(llvm::Intrinsic::fshr));
  }
}

void FunctionLowering::divide(IntBinary op) {
  llvm::Value* right = pop();
  llvm::Value* const left = pop();
  llvm::Type* const type = left->getType();
  trap_if(b_.CreateICmpEQ(right, llvm::Constant::getNullValue(type)), TrapCode::IntegerDivideByZero);
  llvm::Value* const minus_one = llvm::Constant::getAllOnesValue(type);
  if (op == IntBinary::DivS) {
    llvm::Value* const least = llvm::ConstantInt::get(type, llvm::APInt::getSignedMinValue(type->getIntegerBitWidth()));
    llvm::Value* const overflows = b_.CreateAnd(b_.CreateICmpEQ(left, least), b_.CreateICmpEQ(right, minus_one));
    trap_if(overflows, TrapCode::IntegerOverflow);
  }
  if (op == IntBinary::RemS) {  // by -1: zero, also of the least number
    right = b_.CreateSelect(b_.CreateICmpEQ(right, minus_one), llvm::ConstantInt::get(type, 1), right);
  }
  switch (op) {
    case IntBinary::DivS:
      return push(b_.CreateSDiv(left, right));
    case IntBinary::DivU:
      return push(b_.CreateUDiv(left, right));
    case IntBinary::RemS:
      return push(b_.CreateSRem(left, right));
    default:
      return push(b_.CreateURem(left, right));
  }
}

void FunctionLowering::int_unary(const OpInfo& info) {
  llvm::Value* const value = pop();
  llvm::Type* const type = value->getType();
  const auto extend = [&](unsigned bits) { return b_.CreateSExt(b_.CreateTrunc(value, b_.getIntNTy(bits)), type); };
  switch (static_cast<IntUnary>(info.op)) {
    case IntUnary::Clz:
      return push(b_.CreateBinaryIntrinsic(llvm::Intrinsic::ctlz, value, b_.getFalse()));
    case IntUnary::Ctz:
      return push(b_.CreateBinaryIntrinsic(llvm::Intrinsic::cttz, value, b_.getFalse()));
    case IntUnary::Popcnt:
      return push(b_.CreateUnaryIntrinsic(llvm::Intrinsic::ctpop, value));
    case IntUnary::Extend8:
      return push(extend(8));
    case IntUnary::Extend16:
      return push(extend(16));
    case IntUnary::Extend32:
      return push(extend(32));
  }
}

void FunctionLowering::int_compare(const OpInfo& info) {
  using Predicate = llvm::CmpInst::Predicate;
  constexpr Predicate predicates[] = {
      Predicate::ICMP_EQ,  Predicate::ICMP_NE,  Predicate::ICMP_SLT, Predicate::ICMP_ULT, Predicate::ICMP_SGT,
      Predicate::ICMP_UGT, Predicate::ICMP_SLE, Predicate::ICMP_ULE, Predicate::ICMP_SGE, Predicate::ICMP_UGE};
  llvm::Value* const right = pop();
  llvm::Value* const left = pop();
  push(b_.CreateZExt(b_.CreateICmp(predicates[info.op], left, right), b_.getInt32Ty()));
}

void FunctionLowering::float_compare(const OpInfo& info) {
  using Predicate = llvm::CmpInst::Predicate;
  constexpr Predicate predicates[] = {Predicate::FCMP_OEQ, Predicate::FCMP_UNE, Predicate::FCMP_OLT,
                                      Predicate::FCMP_OGT, Predicate::FCMP_OLE, Predicate::FCMP_OGE};
  llvm::Value* const right = pop();
  llvm::Value* const left = pop();
  push(b_.CreateZExt(b_.CreateFCmp(predicates[info.op], left, right), b_.getInt32Ty()));
}

namespace {

// Whether LLVM has a rule for this operation that leaves the other operand as it is, or only changes its sign.
bool may_be_folded(FloatBinary op, llvm::Value* value, bool is_left) {
  const auto* const constant = llvm::dyn_cast<llvm::ConstantFP>(value);
  if (constant == nullptr) return false;
  const bool is_one = constant->isExactlyValue(1.0) || constant->isExactlyValue(-1.0);
  switch (op) {
    case FloatBinary::Add:
    case FloatBinary::Sub:
      return constant->isZero();
    case FloatBinary::Mul:
      return is_one;
    case FloatBinary::Div:
      return is_one && !is_left;
    default:
      return false;
  }
}

}  // namespace

void FunctionLowering::float_binary(const OpInfo& info) {
  llvm::Value* right = pop();
  llvm::Value* left = pop();
  const auto op = static_cast<FloatBinary>(info.op);
  if (may_be_folded(op, right, false)) right = hidden(llvm::cast<llvm::Constant>(right));
  if (may_be_folded(op, left, true)) left = hidden(llvm::cast<llvm::Constant>(left));
  switch (op) {
    case FloatBinary::Add:
      return push(b_.CreateFAdd(left, right));
    case FloatBinary::Sub:
      return push(b_.CreateFSub(left, right));
    case FloatBinary::Mul:
      return push(b_.CreateFMul(left, right));
    case FloatBinary::Div:
      return push(b_.CreateFDiv(left, right));
    case FloatBinary::Min:
      return push(extreme(left, right, true));
    case FloatBinary::Max:
      return push(extreme(left, right, false));
    case FloatBinary::Copysign:
      return push(b_.CreateBinaryIntrinsic(llvm::Intrinsic::copysign, left, right));
  }
}

// The sum of two of which one is a NaN is a quiet NaN.
llvm::Value* FunctionLowering::extreme(llvm::Value* left, llvm::Value* right, bool least) {
  llvm::Value* const unordered = b_.CreateFCmpUNO(left, right);
  llvm::CallInst* const number = llvm::cast<llvm::CallInst>(
      b_.CreateBinaryIntrinsic(least ? llvm::Intrinsic::minimum : llvm::Intrinsic::maximum, left, right));
  number->setHasNoNaNs(true);  // poison if there is one: then it is not chosen
  return b_.CreateSelect(unordered, b_.CreateFAdd(left, right), number);
}

void FunctionLowering::float_unary(const OpInfo& info) {
  llvm::Value* const value = pop();
  const auto intrinsic = [&](llvm::Intrinsic::ID id) { return b_.CreateUnaryIntrinsic(id, value); };
  switch (static_cast<FloatUnary>(info.op)) {
    case FloatUnary::Abs:
      return push(intrinsic(llvm::Intrinsic::fabs));
    case FloatUnary::Neg:
      return push(b_.CreateFNeg(value));
    case FloatUnary::Ceil:
      return push(intrinsic(llvm::Intrinsic::ceil));
    case FloatUnary::Floor:
      return push(intrinsic(llvm::Intrinsic::floor));
    case FloatUnary::Trunc:
      return push(intrinsic(llvm::Intrinsic::trunc));
    case FloatUnary::Nearest:
      return push(intrinsic(llvm::Intrinsic::rint));
    case FloatUnary::Sqrt:
      return push(intrinsic(llvm::Intrinsic::sqrt));
  }
}

// A float to an integer. The bounds are those of the integer type, as the last floats that truncate into it.
void FunctionLowering::truncate(const OpInfo& info) {
  llvm::Value* const value = pop();
  llvm::Type* const to = shared_.type(info.result);
  llvm::Type* const from = value->getType();
  if (info.saturates) {
    const auto id = info.is_signed ? llvm::Intrinsic::fptosi_sat : llvm::Intrinsic::fptoui_sat;
    return push(b_.CreateIntrinsic(id, {to, from}, {value}));
  }
  trap_if(b_.CreateFCmpUNO(value, value), TrapCode::InvalidConversion);
  const int bits = static_cast<int>(to->getIntegerBitWidth()) - (info.is_signed ? 1 : 0);
  llvm::Value* const above = llvm::ConstantFP::get(from, std::ldexp(1.0, bits));
  llvm::Value* below_or_at = nullptr;
  const int precision = from->isFloatTy() ? 24 : 53;
  if (!info.is_signed) {
    below_or_at = b_.CreateFCmpOLE(value, llvm::ConstantFP::get(from, -1.0));
  } else if (bits < precision) {  // -2^bits - 1 is a float, and everything above it truncates into the type
    below_or_at = b_.CreateFCmpOLE(value, llvm::ConstantFP::get(from, -std::ldexp(1.0, bits) - 1.0));
  } else {
    below_or_at = b_.CreateFCmpOLT(value, llvm::ConstantFP::get(from, -std::ldexp(1.0, bits)));
  }
  trap_if(b_.CreateOr(b_.CreateFCmpOGE(value, above), below_or_at), TrapCode::IntegerOverflow);
  push(info.is_signed ? b_.CreateFPToSI(value, to) : b_.CreateFPToUI(value, to));
}

}  // namespace shunt::wasm
