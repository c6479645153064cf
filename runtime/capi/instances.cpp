// wasm.h's instances, and shunt_wasm.h's with evaluation contexts.
#include <string>

#include "runtime/capi/errors.h"
#include "runtime/capi/store.h"
#include "runtime/capi/vectors.h"
#include "shunt/runtime/c/shunt_wasm.h"
#include "shunt/runtime/instance.h"

namespace shunt::wasmc {
namespace {

using wasm::Extern;
using wasm::ModuleData;

Error unlinkable(const ModuleData& module, const wasm::ImportedExtern& import, const std::string& what) {
  return make_error(ErrorCode::Unlinkable,
                    module.source_name + ": import \"" + import.module + "\" \"" + import.name + "\": " + what);
}

// What the host gives for one import. Errors: Unlinkable, InvalidArgument.
Result<Extern> checked(StoreObjects& store, const ModuleData& module, const wasm::ImportRecord& record,
                       const wasm_extern_t* given) {
  const wasm::ImportedExtern name = wasm::import_name(module, record);
  if (given == nullptr) return unlinkable(module, name, "the vector of imports holds nothing for it");
  if (given->store.get() != &store) return unlinkable(module, name, "what is given belongs to another store");
  Extern item = given->as_import();
  const runtime::ExternType wanted = wasm::extern_type(module, record.kind, record.index);
  const runtime::ExternType found = wasm::type_of(item);
  if (wasm::matches(wanted, found)) return item;
  return unlinkable(
      module, name,
      "incompatible import type: the module wants a " + to_string(wanted) + ", given is a " + to_string(found));
}

// Flag imports take no place in the vector: hosts need not know of them.
Result<std::vector<Extern>> link(StoreObjects& store, const ModuleData& module, const wasm_extern_vec_t& imports) {
  std::vector<Extern> items;
  std::size_t next = 0;
  for (const wasm::ImportRecord& record : module.imports) {
    if (record.kind == wasm::ExternKind::Function && wasm::import_name(module, record).module == wasm::flags_module) {
      items.emplace_back();  // never looked at
      continue;
    }
    const wasm_extern_t* const given = next < imports.size ? imports.data[next] : nullptr;
    ++next;
    Result<Extern> item = checked(store, module, record, given);
    if (!item) return std::move(item).error();
    items.push_back(std::move(*item));
  }
  return items;
}

Result<wasm::InstanceState*> instantiate(StoreObjects& store, const wasm_module_t& module,
                                         const wasm_extern_vec_t& imports, std::string_view context) {
  const std::shared_ptr<const wasm::ModuleState>& state = module.counted->module.state();
  store.state().stopped_at = {};
  if (module.counted->engine != store.shared_engine()) {
    return make_error(ErrorCode::InvalidArgument,
                      state->data->source_name + ": the store belongs to another engine than the module");
  }
  Result<std::vector<Extern>> items = link(store, *state->data, imports);
  if (!items) return std::move(items).error();
  store.note(*module.counted);
  std::vector<const Extern*> pointers;
  pointers.reserve(items->size());
  for (const Extern& item : *items) pointers.push_back(&item);
  return wasm::make_instance(store.state(), state, pointers, context);
}

struct HandleOf {
  const std::shared_ptr<StoreObjects>& store;
  // Exports are never definitions of the host: those have instances of their own.
  wasm_extern_t* operator()(const wasm::HostDefinition&) const { return nullptr; }
  wasm_extern_t* operator()(const wasm::ExportedFunction& function) const {
    return new wasm_func_t(store, function.reference);
  }
  wasm_extern_t* operator()(wasm::Table* table) const { return new wasm_table_t(store, *table); }
  wasm_extern_t* operator()(wasm::LinearMemory* memory) const { return new wasm_memory_t(store, *memory); }
  wasm_extern_t* operator()(const wasm::ExternGlobal& global) const { return new wasm_global_t(store, global); }
};

}  // namespace
}  // namespace shunt::wasmc

using shunt::wasmc::guarded;
using shunt::wasmc::StoreObjects;

extern "C" {

wasm_instance_t* wasm_instance_new(wasm_store_t* store, const wasm_module_t* module, const wasm_extern_vec_t* imports,
                                   wasm_trap_t** trap) {
  return shunt_wasm_instance_new_with_context(store, module, imports, nullptr, 0, trap);
}

wasm_instance_t* shunt_wasm_instance_new_with_context(wasm_store_t* store, const wasm_module_t* module,
                                                      const wasm_extern_vec_t* imports, const char* context,
                                                      size_t length, wasm_trap_t** trap) {
  static constexpr wasm_extern_vec_t none{0, nullptr};
  if (trap != nullptr) *trap = nullptr;
  return guarded([&]() -> wasm_instance_t* {
    StoreObjects& objects = *store->objects;
    const auto instance =
        shunt::wasmc::instantiate(objects, *module, imports == nullptr ? none : *imports, {context, length});
    if (instance) return new wasm_instance_t(store->objects, **instance);
    shunt::wasmc::keep_error(instance.error());
    if (trap != nullptr) *trap = new wasm_trap_t(store->objects, objects.trap_for(instance.error()));
    return nullptr;
  });
}

bool shunt_wasm_instance_set_context(wasm_instance_t* instance, const char* context, size_t length) {
  return guarded([&] {
    return shunt::wasmc::succeeded(shunt::runtime::Instance(&instance->instance).set_context({context, length}));
  });
}

void wasm_instance_exports(const wasm_instance_t* instance, wasm_extern_vec_t* out) {
  *out = {0, nullptr};
  const auto& exports = instance->instance.data().exports;
  guarded([&] {
    shunt::wasmc::allocate(*out, exports.size());
    for (std::size_t i = 0; i < exports.size(); ++i) {
      out->data[i] = guarded([&] {
        return std::visit(shunt::wasmc::HandleOf{instance->store},
                          shunt::wasm::exported(instance->instance, exports[i]));
      });
      if (out->data[i] != nullptr) continue;
      wasm_extern_vec_delete(out);  // all or none
      return;
    }
  });
}

}  // extern "C"
