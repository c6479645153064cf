// arm64: see machine.h, which includes this.
#pragma once

namespace shunt::test {

struct Arm64Machine {
  static constexpr std::size_t longest_vector = 256;

  std::array<std::uint64_t, 31> general;  // all but the frame pointer, X29
  std::uint64_t flags;                    // NZCV
  std::uint64_t control;                  // FPCR
  std::uint64_t status;                   // FPSR
  std::uint64_t vector_length;            // bytes; 16 without SVE
  // Z0 to Z31, or Q0 to Q31, then P0 to P15 and FFR, all without gaps for the length that they have.
  std::array<std::uint8_t, 32 * longest_vector> vectors;
  std::array<std::uint8_t, 17 * longest_vector / 8> predicates;

  // The stack pointer is always aligned.
  static constexpr std::array stack_offsets = {0};

  static bool has_sve() { return asmjit::CpuInfo::host().features().arm().hasSVE(); }

  void fill(std::mt19937_64& random) {
    for (std::uint64_t& word : general) word = random();
    for (std::uint8_t& byte : vectors) byte = static_cast<std::uint8_t>(random());
    for (std::uint8_t& byte : predicates) byte = static_cast<std::uint8_t>(random());
    flags = random() & 0xF000'0000;
    control = (random() & 3) << 22;  // rounding
    status = random() & 0x1F;        // cumulative exceptions
  }

  void expect_kept(const Arm64Machine& before, Flags) const {  // no site of arm64 touches the flags
    for (std::size_t i = 0; i < general.size(); ++i) {
      if (i != 29) {
        EXPECT_EQ(general[i], before.general[i]) << "X" << i;
      }
    }
    EXPECT_EQ(flags, before.flags);
    EXPECT_EQ(control, before.control);
    EXPECT_EQ(status, before.status);
    EXPECT_GE(vector_length, 16U);
    for (std::size_t i = 0; i < 32; ++i) {
      const std::size_t offset = i * vector_length;
      EXPECT_EQ(std::memcmp(&vectors[offset], &before.vectors[offset], vector_length), 0) << "V" << i;
    }
    if (!has_sve()) return;
    EXPECT_EQ(std::memcmp(predicates.data(), before.predicates.data(), 16 * vector_length / 8), 0);
    const std::size_t ffr = 16 * vector_length / 8;
    std::uint16_t first = 0;  // two bytes at least
    std::memcpy(&first, &predicates[ffr], sizeof first);
    EXPECT_EQ(first, (1U << ffr_bytes) - 1) << "FFR";
  }

  // Of FFR, the elements that are true: a first part, as the processor makes it.
  static constexpr int ffr_bytes = 5;
};

class Arm64MachineCode {
  using Assembler = asmjit::a64::Assembler;

 public:
  static void pass_site(Arm64GuestCode& code, int, const std::function<void(const asmjit::Label&)>& site) {
    Assembler& a = code.a;
    const asmjit::Label branched = a.newLabel(), end = a.newLabel();
    begin(a);
    load(a);
    site(branched);
    store(a, 0);
    a.b(end);
    a.bind(branched);
    store(a, 1);
    a.bind(end);
    finish(a);
  }

  static void clobber(Arm64GuestCode& code) {
    namespace a64 = asmjit::a64;
    Assembler& a = code.a;
    for (std::uint32_t i = 0; i < 18; ++i) a.mov(a64::x(i), -1);
    for (std::uint32_t i = 0; i < 32; ++i) {
      if (i < 8 || i >= 16) a.cmeq(a64::v(i).d2(), a64::v(i).d2(), a64::v(i).d2());
      if (i >= 8 && i < 16) a.ins(a64::v(i).d(1), a64::x0);  // the lower half is the caller's
    }
    if (Arm64Machine::has_sve()) {
      for (std::uint32_t i = 0; i < 16; ++i) a.embedUInt32(0x2518E3E0 | i);  // ptrue p<i>.b
      a.embedUInt32(0x252C9000);                                             // setffr
    }
    a.msr(fpsr, a64::xzr);
    a.cmp(a64::x0, a64::x0);
    code.ret();
  }

 private:
  static constexpr asmjit::Imm nzcv{asmjit::a64::Predicate::SysReg::kNZCV};
  static constexpr asmjit::Imm fpcr{asmjit::a64::Predicate::SysReg::kFPCR};
  static constexpr asmjit::Imm fpsr{asmjit::a64::Predicate::SysReg::kFPSR};

  // The frame: record, X19 to X28, D8 to D15, the pointer to `after`, FPCR.
  static constexpr int frame_size = 176, after_at = 160;

  static asmjit::a64::Mem at(const asmjit::a64::Gp& base, std::size_t offset) {
    return asmjit::a64::ptr(base, static_cast<std::int32_t>(offset));
  }

  static void begin(Assembler& a) {
    namespace a64 = asmjit::a64;
    a.stp(a64::x29, a64::x30, a64::ptr_pre(a64::sp, -frame_size));
    a.mov(a64::x29, a64::sp);
    for (std::uint32_t i = 0; i < 10; i += 2)
      a.stp(a64::x(19 + i), a64::x(20 + i), a64::ptr(a64::sp, static_cast<std::int32_t>(16 + 8 * i)));
    for (std::uint32_t i = 0; i < 8; i += 2)
      a.stp(a64::d(8 + i), a64::d(9 + i), a64::ptr(a64::sp, static_cast<std::int32_t>(96 + 8 * i)));
    a.mrs(a64::x2, fpcr);
    a.stp(a64::x1, a64::x2, a64::ptr(a64::sp, after_at));
  }
  static void finish(Assembler& a) {
    namespace a64 = asmjit::a64;
    a.ldr(a64::x2, a64::ptr(a64::sp, after_at + 8));
    a.msr(fpcr, a64::x2);
    for (std::uint32_t i = 0; i < 10; i += 2)
      a.ldp(a64::x(19 + i), a64::x(20 + i), a64::ptr(a64::sp, static_cast<std::int32_t>(16 + 8 * i)));
    for (std::uint32_t i = 0; i < 8; i += 2)
      a.ldp(a64::d(8 + i), a64::d(9 + i), a64::ptr(a64::sp, static_cast<std::int32_t>(96 + 8 * i)));
    a.ldp(a64::x29, a64::x30, a64::ptr_post(a64::sp, frame_size));
    a.ret(a64::x30);
  }

  // LDR or STR of Z<i> or P<i> at [X1, #i, MUL VL]: this asmjit has no SVE.
  static void move_scalable(Assembler& a, std::uint32_t opcode, std::uint32_t i) {
    a.embedUInt32(opcode | (i >> 3) << 16 | (i & 7) << 10 | 1 << 5 | i);
  }
  static constexpr std::uint32_t ldr_z = 0x85804000, str_z = 0xE5804000, ldr_p = 0x85800000, str_p = 0xE5800000;

  // All but FFR. Uses X1 and X2.
  static void move_vectors(Assembler& a, const asmjit::a64::Gp& machine, bool load) {
    namespace a64 = asmjit::a64;
    a.add(a64::x1, machine, offsetof(Arm64Machine, vectors));
    for (std::uint32_t i = 0; i < 32; ++i) {
      if (Arm64Machine::has_sve()) {
        move_scalable(a, load ? ldr_z : str_z, i);
      } else {
        const a64::Mem memory = at(a64::x1, 16 * i);
        load ? a.ldr(a64::v(i).q(), memory) : a.str(a64::v(i).q(), memory);
      }
    }
    if (!Arm64Machine::has_sve()) return;
    a.mov(a64::x2, offsetof(Arm64Machine, predicates));
    a.add(a64::x1, machine, a64::x2);
    for (std::uint32_t i = 0; i < 16; ++i) move_scalable(a, load ? ldr_p : str_p, i);
  }

  // From [X0].
  static void load(Assembler& a) {
    namespace a64 = asmjit::a64;
    if (Arm64Machine::has_sve()) {
      a.mov(a64::x2, Arm64Machine::ffr_bytes);
      a.embedUInt32(0x25221FE0);  // whilelo p0.b, xzr, x2
      a.embedUInt32(0x25289000);  // wrffr p0.b
    }
    move_vectors(a, a64::x0, true);
    const std::pair<asmjit::Imm, std::size_t> specials[] = {{nzcv, offsetof(Arm64Machine, flags)},
                                                            {fpcr, offsetof(Arm64Machine, control)},
                                                            {fpsr, offsetof(Arm64Machine, status)}};
    for (const auto& [special, offset] : specials) {
      a.ldr(a64::x2, at(a64::x0, offset));
      a.msr(special, a64::x2);
    }
    for (std::uint32_t i = 31; i-- != 0;) {
      if (i != 29) a.ldr(a64::x(i), at(a64::x0, 8 * i));
    }
  }

  // To what the frame says; W0 = result.
  static void store(Assembler& a, int result) {
    namespace a64 = asmjit::a64;
    a.stp(a64::x0, a64::x1, a64::ptr_pre(a64::sp, -16));
    a.ldr(a64::x0, a64::ptr(a64::x29, after_at));
    for (std::uint32_t i = 2; i < 31; ++i) {
      if (i != 29) a.str(a64::x(i), at(a64::x0, 8 * i));
    }
    a.ldp(a64::x1, a64::x2, a64::ptr_post(a64::sp, 16));
    a.stp(a64::x1, a64::x2, a64::ptr(a64::x0));
    const std::pair<asmjit::Imm, std::size_t> specials[] = {{nzcv, offsetof(Arm64Machine, flags)},
                                                            {fpcr, offsetof(Arm64Machine, control)},
                                                            {fpsr, offsetof(Arm64Machine, status)}};
    for (const auto& [special, offset] : specials) {
      a.mrs(a64::x2, special);
      a.str(a64::x2, at(a64::x0, offset));
    }
    move_vectors(a, a64::x0, false);
    a.mov(a64::x2, 16);
    if (Arm64Machine::has_sve()) {
      a.embedUInt32(0x2519F000);  // rdffr p0.b
      a.embedUInt32(0xE5820020);  // str p0, [x1, #16, mul vl]
      a.embedUInt32(0x04BF5022);  // rdvl x2, #1
    }
    a.str(a64::x2, at(a64::x0, offsetof(Arm64Machine, vector_length)));
    a.mov(a64::w0, result);
  }
};

}  // namespace shunt::test
