// Machine registers and sets of them, for any instruction set: a register is a class and a number, a set is one word.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <initializer_list>

#include "runtime/wasm/module/module_data.h"

namespace shunt::wasm::baseline {

enum class RegClass : std::uint8_t { General, Float };

constexpr RegClass class_of(ValueType type) {
  return type == ValueType::F32 || type == ValueType::F64 ? RegClass::Float : RegClass::General;
}
// Whether a general register holds 64 significant bits of the type. An i32 is kept zero-extended.
constexpr bool is_wide(ValueType type) {
  return type != ValueType::I32 && type != ValueType::F32;
}

struct Reg {
  static constexpr std::uint8_t none = 0xff;
  std::uint8_t code = none;  // general registers 0 to 31, float registers 32 to 63

  [[nodiscard]] constexpr bool valid() const { return code != none; }
  [[nodiscard]] constexpr RegClass cls() const { return code < 32 ? RegClass::General : RegClass::Float; }
  [[nodiscard]] constexpr unsigned id() const { return code & 31U; }
  constexpr bool operator==(const Reg&) const = default;
};

constexpr Reg general_reg(unsigned id) {
  return {static_cast<std::uint8_t>(id)};
}
constexpr Reg float_reg(unsigned id) {
  return {static_cast<std::uint8_t>(32 + id)};
}

class RegSet {
 public:
  constexpr RegSet() = default;
  constexpr RegSet(std::initializer_list<Reg> registers) {
    for (const Reg reg : registers) insert(reg);
  }

  [[nodiscard]] constexpr bool contains(Reg reg) const { return ((bits_ >> reg.code) & 1U) != 0; }
  [[nodiscard]] constexpr bool empty() const { return bits_ == 0; }
  [[nodiscard]] constexpr unsigned count() const { return static_cast<unsigned>(std::popcount(bits_)); }
  // Precondition: not empty.
  [[nodiscard]] constexpr Reg first() const { return {static_cast<std::uint8_t>(std::countr_zero(bits_))}; }
  [[nodiscard]] constexpr RegSet of(RegClass cls) const {
    return RegSet(bits_ & (cls == RegClass::General ? 0xffff'ffffULL : 0xffff'ffff'0000'0000ULL));
  }

  constexpr void insert(Reg reg) { bits_ |= 1ULL << reg.code; }
  constexpr void remove(Reg reg) { bits_ &= ~(1ULL << reg.code); }
  constexpr Reg take_first() {
    const Reg reg = first();
    bits_ &= bits_ - 1;
    return reg;
  }

  constexpr RegSet operator|(RegSet other) const { return RegSet(bits_ | other.bits_); }
  constexpr RegSet operator&(RegSet other) const { return RegSet(bits_ & other.bits_); }
  constexpr RegSet operator-(RegSet other) const { return RegSet(bits_ & ~other.bits_); }
  constexpr RegSet& operator|=(RegSet other) { return *this = *this | other; }
  constexpr bool operator==(const RegSet&) const = default;

 private:
  constexpr explicit RegSet(std::uint64_t bits) : bits_(bits) {}
  std::uint64_t bits_ = 0;
};

// How the guest's calling convention uses an instruction set's registers. Registers in none of the sets are reserved
// (stack pointer, context, memory base, a selection's own scratch registers).
struct RegisterRoles {
  RegSet temporaries;  // hold operands only; a call destroys them
  RegSet volatiles;    // hold operands, or locals that no call interrupts; a call destroys them
  RegSet saved;        // hold locals, and operands once a function saves them; the callee preserves them
  std::array<Reg, 6> general_arguments;
  std::array<Reg, 8> float_arguments;
  Reg general_result, float_result;  // temporaries

  [[nodiscard]] constexpr RegSet destroyed_by_calls() const { return temporaries | volatiles; }
  [[nodiscard]] constexpr Reg result(RegClass cls) const {
    return cls == RegClass::General ? general_result : float_result;
  }
};

}  // namespace shunt::wasm::baseline
