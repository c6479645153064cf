#include "runtime/wasm/instance/instance_state.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "runtime/wasm/instance/flag_cells.h"

namespace shunt::wasm {
namespace {

constexpr std::align_val_t block_alignment{alignof(GlobalCell)};

}  // namespace

ContextBlock::ContextBlock(std::size_t own_globals, std::size_t flag_cells) {
  const std::size_t bytes = flag_cell_offset(own_globals, flag_cells);
  block_.reset(static_cast<std::uint8_t*>(::operator new[](bytes, block_alignment)));
  std::memset(block_.get(), 0, bytes);
  void* const cells = block_.get() + flag_cell_offset(own_globals, 0);
  for (std::size_t i = 0; i < flag_cells; ++i)
    new (static_cast<std::atomic<std::uint64_t>*>(cells) + i) std::atomic<std::uint64_t>(0);
  flag_cells_ = static_cast<std::atomic<std::uint64_t>*>(cells);
}

void ContextBlock::Free::operator()(std::uint8_t* block) const {
  ::operator delete[](block, block_alignment);
}

InstanceState::InstanceState(StoreState& owner, std::shared_ptr<const ModuleState> loaded)
    : store(owner),
      module(std::move(loaded)),
      block(module->data->globals.size() - module->data->imported_globals, module->data->imported_functions),
      dropped_data(module->data->data.size()),
      dropped_elements(module->data->elements.size()),
      flags(*module->flags, module->viewed_flags, block.flag_cells()) {}

InstanceState::~InstanceState() {
  if (module->tiers) module->tiers->remove_instance(own_functions());
}

std::uint64_t InstanceState::evaluate(const ConstExpr& expression) const {
  switch (expression.kind) {
    case ConstExpr::Kind::Const:
      return expression.bits;
    case ConstExpr::Kind::GlobalGet:
      return significant_bits(expression.type, globals[expression.bits]->bits[0]);
    case ConstExpr::Kind::RefFunc:
      return reinterpret_cast<std::uintptr_t>(&functions[expression.bits]);
    case ConstExpr::Kind::RefNull:
      break;
  }
  return 0;
}

bool InstanceState::init_memory(std::uint32_t segment, std::uint64_t to, std::uint64_t from, std::uint64_t count) {
  const std::vector<std::uint8_t>& bytes = data().data[segment].bytes;
  const std::size_t size = dropped_data[segment] ? 0 : bytes.size();
  if (count > size || from > size - count || !memory->contains(to, count)) return false;
  if (count != 0) std::memcpy(memory->view().base + to, bytes.data() + from, count);
  return true;
}

bool InstanceState::init_table(std::uint32_t table, std::uint32_t segment, std::uint64_t to, std::uint64_t from,
                               std::uint64_t count) {
  const std::vector<ConstExpr>& items = data().elements[segment].items;
  const std::size_t size = dropped_elements[segment] ? 0 : items.size();
  if (count > size || from > size - count || !tables[table]->contains(to, count)) return false;
  std::uint64_t* const elements = tables[table]->view().elements + to;
  std::transform(items.begin() + static_cast<std::ptrdiff_t>(from),
                 items.begin() + static_cast<std::ptrdiff_t>(from + count), elements,
                 [this](const ConstExpr& item) { return evaluate(item); });
  return true;
}

}  // namespace shunt::wasm
