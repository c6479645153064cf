#include "runtime/capi/references.h"

#include "runtime/capi/errors.h"
#include "runtime/capi/store.h"

using shunt::wasmc::guarded;

shunt::wasmc::HostInfo* wasm_ref_t::info(bool make) const {
  return make ? &store->host_info(object) : store->find_host_info(object);
}

namespace {

bool same(const wasm_ref_t* a, const wasm_ref_t* b) {
  if (a == nullptr || b == nullptr) return a == b;
  return a->kind == b->kind && a->object == b->object;
}

void* host_info(const wasm_ref_t* ref) {
  const shunt::wasmc::HostInfo* const info = ref->info(false);
  return info == nullptr ? nullptr : info->data();
}

void set_host_info(wasm_ref_t* ref, void* data, void (*finalizer)(void*)) {
  guarded([&] { ref->info(true)->set(data, finalizer); });
}

// A cast that checks. Null stays null.
template <class To, class From>
To* cast(From* ref) {
  return ref != nullptr && To::is(ref->kind) ? static_cast<To*>(ref) : nullptr;
}

}  // namespace

#define SHUNT_WASM_REF_BASE(name)                                                                               \
  void wasm_##name##_delete(wasm_##name##_t* ref) {                                                             \
    delete ref;                                                                                                 \
  }                                                                                                             \
  wasm_##name##_t* wasm_##name##_copy(const wasm_##name##_t* ref) {                                             \
    return guarded([&]() -> wasm_##name##_t* {                                                                  \
      return ref == nullptr ? nullptr : static_cast<wasm_##name##_t*>(ref->clone());                            \
    });                                                                                                         \
  }                                                                                                             \
  bool wasm_##name##_same(const wasm_##name##_t* a, const wasm_##name##_t* b) {                                 \
    return same(a, b);                                                                                          \
  }                                                                                                             \
  void* wasm_##name##_get_host_info(const wasm_##name##_t* ref) {                                               \
    return host_info(ref);                                                                                      \
  }                                                                                                             \
  void wasm_##name##_set_host_info(wasm_##name##_t* ref, void* data) {                                          \
    set_host_info(ref, data, nullptr);                                                                          \
  }                                                                                                             \
  void wasm_##name##_set_host_info_with_finalizer(wasm_##name##_t* ref, void* data, void (*finalizer)(void*)) { \
    set_host_info(ref, data, finalizer);                                                                        \
  }

#define SHUNT_WASM_REF(name)                                                 \
  SHUNT_WASM_REF_BASE(name)                                                  \
  wasm_ref_t* wasm_##name##_as_ref(wasm_##name##_t* ref) {                   \
    return ref;                                                              \
  }                                                                          \
  const wasm_ref_t* wasm_##name##_as_ref_const(const wasm_##name##_t* ref) { \
    return ref;                                                              \
  }                                                                          \
  wasm_##name##_t* wasm_ref_as_##name(wasm_ref_t* ref) {                     \
    return cast<wasm_##name##_t>(ref);                                       \
  }                                                                          \
  const wasm_##name##_t* wasm_ref_as_##name##_const(const wasm_ref_t* ref) { \
    return cast<const wasm_##name##_t>(ref);                                 \
  }

#define SHUNT_WASM_EXTERN(name)                                                    \
  SHUNT_WASM_REF(name)                                                             \
  wasm_extern_t* wasm_##name##_as_extern(wasm_##name##_t* ref) {                   \
    return ref;                                                                    \
  }                                                                                \
  const wasm_extern_t* wasm_##name##_as_extern_const(const wasm_##name##_t* ref) { \
    return ref;                                                                    \
  }                                                                                \
  wasm_##name##_t* wasm_extern_as_##name(wasm_extern_t* ref) {                     \
    return cast<wasm_##name##_t>(ref);                                             \
  }                                                                                \
  const wasm_##name##_t* wasm_extern_as_##name##_const(const wasm_extern_t* ref) { \
    return cast<const wasm_##name##_t>(ref);                                       \
  }

extern "C" {

SHUNT_WASM_REF_BASE(ref)
SHUNT_WASM_REF(extern)
SHUNT_WASM_EXTERN(func)
SHUNT_WASM_EXTERN(global)
SHUNT_WASM_EXTERN(table)
SHUNT_WASM_EXTERN(memory)
SHUNT_WASM_REF(instance)
SHUNT_WASM_REF(module)
SHUNT_WASM_REF(foreign)
SHUNT_WASM_REF(trap)

wasm_foreign_t* wasm_foreign_new(wasm_store_t* store) {
  return guarded([&] { return new wasm_foreign_t(store->objects, std::make_shared<shunt::wasmc::ForeignObject>()); });
}

}  // extern "C"
