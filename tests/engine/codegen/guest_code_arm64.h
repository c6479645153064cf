// arm64: see guest_code.h, which includes this.
#pragma once

#include <asmjit/arm/a64assembler.h>

#include <string_view>

namespace shunt::test {

struct Arm64GuestCode : WrittenCode<asmjit::a64::Assembler, asmjit::Arch::kAArch64> {
  static constexpr bool toggles = false;
  static constexpr std::string_view idle_with_flags_live = "nop", idle_with_flags_dead = "nop";
  static constexpr std::size_t shortest_site = 4, longest_site = 4;

  static asmjit::a64::Gp reg(Value value) {
    namespace a64 = asmjit::a64;
    switch (value) {
      case Value::Argument:
      case Value::Result:
        return a64::w0;
      case Value::Kept:
        return a64::w19;
      default:
        return a64::w20;
    }
  }

  void set(Value to, int value) { a.mov(reg(to), value); }
  void move(Value to, Value from) { a.mov(reg(to), reg(from)); }
  void add(Value to, int value) { value < 0 ? a.sub(reg(to), reg(to), -value) : a.add(reg(to), reg(to), value); }
  void add(Value to, Value value) { a.add(reg(to), reg(to), reg(value)); }
  void compare(Value value, int with) { a.cmp(reg(value), with); }
  void set_if_equal(Value to) { a.cset(reg(to), asmjit::arm::CondCode::kEQ); }

  void jump(const asmjit::Label& to) { a.b(to); }
  void jump_if_zero(Value value, const asmjit::Label& to) { a.cbz(reg(value), to); }
  // By two branches: qemu-user never leaves a block that jumps to itself, even when it is rewritten.
  void jump_while_clear(const void* byte, const asmjit::Label& to) {
    const asmjit::Label end = a.newLabel();
    load_address(byte);
    a.ldrb(asmjit::a64::w16, asmjit::a64::ptr(asmjit::a64::x16));
    a.cbnz(asmjit::a64::w16, end);
    a.b(to);
    a.bind(end);
  }
  void call(const asmjit::Label& function) { a.bl(function); }
  void call(const void* function) {
    load_address(function);
    a.blr(asmjit::a64::x16);
  }

  // A frame record, in which the return address is signed where the processor can do that.
  void prologue() {
    a.hint(25);  // paciasp
    a.stp(asmjit::a64::x29, asmjit::a64::x30, asmjit::a64::ptr_pre(asmjit::a64::sp, -32));
    a.mov(asmjit::a64::x29, asmjit::a64::sp);
    a.stp(asmjit::a64::x19, asmjit::a64::x20, asmjit::a64::ptr(asmjit::a64::sp, 16));
  }
  void epilogue() {
    a.ldp(asmjit::a64::x19, asmjit::a64::x20, asmjit::a64::ptr(asmjit::a64::sp, 16));
    a.ldp(asmjit::a64::x29, asmjit::a64::x30, asmjit::a64::ptr_post(asmjit::a64::sp, 32));
    a.hint(29);  // autiasp
    ret();
  }
  void ret() { a.ret(asmjit::a64::x30); }
  void returns(int value) {
    set(Value::Result, value);
    ret();
  }
  void trap() { a.brk(0); }
  void nop() { a.nop(); }

  // Into X16.
  void load_address(const void* address) {
    const auto value = reinterpret_cast<std::uint64_t>(address);
    a.mov(asmjit::a64::x16, value & 0xFFFF);
    for (unsigned shift = 16; shift < 64; shift += 16) a.movk(asmjit::a64::x16, value >> shift & 0xFFFF, shift);
  }
};

}  // namespace shunt::test
