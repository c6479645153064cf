// x86-64: see guest_code.h, which includes this.
#pragma once

#include <asmjit/x86.h>

#include <string_view>

namespace shunt::test {

struct X86GuestCode : WrittenCode<asmjit::x86::Assembler, asmjit::Arch::kX64> {
  static constexpr bool toggles = true;  // sites where the flags are dead
  static constexpr std::string_view idle_with_flags_live = "nop", idle_with_flags_dead = "test";
  static constexpr std::size_t shortest_site = 5, longest_site = 9;

  static asmjit::x86::Gp reg(Value value) {
    namespace x86 = asmjit::x86;
    switch (value) {
      case Value::Argument:
        return x86::edi;
      case Value::Result:
        return x86::eax;
      case Value::Kept:
        return x86::ebx;
      default:
        return x86::r12d;
    }
  }

  void set(Value to, int value) { a.mov(reg(to), value); }
  void move(Value to, Value from) { a.mov(reg(to), reg(from)); }
  void add(Value to, int value) { a.add(reg(to), value); }
  void add(Value to, Value value) { a.add(reg(to), reg(value)); }
  void compare(Value value, int with) { a.cmp(reg(value), with); }
  void set_if_equal(Value to) {  // the flags; of Result alone
    a.sete(asmjit::x86::al);
    a.movzx(reg(to), asmjit::x86::al);
  }

  void jump(const asmjit::Label& to) { a.jmp(to); }
  void jump_if_zero(Value value, const asmjit::Label& to) {
    a.test(reg(value), reg(value));
    a.jz(to);
  }
  void jump_while_clear(const void* byte, const asmjit::Label& to) {
    a.mov(asmjit::x86::rcx, reinterpret_cast<std::uint64_t>(byte));
    a.cmp(asmjit::x86::byte_ptr(asmjit::x86::rcx), 0);
    a.jz(to);
  }
  void call(const asmjit::Label& function) { a.call(function); }
  void call(const void* function) {
    a.mov(asmjit::x86::rax, reinterpret_cast<std::uint64_t>(function));
    a.call(asmjit::x86::rax);
  }

  // A frame with a frame pointer, in which both kept values and the stack's alignment are.
  void prologue() {
    a.push(asmjit::x86::rbp);
    a.mov(asmjit::x86::rbp, asmjit::x86::rsp);
    a.push(asmjit::x86::rbx);
    a.push(asmjit::x86::r12);
  }
  void epilogue() {
    a.pop(asmjit::x86::r12);
    a.pop(asmjit::x86::rbx);
    a.pop(asmjit::x86::rbp);
    a.ret();
  }
  void ret() { a.ret(); }
  void returns(int value) {
    set(Value::Result, value);
    ret();
  }
  void trap() { a.int3(); }
  void nop() { a.nop(); }
};

}  // namespace shunt::test
