// x86-64: see machine.h, which includes this.
#pragma once

namespace shunt::test {

struct X86Machine {
  std::array<std::uint64_t, 14> general;  // all but rsp and rbp
  std::uint64_t flags;
  std::uint64_t control;                                // MXCSR
  std::array<std::array<std::uint64_t, 4>, 16> vector;  // ymm, or xmm in the lower halves
  std::array<std::uint64_t, 16> red_zone;

  // How far below its alignment the stack pointer may be at a site.
  static constexpr std::array stack_offsets = {0, 8, 16, 4, 1};

  static bool has_avx() { return asmjit::CpuInfo::host().features().x86().hasAVX(); }

  void fill(std::mt19937_64& random) {
    for (std::uint64_t& word : general) word = random();
    for (auto& words : vector) {
      for (std::uint64_t& word : words) word = random();
    }
    for (std::uint64_t& word : red_zone) word = random();
    constexpr std::uint64_t status_flags = 0x8D5, direction = 0x400, always = 0x202;
    flags = (random() & (status_flags | direction)) | always;
    control = 0x1F80 | (random() & 3) << 13;  // rounding
  }

  void expect_kept(const X86Machine& before, Flags live) const {
    EXPECT_EQ(general, before.general);
    if (live == Flags::Live) {
      EXPECT_EQ(flags, before.flags);
    }
    EXPECT_EQ(control & 0x6000, before.control & 0x6000);
    for (std::size_t i = 0; i < 16; ++i) {
      EXPECT_EQ(vector[i][0], before.vector[i][0]) << i;
      EXPECT_EQ(vector[i][1], before.vector[i][1]) << i;
      if (has_avx()) {
        EXPECT_EQ(vector[i][2], before.vector[i][2]) << i;
        EXPECT_EQ(vector[i][3], before.vector[i][3]) << i;
      }
    }
    EXPECT_EQ(red_zone, before.red_zone);
  }
};

class X86MachineCode {
  using Assembler = asmjit::x86::Assembler;

 public:
  static void pass_site(X86GuestCode& code, int stack_offset, const std::function<void(const asmjit::Label&)>& site) {
    Assembler& a = code.a;
    const asmjit::Label branched = a.newLabel(), end = a.newLabel();
    begin(a, stack_offset);
    load(a);
    site(branched);
    store(a, 0);
    a.jmp(end);
    a.bind(branched);
    store(a, 1);
    a.bind(end);
    finish(a);
  }

  static void clobber(X86GuestCode& code) {
    namespace x86 = asmjit::x86;
    for (const x86::Gp& reg : {x86::rax, x86::rcx, x86::rdx, x86::rsi, x86::rdi, x86::r8, x86::r9, x86::r10, x86::r11})
      code.a.mov(reg, -1);
    for (std::uint32_t i = 0; i < 16; ++i) code.a.pcmpeqd(x86::xmm(i), x86::xmm(i));
    if (X86Machine::has_avx()) code.a.vzeroupper();
    code.a.add(x86::rax, 1);
    code.a.ret();
  }

 private:
  static constexpr std::array kept = {asmjit::x86::rbx, asmjit::x86::r12, asmjit::x86::r13, asmjit::x86::r14,
                                      asmjit::x86::r15};
  static constexpr std::array general = {asmjit::x86::rax, asmjit::x86::rcx, asmjit::x86::rdx, asmjit::x86::rbx,
                                         asmjit::x86::rsi, asmjit::x86::r8,  asmjit::x86::r9,  asmjit::x86::r10,
                                         asmjit::x86::r11, asmjit::x86::r12, asmjit::x86::r13, asmjit::x86::r14,
                                         asmjit::x86::r15, asmjit::x86::rdi};

  static void begin(Assembler& a, int stack_offset) {
    namespace x86 = asmjit::x86;
    a.push(x86::rbp);
    a.mov(x86::rbp, x86::rsp);
    for (const x86::Gp& reg : kept) a.push(reg);
    a.push(x86::rsi);  // [rbp - 48]
    a.sub(x86::rsp, 256 + stack_offset);
    a.stmxcsr(x86::ptr(x86::rbp, -64));
  }
  static void finish(Assembler& a) {
    namespace x86 = asmjit::x86;
    a.ldmxcsr(x86::ptr(x86::rbp, -64));
    a.cld();
    if (X86Machine::has_avx()) a.vzeroupper();
    a.lea(x86::rsp, x86::ptr(x86::rbp, -40));
    for (std::size_t i = kept.size(); i-- != 0;) a.pop(kept[i]);
    a.pop(x86::rbp);
    a.ret();
  }

  static void move_vectors(Assembler& a, const asmjit::x86::Gp& base, bool load) {
    namespace x86 = asmjit::x86;
    for (std::uint32_t i = 0; i < 16; ++i) {
      const x86::Mem memory = x86::ptr(base, static_cast<std::int32_t>(offsetof(X86Machine, vector) + 32 * i));
      if (X86Machine::has_avx()) {
        load ? a.vmovdqu(x86::ymm(i), memory) : a.vmovdqu(memory, x86::ymm(i));
      } else {
        load ? a.movups(x86::xmm(i), memory) : a.movups(memory, x86::xmm(i));
      }
    }
  }

  // From [rdi].
  static void load(Assembler& a) {
    namespace x86 = asmjit::x86;
    a.ldmxcsr(x86::ptr(x86::rdi, offsetof(X86Machine, control)));
    move_vectors(a, x86::rdi, true);
    a.push(x86::ptr(x86::rdi, offsetof(X86Machine, flags), 8));
    a.popfq();
    for (int i = 0; i < 16; ++i) {
      a.mov(x86::rax, x86::ptr(x86::rdi, static_cast<std::int32_t>(offsetof(X86Machine, red_zone)) + 8 * i));
      a.mov(x86::ptr(x86::rsp, -128 + 8 * i), x86::rax);
    }
    for (std::size_t i = 0; i < general.size(); ++i)
      a.mov(general[i], x86::ptr(x86::rdi, static_cast<std::int32_t>(8 * i)));
  }

  // To what [rbp - 48] points to; eax = result.
  static void store(Assembler& a, int result) {
    namespace x86 = asmjit::x86;
    a.lea(x86::rsp, x86::ptr(x86::rsp, -128));
    a.pushfq();
    a.push(x86::rax);
    a.mov(x86::rax, x86::ptr(x86::rbp, -48));
    for (std::size_t i = 1; i < general.size(); ++i)
      a.mov(x86::ptr(x86::rax, static_cast<std::int32_t>(8 * i)), general[i]);
    a.pop(x86::ptr(x86::rax, 0, 8));
    a.pop(x86::ptr(x86::rax, offsetof(X86Machine, flags), 8));
    for (int i = 0; i < 16; ++i) {
      a.mov(x86::rcx, x86::ptr(x86::rsp, 8 * i));
      a.mov(x86::ptr(x86::rax, static_cast<std::int32_t>(offsetof(X86Machine, red_zone)) + 8 * i), x86::rcx);
    }
    move_vectors(a, x86::rax, false);
    a.stmxcsr(x86::ptr(x86::rax, offsetof(X86Machine, control)));
    a.mov(x86::eax, result);
  }
};

}  // namespace shunt::test
