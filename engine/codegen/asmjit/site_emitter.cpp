#include <string>

#include "engine/codegen/asmjit/selection.h"
#include "shunt/codegen/asmjit.h"

namespace shunt {
namespace {

// Engine memory begins at a multiple of 16, so an offset in a section that does too has the final address's place in
// its 8-byte word.
constexpr std::uint32_t section_alignment = 8;

Error asmjit_error(const char* step, asmjit::Error error) {
  return make_error(ErrorCode::InvalidArgument,
                    std::string("asmjit: ") + step + ": " + asmjit::DebugUtils::errorAsString(error));
}

}  // namespace

SiteEmitter::SiteEmitter(asmjit::BaseAssembler& assembler)
    : assembler_(assembler), selection_(detail::selection_of(assembler.arch())) {
  if (selection_ == nullptr) error_ = asmjit::kErrorInvalidArch;
}

std::size_t SiteEmitter::branch(StaticKey& key, const asmjit::Label& target, Flags flags) {
  return branch_or_not(key, target, flags);
}

std::size_t SiteEmitter::branch(Assumption& assumption, const asmjit::Label& target, Flags flags) {
  return branch_or_not(assumption, target, flags);
}

std::size_t SiteEmitter::redirect(StaticSwitch& key, std::span<const asmjit::Label> targets) {
  return emit(key, SiteForm::Redirect, targets);
}

std::size_t SiteEmitter::redirect(StaticKey& key, const asmjit::Label& off, const asmjit::Label& on) {
  const asmjit::Label targets[] = {off, on};
  return emit(key, SiteForm::Redirect, targets);
}

std::size_t SiteEmitter::branch_or_not(KeyBase& key, const asmjit::Label& target, Flags flags) {
  const bool dead = flags == Flags::Dead && selection_ != nullptr;
  return emit(key, dead ? selection_->form_if_flags_are_dead : SiteForm::AlignedWord, {&target, 1});
}

std::size_t SiteEmitter::branch(StaticKey& key, const asmjit::Label& target, SiteForm wanted) {
  return emit(key, form(wanted), {&target, 1});
}

std::size_t SiteEmitter::branch(StaticSwitch& key, std::span<const asmjit::Label> targets, SiteForm wanted) {
  return emit(key, form(wanted), targets);
}

std::size_t SiteEmitter::branch(StaticSwitch& key, std::span<const asmjit::Label> targets) {
  return emit(key, SiteForm::AlignedWord, targets);
}

SiteForm SiteEmitter::form(SiteForm wanted) const noexcept {
  return selection_ == nullptr ? wanted : selection_->form(wanted);
}

// Emits the site in state 0. A Toggle's displacement is left open: publish() writes every byte of a site once its
// address is known, so asmjit need not track the branch.
std::size_t SiteEmitter::emit(KeyBase& key, SiteForm form, std::span<const asmjit::Label> targets) {
  const std::size_t offset = assembler_.offset();
  if (selection_ != nullptr) {
    const SiteBytes bytes = idle_site(selection_->instruction_set, form, static_cast<std::uint32_t>(offset));
    keep(assembler_.embed(bytes.bytes.data(), bytes.length));
  }

  const asmjit::Section* section = assembler_.currentSection();
  sites_.push_back({&key, form, section == nullptr ? 0 : section->id(), static_cast<std::uint32_t>(offset),
                    static_cast<std::uint32_t>(targets_.size()), static_cast<std::uint32_t>(targets.size())});
  for (const asmjit::Label& target : targets) targets_.push_back(target.id());
  return sites_.size() - 1;
}

namespace {

// The sites with offsets from the code's first byte; `targets` holds what they point to. The holder is flattened.
Status collect_sites(const asmjit::CodeHolder& holder, const SiteEmitter& emitter, std::vector<NewSite>& sites,
                     std::vector<std::uint32_t>& targets) {
  targets.reserve(emitter.target_labels().size());
  for (std::uint32_t label : emitter.target_labels()) {
    if (!holder.isLabelValid(label) || !holder.isLabelBound(label)) {
      return make_error(ErrorCode::InvalidArgument,
                        "a site's target (asmjit label " + std::to_string(label) + ") is not bound");
    }
    targets.push_back(static_cast<std::uint32_t>(holder.labelOffsetFromBase(label)));
  }
  sites.reserve(emitter.sites().size());
  for (const SiteEmitter::PendingSite& site : emitter.sites()) {
    const std::uint64_t section = holder.sectionById(site.section)->offset();
    if (section % section_alignment != 0) {
      return make_error(ErrorCode::InvalidArgument, "a section that holds patch sites must be aligned to 8 bytes");
    }
    sites.push_back({site.key, site.form, static_cast<std::uint32_t>(section) + site.offset,
                     std::span(targets).subspan(site.first_target, site.target_count)});
  }
  return Ok{};
}

Status check_architecture(const Engine& engine, const asmjit::CodeHolder& holder) {
  const detail::Selection* const selection = detail::selection_of(holder.arch());
  if (selection != nullptr && selection->instruction_set == engine.instruction_set()) return Ok{};
  return make_error(ErrorCode::InvalidArgument, "the code is for another instruction set than the engine's");
}

// Lays the code out and writes it to engine memory, linked to its final address.
Result<Engine::Allocation> link(Engine& engine, asmjit::CodeHolder& holder) {
  if (asmjit::Error error = holder.flatten(); error != asmjit::kErrorOk) return asmjit_error("flatten", error);
  if (asmjit::Error error = holder.resolveUnresolvedLinks(); error != asmjit::kErrorOk)
    return asmjit_error("resolveUnresolvedLinks", error);
  // An unbound label is no error to asmjit: the branch to it would keep a zero displacement.
  if (holder.hasUnresolvedLinks()) {
    return make_error(ErrorCode::InvalidArgument,
                      std::to_string(holder.unresolvedLinkCount()) + " references to labels that are not bound");
  }
  Result<Engine::Allocation> allocation = engine.allocate(holder.codeSize());
  if (!allocation) return allocation;
  asmjit::Error error = holder.relocateToBase(reinterpret_cast<std::uintptr_t>(allocation->rx));
  const char* step = "relocateToBase";
  if (error == asmjit::kErrorOk) {
    step = "copyFlattenedData";
    error =
        holder.copyFlattenedData(allocation->staging, allocation->size, asmjit::CopySectionFlags::kPadSectionBuffer);
  }
  if (error == asmjit::kErrorOk) return allocation;
  engine.release(*allocation);
  return asmjit_error(step, error);
}

Result<Code> publish_linked(Engine& engine, asmjit::CodeHolder& holder, const SiteEmitter& emitter, bool synchronise) {
  if (Status status = check_architecture(engine, holder); !status) return status.error();
  if (emitter.error() != asmjit::kErrorOk) return asmjit_error("emitting a site", emitter.error());
  Result<Engine::Allocation> allocation = link(engine, holder);
  if (!allocation) return allocation.error();
  std::vector<NewSite> sites;
  std::vector<std::uint32_t> targets;
  if (Status status = collect_sites(holder, emitter, sites, targets); !status) {
    engine.release(*allocation);
    return status.error();
  }
  return synchronise ? engine.publish(*allocation, sites, emitter.dependencies())
                     : engine.publish_nosync(*allocation, sites, emitter.dependencies());
}

}  // namespace

Result<Code> publish_code(Engine& engine, asmjit::CodeHolder& holder, const SiteEmitter& sites) {
  return publish_linked(engine, holder, sites, true);
}

Result<Code> publish_code_nosync(Engine& engine, asmjit::CodeHolder& holder, const SiteEmitter& sites) {
  return publish_linked(engine, holder, sites, false);
}

}  // namespace shunt
