// What compiled code calls the runtime for. These run on the host's stack; every range is checked here, none is left to
// a signal.
#include <algorithm>
#include <cstring>

#include "runtime/wasm/breakpoints/breakpoints.h"
#include "runtime/wasm/instance/instance_state.h"
#include "shunt/runtime/flags.h"

namespace shunt::wasm {
namespace {

constexpr std::uint64_t failed_to_grow = 0xffffffff;

std::uint32_t low(std::uint64_t word) {
  return static_cast<std::uint32_t>(word);
}
std::uint32_t high(std::uint64_t word) {
  return static_cast<std::uint32_t>(word >> 32);
}

std::uint64_t trap(VmContext* context, TrapCode code) {
  context->execution->trap = static_cast<std::uint32_t>(code);
  return 0;
}

std::uint64_t memory_grow(VmContext* context, std::uint64_t pages, std::uint64_t, std::uint64_t, std::uint64_t) {
  return context->instance->memory->grow(low(pages)).value_or(failed_to_grow);
}

std::uint64_t memory_fill(VmContext* context, std::uint64_t to, std::uint64_t value, std::uint64_t count,
                          std::uint64_t) {
  LinearMemory& memory = *context->instance->memory;
  if (!memory.contains(low(to), low(count))) return trap(context, TrapCode::MemoryOutOfBounds);
  std::memset(memory.view().base + low(to), static_cast<int>(value & 0xff), low(count));
  return 0;
}

std::uint64_t memory_copy(VmContext* context, std::uint64_t to, std::uint64_t from, std::uint64_t count,
                          std::uint64_t) {
  LinearMemory& memory = *context->instance->memory;
  if (!memory.contains(low(to), low(count)) || !memory.contains(low(from), low(count))) {
    return trap(context, TrapCode::MemoryOutOfBounds);
  }
  std::memmove(memory.view().base + low(to), memory.view().base + low(from), low(count));
  return 0;
}

std::uint64_t memory_init(VmContext* context, std::uint64_t to, std::uint64_t from, std::uint64_t count,
                          std::uint64_t segment) {
  const bool done = context->instance->init_memory(low(segment), low(to), low(from), low(count));
  return done ? 0 : trap(context, TrapCode::MemoryOutOfBounds);
}

std::uint64_t data_drop(VmContext* context, std::uint64_t segment, std::uint64_t, std::uint64_t, std::uint64_t) {
  context->instance->dropped_data[low(segment)] = true;
  return 0;
}

std::uint64_t table_get(VmContext* context, std::uint64_t index, std::uint64_t table, std::uint64_t, std::uint64_t) {
  const TableView& view = *context->tables[low(table)];
  if (low(index) >= view.size) return trap(context, TrapCode::TableOutOfBounds);
  return view.elements[low(index)];
}

// What code assumes of the table is withdrawn before it is written. False: the guest is to trap, by the engine's error.
bool may_write(VmContext* context, const Table& table) {
  Status ready = table.before_write();
  if (ready) return true;
  context->execution->store->host_error = std::move(ready).error();
  trap(context, TrapCode::HostError);
  return false;
}

std::uint64_t table_set(VmContext* context, std::uint64_t index, std::uint64_t reference, std::uint64_t table,
                        std::uint64_t) {
  Table& target = *context->instance->tables[low(table)];
  if (!target.contains(low(index), 1)) return trap(context, TrapCode::TableOutOfBounds);
  if (!may_write(context, target)) return 0;
  target.view().elements[low(index)] = reference;
  return 0;
}

std::uint64_t table_grow(VmContext* context, std::uint64_t reference, std::uint64_t count, std::uint64_t table,
                         std::uint64_t) {
  Table& target = *context->instance->tables[low(table)];
  if (low(count) != 0 && !may_write(context, target)) return 0;
  return target.grow(low(count), reference).value_or(failed_to_grow);
}

std::uint64_t table_fill(VmContext* context, std::uint64_t index, std::uint64_t reference, std::uint64_t count,
                         std::uint64_t table) {
  Table& target = *context->instance->tables[low(table)];
  if (!target.contains(low(index), low(count))) return trap(context, TrapCode::TableOutOfBounds);
  if (low(count) == 0 || !may_write(context, target)) return 0;
  std::fill_n(target.view().elements + low(index), low(count), reference);
  return 0;
}

std::uint64_t table_copy(VmContext* context, std::uint64_t to, std::uint64_t from, std::uint64_t count,
                         std::uint64_t tables) {
  Table& target = *context->instance->tables[high(tables)];
  Table& source = *context->instance->tables[low(tables)];
  if (!target.contains(low(to), low(count)) || !source.contains(low(from), low(count))) {
    return trap(context, TrapCode::TableOutOfBounds);
  }
  if (low(count) == 0 || !may_write(context, target)) return 0;
  std::memmove(target.view().elements + low(to), source.view().elements + low(from),
               low(count) * sizeof(std::uint64_t));
  return 0;
}

std::uint64_t table_init(VmContext* context, std::uint64_t to, std::uint64_t from, std::uint64_t count,
                         std::uint64_t which) {
  const Table& target = *context->instance->tables[low(which)];
  if (low(count) != 0 && target.contains(low(to), low(count)) && !may_write(context, target)) return 0;
  const bool done = context->instance->init_table(low(which), high(which), low(to), low(from), low(count));
  return done ? 0 : trap(context, TrapCode::TableOutOfBounds);
}

std::uint64_t elem_drop(VmContext* context, std::uint64_t segment, std::uint64_t, std::uint64_t, std::uint64_t) {
  context->instance->dropped_elements[low(segment)] = true;
  return 0;
}

// Copies as much of the string as fits, without a terminator, and returns its whole length.
std::uint64_t flag_string(VmContext* context, std::uint64_t buffer, std::uint64_t capacity, std::uint64_t import,
                          std::uint64_t) {
  InstanceState& instance = *context->instance;
  const std::shared_ptr<const std::string> text = instance.flags.text(low(import));
  const std::uint64_t length = text ? text->size() : 0;
  const std::uint64_t count = std::min<std::uint64_t>(length, low(capacity));
  if (count != 0) {
    if (instance.memory == nullptr || !instance.memory->contains(low(buffer), count)) {
      return trap(context, TrapCode::MemoryOutOfBounds);
    }
    std::memcpy(instance.memory->view().base + low(buffer), text->data(), count);
  }
  return std::min<std::uint64_t>(length, UINT32_MAX);
}

}  // namespace

// In the order of Builtin.
const BuiltinFunction builtins[static_cast<std::size_t>(Builtin::Count_)] = {
    memory_grow, memory_fill, memory_copy, memory_init, data_drop, table_get,   table_set,
    table_grow,  table_fill,  table_copy,  table_init,  elem_drop, flag_string, breakpoint_reached};

}  // namespace shunt::wasm
