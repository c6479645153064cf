// wasm.h's globals, tables and memories, the host's and those of instances.
#include <algorithm>

#include "runtime/capi/errors.h"
#include "runtime/capi/store.h"
#include "runtime/capi/types.h"
#include "runtime/capi/values.h"

using shunt::Result;
using shunt::wasmc::guarded;
using shunt::wasmc::keep_error;
using shunt::wasmc::StoreObjects;

namespace {

// The value, or nothing: then the message is kept.
template <class T>
std::optional<T> got(Result<T> result) {
  if (result) return std::move(*result);
  keep_error(result.error());
  return std::nullopt;
}

std::optional<std::uint64_t> element(const wasm_table_t& table, const wasm_ref_t* ref, const char* what) {
  table.store->tidy();
  return got(shunt::wasmc::to_word(*table.store, table.table.type().element, ref, what));
}

}  // namespace

extern "C" {

// --- globals

wasm_global_t* wasm_global_new(wasm_store_t* store, const wasm_globaltype_t* type, const wasm_val_t* value) {
  return guarded([&]() -> wasm_global_t* {
    StoreObjects& objects = *store->objects;
    const shunt::runtime::GlobalType of = shunt::wasmc::from_c(*type);
    objects.tidy();
    const auto word = got(shunt::wasmc::to_word(objects, of.type, *value, "a new global's value"));
    if (!word) return nullptr;
    const shunt::wasm::ExternGlobal global{&objects.state().owned_globals.emplace_back(), of};
    global.cell->bits[0] = *word;
    objects.add_host_global(global);
    return new wasm_global_t(store->objects, global);
  });
}

wasm_globaltype_t* wasm_global_type(const wasm_global_t* global) {
  const shunt::runtime::GlobalType& type = global->global.type;
  return guarded([&] {
    return new wasm_globaltype_t(shunt::wasmc::kind_of(type.type),
                                 static_cast<wasm_mutability_t>(type.is_mutable ? WASM_VAR : WASM_CONST));
  });
}

void wasm_global_get(const wasm_global_t* global, wasm_val_t* out) {
  const shunt::wasm::ExternGlobal& of = global->global;
  *out = shunt::wasmc::empty_value(of.type.type);
  guarded([&] { *out = shunt::wasmc::to_value(*global->store, of.type.type, of.cell->bits[0]); });
}

void wasm_global_set(wasm_global_t* global, const wasm_val_t* value) {
  guarded([&] {
    const shunt::wasm::ExternGlobal& of = global->global;
    if (!of.type.is_mutable) return keep_error("wasm_global_set: the global is immutable");
    global->store->tidy();
    if (const auto word = got(shunt::wasmc::to_word(*global->store, of.type.type, *value, "a global's value")))
      of.cell->bits[0] = *word;
  });
}

// --- tables

wasm_table_t* wasm_table_new(wasm_store_t* store, const wasm_tabletype_t* type, wasm_ref_t* init) {
  return guarded([&]() -> wasm_table_t* {
    StoreObjects& objects = *store->objects;
    if (!wasm_valtype_is_ref(&type->element)) {
      keep_error("wasm_table_new: tables hold references");
      return nullptr;
    }
    const shunt::runtime::TableType of = shunt::wasmc::from_c(*type);
    objects.tidy();
    const auto word = got(shunt::wasmc::to_word(objects, of.element, init, "a new table's elements"));
    if (!word) return nullptr;
    auto table = got(shunt::wasm::Table::create(of, objects.state().table_elements_left));
    if (!table) return nullptr;
    shunt::wasm::Table& owned = objects.state().own(std::move(*table));
    std::fill_n(owned.view().elements, owned.size(), *word);
    return new wasm_table_t(store->objects, owned);
  });
}

wasm_tabletype_t* wasm_table_type(const wasm_table_t* table) {
  return guarded([&] { return wasm_externtype_as_tabletype(shunt::wasmc::to_c(table->table.type()).release()); });
}

wasm_ref_t* wasm_table_get(const wasm_table_t* table, wasm_table_size_t index) {
  return guarded([&]() -> wasm_ref_t* {
    if (!table->table.contains(index, 1)) return nullptr;
    return shunt::wasmc::to_reference(*table->store, table->table.type().element, table->table.view().elements[index])
        .release();
  });
}

bool wasm_table_set(wasm_table_t* table, wasm_table_size_t index, wasm_ref_t* ref) {
  return guarded([&] {
    if (!table->table.contains(index, 1)) {
      keep_error("wasm_table_set: the index is outside the table");
      return false;
    }
    const auto word = element(*table, ref, "wasm_table_set");
    if (!word || !shunt::wasmc::succeeded(table->table.before_write())) return false;
    table->table.view().elements[index] = *word;
    return true;
  });
}

wasm_table_size_t wasm_table_size(const wasm_table_t* table) {
  return static_cast<wasm_table_size_t>(table->table.size());
}

bool wasm_table_grow(wasm_table_t* table, wasm_table_size_t delta, wasm_ref_t* init) {
  return guarded([&] {
    const auto word = element(*table, init, "wasm_table_grow");
    if (!word || (delta != 0 && !shunt::wasmc::succeeded(table->table.before_write()))) return false;
    if (table->table.grow(delta, *word)) return true;
    keep_error("wasm_table_grow: beyond the table's limit, or the store's");
    return false;
  });
}

// --- memories

wasm_memory_t* wasm_memory_new(wasm_store_t* store, const wasm_memorytype_t* type) {
  return guarded([&]() -> wasm_memory_t* {
    StoreObjects& objects = *store->objects;
    auto memory =
        got(shunt::wasm::LinearMemory::create(shunt::wasmc::from_c(*type), objects.state().options.max_memory_bytes));
    if (!memory) return nullptr;
    return new wasm_memory_t(store->objects, objects.state().own(std::move(*memory)));
  });
}

wasm_memorytype_t* wasm_memory_type(const wasm_memory_t* memory) {
  return guarded([&] { return wasm_externtype_as_memorytype(shunt::wasmc::to_c(memory->memory.type()).release()); });
}

byte_t* wasm_memory_data(wasm_memory_t* memory) {
  return reinterpret_cast<byte_t*>(memory->memory.view().base);
}
size_t wasm_memory_data_size(const wasm_memory_t* memory) {
  return memory->memory.view().bytes;
}
wasm_memory_pages_t wasm_memory_size(const wasm_memory_t* memory) {
  return static_cast<wasm_memory_pages_t>(memory->memory.pages());
}
bool wasm_memory_grow(wasm_memory_t* memory, wasm_memory_pages_t delta) {
  if (memory->memory.grow(delta)) return true;
  keep_error("wasm_memory_grow: beyond the memory's limit, or the store's");
  return false;
}

// --- any of them

wasm_externkind_t wasm_extern_kind(const wasm_extern_t* item) {
  static_assert(static_cast<int>(wasm_ref_t::Kind::Func) == WASM_EXTERN_FUNC &&
                static_cast<int>(wasm_ref_t::Kind::Global) == WASM_EXTERN_GLOBAL &&
                static_cast<int>(wasm_ref_t::Kind::Table) == WASM_EXTERN_TABLE &&
                static_cast<int>(wasm_ref_t::Kind::Memory) == WASM_EXTERN_MEMORY);
  return static_cast<wasm_externkind_t>(item->kind);
}
wasm_externtype_t* wasm_extern_type(const wasm_extern_t* item) {
  return guarded([&] { return shunt::wasmc::to_c(shunt::wasm::type_of(item->as_import())).release(); });
}

}  // extern "C"
