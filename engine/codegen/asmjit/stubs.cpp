// Sites with a stub of their own: detours, which call into the engine and come back, and demotable sites, which may ask
// their key's state instead. The instructions are the selection's; docs/quiescence.md shows a detour's.
#include <array>
#include <cstdint>
#include <vector>

#include "engine/codegen/asmjit/selection.h"
#include "shunt/codegen/asmjit.h"

namespace shunt {
namespace {

constexpr std::uint32_t stub_alignment = 8;
constexpr const char* section_name = ".shunt.stubs";

asmjit::Error section_of_stubs(asmjit::CodeHolder& holder, asmjit::Section*& section) {
  section = holder.sectionByName(section_name);
  if (section != nullptr) return asmjit::kErrorOk;
  return holder.newSection(&section, section_name, SIZE_MAX, asmjit::SectionFlags::kExecutable, stub_alignment);
}

}  // namespace

// `body` emits into the section of stubs; afterwards the cursor is where it was.
void SiteEmitter::emit_stub(const asmjit::Label& stub, const asmjit::Label& behind,
                            const std::function<asmjit::Error(asmjit::BaseAssembler&)>& body) {
  if (selection_ == nullptr) return;  // an error that is kept already
  keep(assembler_.bind(behind));
  asmjit::Section* stubs = nullptr;
  if (error_ == asmjit::kErrorOk) keep(section_of_stubs(*assembler_.code(), stubs));
  if (error_ != asmjit::kErrorOk) return;
  asmjit::Section* const section = assembler_.currentSection();
  const std::size_t offset = assembler_.offset();
  keep(detail::first_error({assembler_.section(stubs), assembler_.bind(stub), body(assembler_),
                            assembler_.section(section), assembler_.setOffset(offset)}));
}

std::size_t SiteEmitter::safepoint(Engine& engine, Flags flags) {
  const asmjit::Label stub = assembler_.newLabel();
  const asmjit::Label resume = assembler_.newLabel();
  const std::size_t site = branch(engine.safepoint_key(), stub, flags);
  const auto entry = reinterpret_cast<std::uint64_t>(Engine::safepoint_entry());
  emit_stub(stub, resume,
            [&](asmjit::BaseAssembler& assembler) { return selection_->emit_detour(assembler, resume, entry); });
  return site;
}

std::size_t SiteEmitter::branch(DemotableKey& key, const asmjit::Label& target, const asmjit::Label& stub) {
  const std::array targets = {target, stub, stub};  // of on; of off and on while demoted
  return emit(key, SiteForm::AlignedWord, targets);
}

std::size_t SiteEmitter::branch(DemotableSwitch& key, std::span<const asmjit::Label> targets,
                                const asmjit::Label& stub) {
  std::vector<asmjit::Label> all(targets.begin(), targets.end());
  all.resize(targets.size() + key.values(), stub);
  return emit(key, SiteForm::AlignedWord, all);
}

std::size_t SiteEmitter::branch(DemotableSwitch& key, std::span<const asmjit::Label> targets,
                                std::span<const asmjit::Label> stubs) {
  std::vector<asmjit::Label> all(targets.begin(), targets.end());
  all.insert(all.end(), stubs.begin(), stubs.end());
  return emit(key, SiteForm::AlignedWord, all);
}

std::size_t SiteEmitter::branch(DemotableKey& key, const asmjit::Label& target) {
  const asmjit::Label stub = assembler_.newLabel();
  const asmjit::Label behind = assembler_.newLabel();
  const std::size_t site = branch(key, target, stub);
  const auto word = reinterpret_cast<std::uint64_t>(&key.word());
  emit_stub(stub, behind,
            [&](asmjit::BaseAssembler& assembler) { return selection_->emit_choice(assembler, word, target, behind); });
  return site;
}

}  // namespace shunt
