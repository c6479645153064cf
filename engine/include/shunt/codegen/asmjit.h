// Patch sites in code that is emitted through asmjit.
#pragma once

#include <asmjit/core.h>

#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

#include "shunt/engine.h"

namespace shunt {

// Whether the processor flags hold something that later code reads when a site is passed.
enum class Flags : std::uint8_t { Live, Dead };

// Emits sites at an assembler's cursor and remembers them for publish(). Works on x86::Assembler and a64::Assembler (the
// emitter's architecture decides). Not thread-safe; must not outlive the assembler.
class SiteEmitter {
 public:
  explicit SiteEmitter(asmjit::BaseAssembler& assembler) : assembler_(assembler) {}

  // One instruction: falls through while `key` is off, branches to `target` while it is on. Flags::Dead allows the form that
  // needs no alignment (x86-64 opcode toggle). Returns the site's index in sites().
  std::size_t branch(StaticKey& key, asmjit::Label target, Flags flags = Flags::Live);

  // The same with k states: state 0 falls through, state s branches to targets[s - 1].
  std::size_t branch(StaticSwitch& key, std::span<const asmjit::Label> targets);

  struct PendingSite {
    KeyBase* key;
    SiteForm form;
    std::uint32_t offset;                  // in the assembler's section
    std::vector<asmjit::Label> targets;
  };
  [[nodiscard]] std::span<const PendingSite> sites() const noexcept { return sites_; }

 private:
  asmjit::BaseAssembler& assembler_;
  std::vector<PendingSite> sites_;
};

// Links the holder's code to engine memory and publishes it with the emitter's sites. Errors: those of Engine::publish();
// InvalidArgument if a label is unbound or asmjit reports an error. Thread-safe; blocks.
Result<Code> publish_code(Engine& engine, asmjit::CodeHolder& holder, const SiteEmitter& sites);

// Code whose first byte is a function of type Signature.
template <class Signature>
class PublishedFunction {
 public:
  explicit PublishedFunction(Code code) : code_(std::move(code)) {}
  template <class... Args>
  auto operator()(Args... args) const { return code_.template entry<Signature>()(args...); }
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
