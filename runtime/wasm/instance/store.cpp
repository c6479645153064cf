#include <utility>

#include "runtime/wasm/control/deadlines.h"
#include "runtime/wasm/control/interrupt_state.h"
#include "runtime/wasm/instance/instance_state.h"
#include "runtime/wasm/instance/traps.h"

namespace shunt::wasm {

StoreState::StoreState(const runtime::StoreOptions& store_options, GuestStack guest_stack)
    : options(store_options),
      stack(std::move(guest_stack)),
      interrupts(std::make_shared<InterruptState>(execution)),
      table_elements_left(store_options.max_table_elements) {
  execution.store = this;
  trap_context.execution = &execution;
}

StoreState::~StoreState() {
  withdraw_deadline(*interrupts);
  interrupts->end();
}

LinearMemory& StoreState::own(std::unique_ptr<LinearMemory> memory) {
  owned_memories.push_back(std::move(memory));
  memories.add(owned_memories.back().get());
  return *owned_memories.back();
}

Table& StoreState::own(std::unique_ptr<Table> table) {
  owned_tables.push_back(std::move(table));
  return *owned_tables.back();
}

}  // namespace shunt::wasm

namespace shunt::runtime {

Result<Store> Store::create(const StoreOptions& options) {
  Status installed = wasm::install_trap_handlers();
  if (!installed) return std::move(installed).error();
  Result<wasm::GuestStack> stack = wasm::GuestStack::create(options.stack_bytes);
  if (!stack) return std::move(stack).error();
  return Store(std::make_unique<wasm::StoreState>(options, std::move(*stack)));
}

Store::Store(std::unique_ptr<wasm::StoreState> state) : state_(std::move(state)) {}
Store::~Store() = default;
Store::Store(Store&&) noexcept = default;
Store& Store::operator=(Store&&) noexcept = default;

InterruptHandle Store::interrupt_handle() const {
  return InterruptHandle(state_->interrupts);
}

void Store::on_yield(YieldFunction function) {
  state_->interrupts->on_yield = std::move(function);
}

}  // namespace shunt::runtime
