#include "runtime/wasm/speculation/module_assumptions.h"

#include <algorithm>

#include "runtime/wasm/speculation/known_items.h"
#include "shunt/patch_batch.h"

namespace shunt::wasm {

ModuleAssumptions::ModuleAssumptions(Engine& engine, const ModuleData& module)
    : engine_(engine), by_table_(module.tables.size()) {
  for (std::uint32_t table = 0; table < module.tables.size(); ++table) {
    const auto known = known_table(module, table);
    if (!known || known->lasts != Lasts::WhileUnwritten) continue;
    by_table_[table] =
        &facts_.emplace_back(module.source_name + ": nobody has written table " + std::to_string(table)).assumption;
  }
}

Status ModuleAssumptions::withdraw(Assumption* assumption) const {
  // A state is stored when its batch is complete, so who reads here that it is broken needs no batch of its own.
  if (assumption == nullptr || !assumption->holds()) return Ok{};
  PatchBatch batch(engine_);
  batch.invalidate(*assumption);
  if (Result<CommitReport> committed = batch.commit(); !committed) return std::move(committed).error();
  return Ok{};
}

std::size_t ModuleAssumptions::withdrawn() const {
  return static_cast<std::size_t>(
      std::count_if(facts_.begin(), facts_.end(), [](const Fact& fact) { return !fact.assumption.holds(); }));
}

}  // namespace shunt::wasm
