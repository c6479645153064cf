// wasm.h's references: handles to objects of a store. Many handles may refer to one object; each keeps its store alive.
//
//   wasm_ref_t
//     wasm_extern_t       func, global, table, memory     live as long as their store
//     wasm_instance_t                                     lives as long as its store
//     wasm_module_t, wasm_foreign_t, wasm_trap_t          counted
//
// Host information belongs to the object, not to the handle, and ends with it.
#pragma once

#include <wasm.h>

#include <memory>
#include <string>
#include <vector>

#include "runtime/capi/engine.h"
#include "runtime/wasm/instance/extern_value.h"

namespace shunt::wasmc {

class StoreObjects;

// What the host attached to an object. Its finalizer is called once: when the object ends, or something else is
// attached.
class HostInfo {
 public:
  using Finalizer = void (*)(void*);
  HostInfo() = default;
  ~HostInfo() { set(nullptr, nullptr); }
  HostInfo(const HostInfo&) = delete;
  HostInfo& operator=(const HostInfo&) = delete;

  [[nodiscard]] void* data() const { return data_; }
  void set(void* data, Finalizer finalizer) {
    void* const old_data = std::exchange(data_, data);
    if (const Finalizer old = std::exchange(finalizer_, finalizer)) old(old_data);
  }

 private:
  void* data_ = nullptr;
  Finalizer finalizer_ = nullptr;
};

// An object that ends with its last handle.
struct CountedObject {
  HostInfo info;
};
struct ForeignObject : CountedObject {};
struct ModuleObject : CountedObject {
  ModuleObject(std::shared_ptr<SharedEngine> of, runtime::Module loaded,
               std::shared_ptr<const std::vector<std::uint8_t>> from)
      : engine(std::move(of)), module(std::move(loaded)), bytes(std::move(from)) {}
  std::shared_ptr<SharedEngine> engine;  // ends after the module
  runtime::Module module;
  std::shared_ptr<const std::vector<std::uint8_t>> bytes;  // to serialise it
};
struct TrapFrame {
  wasm::InstanceState* instance;  // null: not known
  std::uint32_t function, function_offset, module_offset;
};
struct TrapObject : CountedObject {
  explicit TrapObject(std::string text) : message(std::move(text)) {}
  std::string message;
  std::vector<TrapFrame> frames;  // the innermost first
  bool interrupted = false;
};

enum class RefKind : std::uint8_t { Func, Global, Table, Memory, Instance, Module, Foreign, Trap };

}  // namespace shunt::wasmc

struct wasm_ref_t {
  using Kind = shunt::wasmc::RefKind;
  virtual ~wasm_ref_t() = default;
  wasm_ref_t& operator=(const wasm_ref_t&) = delete;

  [[nodiscard]] virtual wasm_ref_t* clone() const = 0;
  // Null if there is none, unless one is to be made.
  [[nodiscard]] virtual shunt::wasmc::HostInfo* info(bool make) const;

  static bool is(Kind) { return true; }

  const Kind kind;
  const void* const object;  // the same for all handles of one object
  // Null only for handles that the store itself holds.
  std::shared_ptr<shunt::wasmc::StoreObjects> store;

 protected:
  wasm_ref_t(Kind of, const void* to, std::shared_ptr<shunt::wasmc::StoreObjects> owner)
      : kind(of), object(to), store(std::move(owner)) {}
  wasm_ref_t(const wasm_ref_t&) = default;
};

struct wasm_extern_t : wasm_ref_t {
  static bool is(Kind kind) { return kind <= Kind::Memory; }
  [[nodiscard]] virtual shunt::wasm::Extern as_import() const = 0;

 protected:
  using wasm_ref_t::wasm_ref_t;
  wasm_extern_t(const wasm_extern_t&) = default;
};

struct wasm_func_t final : wasm_extern_t {
  wasm_func_t(std::shared_ptr<shunt::wasmc::StoreObjects> owner, const shunt::wasm::FuncRef& to)
      : wasm_extern_t(Kind::Func, &shunt::wasm::owners_reference(to), std::move(owner)),
        reference(shunt::wasm::owners_reference(to)) {}
  static bool is(Kind kind) { return kind == Kind::Func; }
  [[nodiscard]] wasm_ref_t* clone() const override { return new wasm_func_t(*this); }
  [[nodiscard]] shunt::wasm::Extern as_import() const override { return shunt::wasm::as_import(reference); }
  [[nodiscard]] shunt::wasm::InstanceState& instance() const { return shunt::wasm::owner_of(reference); }
  [[nodiscard]] const shunt::runtime::FunctionType& type() const {
    return instance().data().type_of_function(reference.function);
  }

  shunt::wasm::FuncRef& reference;  // its owner's
};

struct wasm_global_t final : wasm_extern_t {
  wasm_global_t(std::shared_ptr<shunt::wasmc::StoreObjects> owner, const shunt::wasm::ExternGlobal& to)
      : wasm_extern_t(Kind::Global, to.cell, std::move(owner)), global(to) {}
  static bool is(Kind kind) { return kind == Kind::Global; }
  [[nodiscard]] wasm_ref_t* clone() const override { return new wasm_global_t(*this); }
  [[nodiscard]] shunt::wasm::Extern as_import() const override { return global; }

  shunt::wasm::ExternGlobal global;
};

struct wasm_table_t final : wasm_extern_t {
  wasm_table_t(std::shared_ptr<shunt::wasmc::StoreObjects> owner, shunt::wasm::Table& to)
      : wasm_extern_t(Kind::Table, &to, std::move(owner)), table(to) {}
  static bool is(Kind kind) { return kind == Kind::Table; }
  [[nodiscard]] wasm_ref_t* clone() const override { return new wasm_table_t(*this); }
  [[nodiscard]] shunt::wasm::Extern as_import() const override { return &table; }

  shunt::wasm::Table& table;
};

struct wasm_memory_t final : wasm_extern_t {
  wasm_memory_t(std::shared_ptr<shunt::wasmc::StoreObjects> owner, shunt::wasm::LinearMemory& to)
      : wasm_extern_t(Kind::Memory, &to, std::move(owner)), memory(to) {}
  static bool is(Kind kind) { return kind == Kind::Memory; }
  [[nodiscard]] wasm_ref_t* clone() const override { return new wasm_memory_t(*this); }
  [[nodiscard]] shunt::wasm::Extern as_import() const override { return &memory; }

  shunt::wasm::LinearMemory& memory;
};

struct wasm_instance_t final : wasm_ref_t {
  wasm_instance_t(std::shared_ptr<shunt::wasmc::StoreObjects> owner, shunt::wasm::InstanceState& to)
      : wasm_ref_t(Kind::Instance, &to, std::move(owner)), instance(to) {}
  static bool is(Kind kind) { return kind == Kind::Instance; }
  [[nodiscard]] wasm_ref_t* clone() const override { return new wasm_instance_t(*this); }

  shunt::wasm::InstanceState& instance;
};

namespace shunt::wasmc {

template <class Object>
struct CountedRef : wasm_ref_t {
  CountedRef(Kind of, std::shared_ptr<StoreObjects> owner, std::shared_ptr<Object> to)
      : wasm_ref_t(of, to.get(), std::move(owner)), counted(std::move(to)) {}
  [[nodiscard]] HostInfo* info(bool) const override { return &counted->info; }

  std::shared_ptr<Object> counted;
};

}  // namespace shunt::wasmc

struct wasm_module_t final : shunt::wasmc::CountedRef<shunt::wasmc::ModuleObject> {
  wasm_module_t(std::shared_ptr<shunt::wasmc::StoreObjects> owner, std::shared_ptr<shunt::wasmc::ModuleObject> to)
      : CountedRef(Kind::Module, std::move(owner), std::move(to)) {}
  static bool is(Kind kind) { return kind == Kind::Module; }
  [[nodiscard]] wasm_ref_t* clone() const override { return new wasm_module_t(*this); }
};

struct wasm_foreign_t final : shunt::wasmc::CountedRef<shunt::wasmc::ForeignObject> {
  wasm_foreign_t(std::shared_ptr<shunt::wasmc::StoreObjects> owner, std::shared_ptr<shunt::wasmc::ForeignObject> to)
      : CountedRef(Kind::Foreign, std::move(owner), std::move(to)) {}
  static bool is(Kind kind) { return kind == Kind::Foreign; }
  [[nodiscard]] wasm_ref_t* clone() const override { return new wasm_foreign_t(*this); }
};

struct wasm_trap_t final : shunt::wasmc::CountedRef<shunt::wasmc::TrapObject> {
  wasm_trap_t(std::shared_ptr<shunt::wasmc::StoreObjects> owner, std::shared_ptr<shunt::wasmc::TrapObject> to)
      : CountedRef(Kind::Trap, std::move(owner), std::move(to)) {}
  static bool is(Kind kind) { return kind == Kind::Trap; }
  [[nodiscard]] wasm_ref_t* clone() const override { return new wasm_trap_t(*this); }
};
