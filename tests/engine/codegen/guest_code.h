// The little programs of tests, written once for all instruction sets: X86GuestCode and Arm64GuestCode have the same
// members, each a few instructions of its own. Both are built on every host; GuestCode is the host's.
#pragma once

#include <asmjit/core.h>

#include <cstdint>
#include <type_traits>

#include "arch/backend.h"
#include "shunt/codegen/asmjit.h"

namespace shunt::test {

// 32-bit values. Argument and Result may be one register: there is no argument any more once there is a result. Calls
// leave the kept ones as they are, in functions that have a prologue.
enum class Value : std::uint8_t { Argument, Result, Kept, AlsoKept };

// A function being written.
template <class Assembler, asmjit::Arch arch>
struct WrittenCode {
  WrittenCode() : sites(attached()) {}
  WrittenCode(const WrittenCode&) = delete;
  WrittenCode& operator=(const WrittenCode&) = delete;

  asmjit::CodeHolder holder;
  Assembler a;
  SiteEmitter sites;

  asmjit::Label label() { return a.newLabel(); }
  void bind(const asmjit::Label& where) { a.bind(where); }
  [[nodiscard]] std::size_t size() const { return a.offset(); }

 private:
  Assembler& attached() {
    holder.init(asmjit::Environment(arch));
    holder.attach(&a);
    return a;
  }
};

}  // namespace shunt::test

#include "tests/engine/codegen/guest_code_arm64.h"
#include "tests/engine/codegen/guest_code_x86_64.h"

namespace shunt::test {
using GuestCode = std::conditional_t<std::is_same_v<arch::HostInstructionSet, arch::arm64::InstructionSet>,
                                     Arm64GuestCode, X86GuestCode>;
}
