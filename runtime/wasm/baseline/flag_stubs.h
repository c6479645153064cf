// Stubs of numeric flag sites: code that materialises one value and goes back. A site in its third state goes to the
// stub for the value in force, so a fixed number costs no load. Stubs are made when a value is first used and kept; a
// flag that takes ever new values goes back to the stub that loads it, and so does one that is demoted. They end with
// the module's code, which no thread executes then: a flag that goes back to a value finds its stub there.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/wasm/baseline/registers.h"
#include "shunt/engine.h"
#include "shunt/runtime/flags.h"

namespace shunt::wasm::baseline {

// Offsets from the module code's first byte.
struct ValueSite {
  flags::Flag* flag;
  flags::FlagType type;
  std::uint32_t site, resume, loader;
  Reg dst, scratch;  // scratch: a general register for values of float registers, else invalid
};

// How an instruction set builds a stub: `move dst, bits; jump resume`, at most max_bytes.
struct StubEncoder {
  std::size_t max_bytes;
  // Appends the stub's bytes for an execution at `address`; returns how many.
  std::size_t (*encode)(std::uint8_t* bytes, std::uintptr_t address, const ValueSite& site, std::uint64_t bits,
                        std::uintptr_t resume);
};

// The stubs of one module's code. Registers with the flag set for its lifetime, or until detach().
class FlagStubs final : public flags::StubSource {
 public:
  // Values that a flag's stubs are kept for; further ones are loaded.
  static constexpr std::size_t max_values = 64;

  // `set` and `engine` must outlive the stubs. Sites of one flag and type need not be adjacent.
  FlagStubs(Engine& engine, flags::FlagSet& set, StubEncoder encoder, std::vector<ValueSite> sites);
  ~FlagStubs() override;

  // The code that the sites are in begins here. From now on the stubs follow the flags; numbers in force get theirs at
  // once. Errors: the engine's; then the sites load their values. Blocks.
  Status attach(const std::uint8_t* code);
  // Before the code ends. Blocks: a load in progress finishes first.
  void detach();

  // Both: errors are the engine's; called under the set's lock.
  Status begin(PatchBatch& batch) override;
  Status prepare(PatchBatch& batch, flags::Flag& flag, flags::FlagType type, std::uint64_t bits) override;

 private:
  struct Value {
    std::uint64_t bits;
    Code code;
    std::vector<std::uint32_t> offsets;  // of the stubs in `code`, by site of the group
  };
  struct Group {  // the sites of one flag, read as one type
    flags::Flag* flag;
    flags::FlagType type;
    std::vector<ValueSite> sites;
    std::vector<Value> values;
  };

  Status retarget(PatchBatch& batch, Group& group, std::uint64_t bits);
  Result<const Value*> stubs_for(Group& group, std::uint64_t bits);

  Engine& engine_;
  flags::FlagSet& set_;
  StubEncoder encoder_;
  const std::uint8_t* code_ = nullptr;
  std::vector<Group> groups_;  // protected by the set's lock
};

}  // namespace shunt::wasm::baseline
