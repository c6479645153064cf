// What optimised code of a module assumes: that no instance has a table that was written since the module's own
// segments filled it. One assumption for each table that somebody could write (known_items.h), shared by all instances,
// because they share the code.
//
// Who is about to write withdraws first:
//
//   1. withdraw(): one patch batch, after which no site of the assumption that is executed leads to code that believes
//      it, on any thread
//   2. the write
//
// A table belongs to a store, so to one thread at a time: that thread finds its own write at once. Other threads have
// other instances, for which what was assumed is still true: a site that one of them passed before the batch led it
// right.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "runtime/wasm/module/module_data.h"
#include "shunt/assumption.h"
#include "shunt/engine.h"

namespace shunt::wasm {

// Thread-safe, except for construction and destruction. Ends after the code that depends on it, before the engine.
class ModuleAssumptions {
 public:
  ModuleAssumptions(Engine& engine, const ModuleData& module);
  ModuleAssumptions(const ModuleAssumptions&) = delete;
  ModuleAssumptions& operator=(const ModuleAssumptions&) = delete;

  // That nobody has written the table. Null if nothing is assumed of it.
  [[nodiscard]] Assumption* of_table(std::uint32_t table) const { return by_table_[table]; }
  [[nodiscard]] std::size_t tables() const { return by_table_.size(); }

  // Before a write: nothing believes the assumption (which may be null) any more when this returns. Blocks (a commit)
  // if it held. Errors: the engine's; the write must not happen then.
  Status withdraw(Assumption* assumption) const;

  [[nodiscard]] std::size_t withdrawn() const;  // how many

 private:
  struct Fact {
    explicit Fact(std::string text) : name(std::move(text)) {}
    std::string name;
    Assumption assumption{name.c_str()};
  };
  Engine& engine_;
  std::deque<Fact> facts_;
  std::vector<Assumption*> by_table_;
};

}  // namespace shunt::wasm
