// wasm.h's vectors: an array on the heap with its size. What elements own is freed with the vector.
#pragma once

#include <wasm.h>

#include <cstdlib>
#include <cstring>
#include <new>

namespace shunt::wasmc {

// `size` elements of zeroes: null pointers, empty values. Throws std::bad_alloc.
template <class Vec>
void allocate(Vec& out, std::size_t size) {
  out = {0, nullptr};
  if (size == 0) return;
  auto* const data = static_cast<decltype(out.data)>(std::calloc(size, sizeof *out.data));
  if (data == nullptr) throw std::bad_alloc();
  out = {size, data};
}

// Moves what `from` owns.
template <class Vec>
Vec taken(Vec& from) noexcept {
  const Vec all = from;
  from = {0, nullptr};
  return all;
}

}  // namespace shunt::wasmc
