// The patch sites that reads of feature flags become, while a module is compiled.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/wasm/baseline/baseline.h"
#include "runtime/wasm/baseline/flag_stubs.h"
#include "runtime/wasm/baseline/registers.h"
#include "shunt/codegen/asmjit.h"
#include "shunt/runtime/flags.h"

namespace shunt::wasm::baseline {

// A site with the three states of a number, and the labels of what its stubs need.
struct PendingValueSite {
  std::uint32_t import;
  std::size_t site;  // in SiteEmitter::sites()
  flags::FlagType type;
  Reg dst, scratch;
  asmjit::Label resume, loader;  // where stubs go back to; the stub that loads the value in force
  asmjit::Label asks;            // the stub that loads the instance's own
};

// Not thread-safe. Borrows the assembler and the imports.
class FlagImportSites {
 public:
  FlagImportSites(asmjit::BaseAssembler& assembler, std::span<const FlagImport> imports)
      : emitter_(assembler), imports_(imports), keys_(imports.size()) {}

  // Whether calls of the import read a flag at a patch site; strings are read by a call of the runtime.
  [[nodiscard]] bool is_site(std::uint32_t import) const {
    return import < imports_.size() && imports_[import].flag != nullptr &&
           imports_[import].type != flags::FlagType::String;
  }
  [[nodiscard]] bool is_string(std::uint32_t import) const {
    return import < imports_.size() && imports_[import].flag != nullptr &&
           imports_[import].type == flags::FlagType::String;
  }
  [[nodiscard]] const FlagImport& import(std::uint32_t import) const { return imports_[import]; }
  // Whether the import asks for a variant: its value is 0 or 1.
  [[nodiscard]] bool is_variant(std::uint32_t import) const { return !imports_[import].variant.empty(); }
  // Where the value that all contexts have stands, zero or not.
  [[nodiscard]] const std::atomic<std::uint64_t>& bits(std::uint32_t import) const;

  struct Place {
    std::uint32_t import, function, module_offset;
    FlagSite::Shape shape;
  };
  // One instruction: falls through while the flag is zero (or the variant not in force), else goes to `on`; to `asks`
  // while contexts differ in the flag, and to `loader` while it is demoted. The processor flags are dead.
  void branch(const Place& place, const asmjit::Label& on, const asmjit::Label& asks, const asmjit::Label& loader);
  // One instruction: falls through while the number's bits are zero, else goes to `one` or to pending's stubs.
  void number(const Place& place, const asmjit::Label& one, PendingValueSite pending);

  [[nodiscard]] const SiteEmitter& emitter() const { return emitter_; }
  [[nodiscard]] SiteEmitter& emitter() { return emitter_; }  // for the module's other sites
  [[nodiscard]] std::vector<FlagSite>& flag_sites() { return flag_sites_; }
  // What the stubs of numbers need to know; the holder is linked.
  [[nodiscard]] std::vector<ValueSite> value_sites(const asmjit::CodeHolder& holder) const;

 private:
  void record(const Place& place);

  SiteEmitter emitter_;
  std::span<const FlagImport> imports_;
  std::vector<DemotableSwitch*> keys_;  // by import, once asked for: a variant's takes a lock
  std::vector<FlagSite> flag_sites_;
  std::vector<PendingValueSite> pending_;
};

}  // namespace shunt::wasm::baseline
