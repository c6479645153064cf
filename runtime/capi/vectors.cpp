#include "runtime/capi/vectors.h"

#include <algorithm>

#include "runtime/capi/errors.h"

namespace shunt::wasmc {
namespace {

template <class Vec, class Element>
void make(Vec* out, std::size_t size, const Element* from) noexcept {
  *out = {0, nullptr};
  guarded([&] {
    allocate(*out, size);
    if (out->size != 0) std::copy_n(from, size, out->data);
  });
}

// Elements are copied by `copy`. If one cannot be, the copy is empty, and nothing is lost.
template <class Vec, class Copy, class Delete>
void copy(Vec* out, const Vec* from, Copy copy_element, Delete delete_all) noexcept {
  *out = {0, nullptr};
  guarded([&] {
    allocate(*out, from->size);
    for (std::size_t i = 0; i < from->size; ++i) {
      if (copy_element(out->data[i], from->data[i])) continue;
      delete_all(out);
      throw std::bad_alloc();
    }
  });
}

template <class Vec, class Delete>
void destroy(Vec* vec, Delete delete_element) noexcept {
  for (std::size_t i = 0; i < vec->size; ++i) delete_element(vec->data[i]);
  std::free(static_cast<void*>(vec->data));
  *vec = {0, nullptr};
}

}  // namespace
}  // namespace shunt::wasmc

// What every vector has. COPY is called with the new element, by reference, and the old one; false: no memory.
#define SHUNT_WASM_VECTOR(name, element, COPY, DELETE)                                          \
  void wasm_##name##_vec_new_empty(wasm_##name##_vec_t* out) {                                  \
    *out = {0, nullptr};                                                                        \
  }                                                                                             \
  void wasm_##name##_vec_new_uninitialized(wasm_##name##_vec_t* out, size_t size) {             \
    shunt::wasmc::guarded([&] { shunt::wasmc::allocate(*out, size); });                         \
  }                                                                                             \
  void wasm_##name##_vec_new(wasm_##name##_vec_t* out, size_t size, element const elements[]) { \
    shunt::wasmc::make(out, size, elements);                                                    \
  }                                                                                             \
  void wasm_##name##_vec_copy(wasm_##name##_vec_t* out, const wasm_##name##_vec_t* vec) {       \
    shunt::wasmc::copy(out, vec, COPY, &wasm_##name##_vec_delete);                              \
  }                                                                                             \
  void wasm_##name##_vec_delete(wasm_##name##_vec_t* vec) {                                     \
    shunt::wasmc::destroy(vec, DELETE);                                                         \
  }

#define SHUNT_WASM_VECTOR_OF_POINTERS(name)                        \
  SHUNT_WASM_VECTOR(                                               \
      name, wasm_##name##_t*,                                      \
      [](wasm_##name##_t*& to, const wasm_##name##_t* from) {      \
        to = from == nullptr ? nullptr : wasm_##name##_copy(from); \
        return to != nullptr || from == nullptr;                   \
      },                                                           \
      [](wasm_##name##_t* one) { wasm_##name##_delete(one); })

extern "C" {

SHUNT_WASM_VECTOR(
    byte, wasm_byte_t,
    [](wasm_byte_t& to, wasm_byte_t from) {
      to = from;
      return true;
    },
    [](wasm_byte_t) {})

SHUNT_WASM_VECTOR(
    val, wasm_val_t,
    [](wasm_val_t& to, const wasm_val_t& from) {
      wasm_val_copy(&to, &from);
      return !wasm_valkind_is_ref(from.kind) || from.of.ref == nullptr || to.of.ref != nullptr;
    },
    [](wasm_val_t& one) { wasm_val_delete(&one); })

SHUNT_WASM_VECTOR_OF_POINTERS(valtype)
SHUNT_WASM_VECTOR_OF_POINTERS(functype)
SHUNT_WASM_VECTOR_OF_POINTERS(globaltype)
SHUNT_WASM_VECTOR_OF_POINTERS(tabletype)
SHUNT_WASM_VECTOR_OF_POINTERS(memorytype)
SHUNT_WASM_VECTOR_OF_POINTERS(externtype)
SHUNT_WASM_VECTOR_OF_POINTERS(importtype)
SHUNT_WASM_VECTOR_OF_POINTERS(exporttype)
SHUNT_WASM_VECTOR_OF_POINTERS(frame)
SHUNT_WASM_VECTOR_OF_POINTERS(extern)

}  // extern "C"
