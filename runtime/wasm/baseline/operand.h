// Where a value is: as the operand of an instruction, and as an entry of the operand stack.
#pragma once

#include <cstdint>

#include "runtime/wasm/baseline/registers.h"

namespace shunt::wasm::baseline {

// A value as instruction selection sees it.
struct Operand {
  enum class Kind : std::uint8_t {
    Register,
    Constant,  // bits
    Frame,     // offset from the stack pointer
    Memory,    // linear memory: [base + reg + bits], or [base + bits] without a register; loading it may trap
  };
  Kind kind = Kind::Constant;
  Reg reg{};
  std::int32_t frame = 0;
  std::uint64_t bits = 0;

  static constexpr Operand in(Reg reg) { return {.kind = Kind::Register, .reg = reg}; }
  static constexpr Operand constant(std::uint64_t bits) { return {.kind = Kind::Constant, .bits = bits}; }
  static constexpr Operand at(std::int32_t frame) { return {.kind = Kind::Frame, .frame = frame}; }
  static constexpr Operand memory(Reg index, std::uint64_t offset) {
    return {.kind = Kind::Memory, .reg = index, .bits = offset};
  }

  [[nodiscard]] constexpr bool is_register() const { return kind == Kind::Register; }
  [[nodiscard]] constexpr bool is_constant() const { return kind == Kind::Constant; }
  [[nodiscard]] constexpr bool is_frame() const { return kind == Kind::Frame; }
  [[nodiscard]] constexpr bool is_memory() const { return kind == Kind::Memory; }
  [[nodiscard]] constexpr bool is(Reg other) const { return kind == Kind::Register && reg == other; }
};

// A value on WebAssembly's operand stack. Entries are lazy: constants, locals and foldable loads make no code until
// used.
struct Entry {
  enum class Kind : std::uint8_t {
    Constant,  // bits
    Local,     // the value of local `index`, which nobody has set since
    Register,  // owns `reg`
    Slot,      // in the frame slot of its own position `index`
    Memory,    // a load that the next operation folds: owns `reg` if that is valid; bits: offset
  };
  Kind kind = Kind::Constant;
  ValueType type = ValueType::I32;
  Reg reg{};
  std::uint32_t index = 0;
  std::uint64_t bits = 0;
};

// Registers for the duration of one operation, for instruction selection.
class Scratch {
 public:
  // Any free register; operands on the stack make room.
  virtual Reg general() = 0;
  virtual Reg floating() = 0;
  // This very temporary; if an operand on the stack is in it, that moves away. If the operation in progress holds it as
  // an input, nothing happens: the caller deals with that.
  virtual void claim(Reg reg) = 0;

 protected:
  ~Scratch() = default;
};

}  // namespace shunt::wasm::baseline
