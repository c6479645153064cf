// Sites in code for arm64, whatever the host is: the bytes and the records in the object.
#include <llvm/IR/InlineAsm.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/Object/ELFObjectFile.h>
#include <llvm/Object/ObjectFile.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Target/TargetMachine.h>

#include <array>
#include <cstring>
#include <map>

#include "tests/engine/codegen/orc/orc_jit.h"

namespace shunt::test {
namespace {

constexpr std::uint32_t nop = 0xD503201F;

using Words = std::vector<std::uint32_t>;

class OrcArm64 : public testing::Test {
 protected:
  static constexpr const char* triple = "aarch64-unknown-linux-gnu";

  static void SetUpTestSuite() {
    LLVMInitializeAArch64TargetInfo();
    LLVMInitializeAArch64Target();
    LLVMInitializeAArch64TargetMC();
    LLVMInitializeAArch64AsmPrinter();
    LLVMInitializeAArch64AsmParser();
  }

  void generate(Ir& ir) {
    llvm::orc::JITTargetMachineBuilder builder{llvm::Triple(triple)};
    builder.setRelocationModel(llvm::Reloc::PIC_);
    builder.setCodeModel(llvm::CodeModel::Small);
    auto made = builder.createTargetMachine();
    ASSERT_TRUE(static_cast<bool>(made)) << llvm::toString(made.takeError());
    const std::unique_ptr<llvm::TargetMachine> machine = std::move(*made);
    ir.module->setDataLayout(machine->createDataLayout());
    ASSERT_FALSE(llvm::verifyModule(*ir.module, &llvm::errs()));
    llvm::raw_svector_ostream out(bytes_);
    llvm::legacy::PassManager passes;
    llvm::MCContext* context = nullptr;
    ASSERT_FALSE(machine->addPassesToEmitMC(passes, context, out));
    passes.run(*ir.module);
    auto object = llvm::object::ObjectFile::createObjectFile(
        llvm::MemoryBufferRef(llvm::StringRef(bytes_.data(), bytes_.size()), "object"));
    ASSERT_TRUE(static_cast<bool>(object)) << llvm::toString(object.takeError());
    object_ = std::move(*object);
  }

  template <class Word>
  std::vector<Word> words(llvm::StringRef wanted) {
    for (const llvm::object::SectionRef& section : object_->sections()) {
      if (llvm::cantFail(section.getName()) != wanted) continue;
      const llvm::StringRef contents = llvm::cantFail(section.getContents());
      std::vector<Word> found(contents.size() / sizeof(Word));
      std::memcpy(found.data(), contents.data(), found.size() * sizeof(Word));
      return found;
    }
    ADD_FAILURE() << "no section " << wanted.str();
    return {};
  }
  // Of a section, by offset: which offset in .text a word is to hold.
  std::map<std::uint64_t, std::int64_t> relocations(llvm::StringRef wanted) {
    std::map<std::uint64_t, std::int64_t> found;
    for (const llvm::object::SectionRef& section : object_->sections()) {
      const auto relocated = llvm::cantFail(section.getRelocatedSection());
      if (relocated == object_->section_end() || llvm::cantFail(relocated->getName()) != wanted) continue;
      for (const llvm::object::RelocationRef& relocation : section.relocations()) {
        EXPECT_EQ(relocation.getType(), 257U) << "R_AARCH64_ABS64";
        found[relocation.getOffset()] = llvm::cantFail(llvm::object::ELFRelocationRef(relocation).getAddend());
      }
    }
    return found;
  }

  StaticKey key_{"key"};
  llvm::SmallVector<char, 0> bytes_;
  std::unique_ptr<llvm::object::ObjectFile> object_;
};

TEST_F(OrcArm64, ABranchIsOneNopWhateverForm) {
  for (const SiteForm form : {SiteForm::Toggle, SiteForm::AlignedWord, SiteForm::Unaligned}) {
    bytes_.clear();
    Ir ir(triple);
    ir.answering("f", key_, form);
    generate(ir);
    const Words text = words<std::uint32_t>(".text");
    const auto site = static_cast<std::size_t>(std::find(text.begin(), text.end(), nop) - text.begin());
    ASSERT_EQ(std::count(text.begin(), text.end(), nop), 1);
    const auto record = words<std::uint64_t>("shunt_sites");
    ASSERT_EQ(record.size(), 4U);
    EXPECT_EQ(record[1], reinterpret_cast<std::uintptr_t>(&key_));
    EXPECT_EQ(record[2], 0x100U | static_cast<unsigned>(SiteForm::AlignedWord));
    const auto places = relocations("shunt_sites");
    ASSERT_EQ(places.size(), 2U);
    EXPECT_EQ(places.at(0), static_cast<std::int64_t>(4 * site));
    const auto target = static_cast<std::size_t>(places.at(24)) / 4;
    ASSERT_LT(target, text.size());
    EXPECT_EQ(text[target], 0x52800020U) << "mov w0, #1";
  }
}

TEST_F(OrcArm64, ADetoursStubLiesBehindTheCode) {
  Ir ir(triple);
  ir.function("f");
  orc::emit_detour(ir.builder, key_, SiteForm::Toggle, 0x1122334455667788);
  ir.returns(1);
  ir.function("g");
  ir.returns(2);
  generate(ir);
  const Words text = words<std::uint32_t>(".text");
  const auto places = relocations("shunt_sites");
  ASSERT_EQ(places.size(), 2U);
  const auto site = static_cast<std::size_t>(places.at(0)) / 4;
  const auto stub = static_cast<std::size_t>(places.at(24)) / 4;
  ASSERT_LE(stub + 8, text.size());
  EXPECT_EQ(text[site], nop);
  EXPECT_EQ(text[site + 1], 0x52800020U) << "mov w0, #1";
  const std::array<std::uint32_t, 7> expected = {
      0xA9BE47F0,  // stp x16, x17, [sp, #-32]!
      0xF9000BFE,  // str x30, [sp, #16]
      0x58000010,  // ldr x16, literal
      0x58000011,  // ldr x17, literal
      0xD63F0220,  // blr x17
      0xF9400BFE,  // ldr x30, [sp, #16]
      0xA8C247F0,  // ldp x16, x17, [sp], #32
  };
  const auto without_literal = [](std::uint32_t word) { return (word >> 24) == 0x58 ? word & 0xFF00001F : word; };
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(without_literal(text[stub + i]), expected[i]) << i;
  // The literals: where the code goes on, and the entry.
  const auto literal = [&](std::size_t at) { return at + (text[at] >> 5 & 0x7FFFF); };
  EXPECT_EQ(relocations(".text").at(4 * literal(stub + 2)), static_cast<std::int64_t>(4 * site + 4));
  const std::size_t entry = literal(stub + 3);
  ASSERT_LT(entry + 1, text.size());
  EXPECT_EQ(text[entry], 0x55667788U);
  EXPECT_EQ(text[entry + 1], 0x11223344U);
  // b: back behind the site.
  const auto distance = static_cast<std::int32_t>(text[stub + 7] << 6) >> 6;
  EXPECT_EQ(text[stub + 7] >> 26, 5U);
  EXPECT_EQ(static_cast<std::int64_t>(stub) + 7 + distance, static_cast<std::int64_t>(site) + 1);
}

TEST_F(OrcArm64, AnotherProcessorIsRefusedByName) {
  LLVMInitializeAArch64Target();
  Ir ir("aarch64-apple-darwin");
  ir.answering("f", key_, SiteForm::Toggle);
  bool said = false;
  for (const llvm::BasicBlock& block : *ir.module->getFunction("f")) {
    if (const auto* const branch = llvm::dyn_cast<llvm::CallBrInst>(block.getTerminator())) {
      const auto* const assembly = llvm::cast<llvm::InlineAsm>(branch->getCalledOperand());
      said =
          llvm::StringRef(assembly->getAsmString()).starts_with(".error \"shunt: patch sites are for x86-64 and arm64");
    }
  }
  EXPECT_TRUE(said);
}

}  // namespace
}  // namespace shunt::test
