// wasm.h's types: what a value, a function, an extern is. Immutable values, owned by whoever holds them.
#pragma once

#include <wasm.h>

#include <memory>

#include "shunt/runtime/module.h"

struct wasm_valtype_t {
  wasm_valkind_t kind;
};

// The base of the four types of externs, which wasm.h casts into each other.
struct wasm_externtype_t {
  explicit wasm_externtype_t(wasm_externkind_t of) : kind(of) {}
  virtual ~wasm_externtype_t() = default;
  wasm_externtype_t(const wasm_externtype_t&) = delete;
  wasm_externtype_t& operator=(const wasm_externtype_t&) = delete;

  const wasm_externkind_t kind;
};

struct wasm_functype_t : wasm_externtype_t {
  static constexpr wasm_externkind_t own_kind = WASM_EXTERN_FUNC;
  // Takes what the vectors own.
  wasm_functype_t(wasm_valtype_vec_t& params_in, wasm_valtype_vec_t& results_in);
  ~wasm_functype_t() override;

  wasm_valtype_vec_t params, results;
};

struct wasm_globaltype_t : wasm_externtype_t {
  static constexpr wasm_externkind_t own_kind = WASM_EXTERN_GLOBAL;
  wasm_globaltype_t(wasm_valkind_t content_kind, wasm_mutability_t is_mutable)
      : wasm_externtype_t(own_kind), content{content_kind}, mutability(is_mutable) {}

  wasm_valtype_t content;
  wasm_mutability_t mutability;
};

struct wasm_tabletype_t : wasm_externtype_t {
  static constexpr wasm_externkind_t own_kind = WASM_EXTERN_TABLE;
  wasm_tabletype_t(wasm_valkind_t element_kind, const wasm_limits_t& of)
      : wasm_externtype_t(own_kind), element{element_kind}, limits(of) {}

  wasm_valtype_t element;
  wasm_limits_t limits;
};

struct wasm_memorytype_t : wasm_externtype_t {
  static constexpr wasm_externkind_t own_kind = WASM_EXTERN_MEMORY;
  explicit wasm_memorytype_t(const wasm_limits_t& of) : wasm_externtype_t(own_kind), limits(of) {}

  wasm_limits_t limits;
};

struct wasm_importtype_t {
  explicit wasm_importtype_t(std::unique_ptr<wasm_externtype_t> type_in) : type(std::move(type_in)) {}
  ~wasm_importtype_t();
  wasm_importtype_t(const wasm_importtype_t&) = delete;
  wasm_importtype_t& operator=(const wasm_importtype_t&) = delete;

  wasm_name_t module{0, nullptr}, name{0, nullptr};
  std::unique_ptr<wasm_externtype_t> type;
};

struct wasm_exporttype_t {
  explicit wasm_exporttype_t(std::unique_ptr<wasm_externtype_t> type_in) : type(std::move(type_in)) {}
  ~wasm_exporttype_t();
  wasm_exporttype_t(const wasm_exporttype_t&) = delete;
  wasm_exporttype_t& operator=(const wasm_exporttype_t&) = delete;

  wasm_name_t name{0, nullptr};
  std::unique_ptr<wasm_externtype_t> type;
};

namespace shunt::wasmc {

wasm_valkind_t kind_of(runtime::ValueType type) noexcept;
runtime::ValueType type_of(wasm_valkind_t kind) noexcept;

// From the runtime's types.
std::unique_ptr<wasm_externtype_t> to_c(const runtime::ExternType& type);
std::unique_ptr<wasm_functype_t> to_c(const runtime::FunctionType& type);

// And back.
runtime::FunctionType from_c(const wasm_functype_t& type);
runtime::GlobalType from_c(const wasm_globaltype_t& type) noexcept;
runtime::TableType from_c(const wasm_tabletype_t& type) noexcept;
runtime::MemoryType from_c(const wasm_memorytype_t& type) noexcept;

wasm_name_t name_of(std::string_view text);

}  // namespace shunt::wasmc
