// Patch sites in code that is emitted through asmjit.
//
//   shunt::SiteEmitter sites(assembler);
//   sites.branch(key, slow_path);                                    // one instruction
//   auto function = shunt::publish<int(int)>(engine, holder, sites);  // Result<PublishedFunction<int(int)>>
#pragma once

#include <asmjit/core.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "shunt/assumption.h"
#include "shunt/engine.h"
#include "shunt/static_call.h"

namespace shunt {

namespace detail {
struct Selection;
}

// Whether the processor flags hold something that later code reads when a site is passed.
enum class Flags : std::uint8_t { Live, Dead };

// Emits sites at an assembler's cursor and remembers them for publish(). Works on x86::Assembler and a64::Assembler
// (the emitter's architecture decides). A target may be bound before or after the site, in any section. An error is
// kept and reported by publish_code(). Not thread-safe; must not outlive the assembler. May throw std::bad_alloc.
class SiteEmitter {
 public:
  explicit SiteEmitter(asmjit::BaseAssembler& assembler);

  // One instruction: falls through while `key` is off, branches to `target` while it is on. Flags::Dead allows the form
  // that needs no alignment (x86-64 opcode toggle). Returns the site's index in sites().
  std::size_t branch(StaticKey& key, const asmjit::Label& target, Flags flags = Flags::Live);

  // The same with k states: state 0 falls through, state s branches to targets[s - 1].
  std::size_t branch(StaticSwitch& key, std::span<const asmjit::Label> targets);

  // The same in a form of the caller's choice: Toggle (for a key, flags dead), AlignedWord or Unaligned. On arm64 all
  // are AlignedWord. Another form is refused by publish_code().
  std::size_t branch(StaticKey& key, const asmjit::Label& target, SiteForm form);
  std::size_t branch(StaticSwitch& key, std::span<const asmjit::Label> targets, SiteForm form);
  // The same for a key that may be demoted (shunt/demotable_key.h). Its stub loads the key's state and branches; it is
  // emitted as a detour's is, and keeps every register and flag. While it runs, the stack pointer is up to 136 bytes
  // (arm64: 16) lower than at the site.
  std::size_t branch(DemotableKey& key, const asmjit::Label& target);

  // The same with a stub of the caller's, which does what the emitted one does; and for k values: value 0 falls
  // through, value v branches to targets[v - 1]. Where no key is ever demoted (Engine::flip_limit() is 0), any label
  // will do.
  std::size_t branch(DemotableKey& key, const asmjit::Label& target, const asmjit::Label& stub);
  std::size_t branch(DemotableSwitch& key, std::span<const asmjit::Label> targets, const asmjit::Label& stub);
  // The same with a stub for each value: `stubs` holds key.values() of them.
  std::size_t branch(DemotableSwitch& key, std::span<const asmjit::Label> targets,
                     std::span<const asmjit::Label> stubs);

  // The same for an assumption: falls through while it holds, branches to `target` once it is broken. publish_code()
  // refuses the code if it is broken by then (AssumptionBroken).
  std::size_t branch(Assumption& assumption, const asmjit::Label& target, Flags flags = Flags::Live);

  // The code depends on the assumption without a site of it: refused like code that has one.
  void depend(Assumption& assumption) { dependencies_.push_back(&assumption); }

  // One branch, in every state: to targets[state]; of a key, to `off` or to `on`.
  std::size_t redirect(StaticSwitch& key, std::span<const asmjit::Label> targets);
  std::size_t redirect(StaticKey& key, const asmjit::Label& off, const asmjit::Label& on);

  // One direct call (x86-64 CALL, arm64 BL) of the call's function, wherever that is, or a no-op while the call is
  // empty. Arguments, result, stack alignment and clobbered registers are those of the platform's calling convention,
  // also for an empty call; on arm64, BL changes X30, and a veneer may change X16.
  template <class Signature>
  std::size_t call(StaticCall<Signature>& function) {
    return emit(function, SiteForm::Call, {});
  }

  // A detour: one instruction that falls through while `key` is off; while it is on, it goes to the site's stub, which
  // calls the safepoint entry of the engine (Engine::safepoint_entry()) and jumps back. Every register is kept (on
  // arm64 X30 too, so a leaf function stays one); the flags too, but with Flags::Dead. The stub is emitted into a
  // section of its own, ".shunt.stubs", behind the rest of the code.
  //
  // A safepoint of `engine`, where the code will be published. It stands behind the function's prologue (thread.h,
  // frame walkers), needs 8 KiB of stack (16 where SVE registers are longer than 128 bytes), and the code runs in a
  // GuestScope. Returns the site's index in sites().
  std::size_t safepoint(Engine& engine, Flags flags = Flags::Live);

  struct PendingSite {
    KeyBase* key;
    SiteForm form;
    std::uint32_t section;       // asmjit's section id
    std::uint32_t offset;        // in that section, of the instruction's first byte
    std::uint32_t first_target;  // in target_labels()
    std::uint32_t target_count;
  };
  [[nodiscard]] std::span<const PendingSite> sites() const noexcept { return sites_; }
  [[nodiscard]] std::span<const std::uint32_t> target_labels() const noexcept { return targets_; }  // asmjit label ids
  [[nodiscard]] std::span<Assumption* const> dependencies() const noexcept { return dependencies_; }
  [[nodiscard]] asmjit::Error error() const noexcept { return error_; }  // the first, or kErrorOk

 private:
  std::size_t branch_or_not(KeyBase& key, const asmjit::Label& target, Flags flags);
  void emit_stub(const asmjit::Label& stub, const asmjit::Label& behind,
                 const std::function<asmjit::Error(asmjit::BaseAssembler&)>& body);
  std::size_t emit(KeyBase& key, SiteForm form, std::span<const asmjit::Label> targets);
  [[nodiscard]] SiteForm form(SiteForm wanted) const noexcept;
  void keep(asmjit::Error error) noexcept {
    if (error_ == asmjit::kErrorOk) error_ = error;
  }

  asmjit::BaseAssembler& assembler_;
  const detail::Selection* selection_;  // null: the assembler's instruction set is unknown
  std::vector<PendingSite> sites_;
  std::vector<std::uint32_t> targets_;
  std::vector<Assumption*> dependencies_;
  asmjit::Error error_ = asmjit::kErrorOk;
};

// Links the holder's code to engine memory and publishes it with the emitter's sites. The code's first byte is that of
// the holder's first section. Once per holder. Errors: those of Engine::publish(); InvalidArgument if a label is
// unbound, if asmjit reports an error, or if the code is for another instruction set than the engine's. Thread-safe;
// blocks.
Result<Code> publish_code(Engine& engine, asmjit::CodeHolder& holder, const SiteEmitter& sites);

// The same without the core serialisation (Engine::publish_nosync).
Result<Code> publish_code_nosync(Engine& engine, asmjit::CodeHolder& holder, const SiteEmitter& sites);

// Code whose first byte is a function of type Signature.
template <class Signature>
class PublishedFunction {
 public:
  explicit PublishedFunction(Code code) : code_(std::move(code)) {}
  template <class... Args>
  auto operator()(Args... args) const {
    return code_.template entry<Signature>()(args...);
  }
  [[nodiscard]] Signature* get() const noexcept { return code_.template entry<Signature>(); }
  [[nodiscard]] const Code& code() const noexcept { return code_; }

 private:
  Code code_;
};

template <class Signature>
Result<PublishedFunction<Signature>> publish(Engine& engine, asmjit::CodeHolder& holder, const SiteEmitter& sites) {
  Result<Code> code = publish_code(engine, holder, sites);
  if (!code) return code.error();
  return PublishedFunction<Signature>(std::move(*code));
}

}  // namespace shunt
