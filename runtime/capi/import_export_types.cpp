// wasm.h's import and export types: names with what they stand for.
#include <memory>

#include "runtime/capi/errors.h"
#include "runtime/capi/types.h"
#include "runtime/capi/vectors.h"

using shunt::wasmc::guarded;
using shunt::wasmc::taken;

namespace {

wasm_name_t copy_of(const wasm_name_t& name) {
  return shunt::wasmc::name_of({name.data, name.size});
}

std::unique_ptr<wasm_externtype_t> copy_of(const wasm_externtype_t& type) {
  std::unique_ptr<wasm_externtype_t> copy(wasm_externtype_copy(&type));
  if (!copy) throw std::bad_alloc();
  return copy;
}

}  // namespace

extern "C" {

wasm_importtype_t* wasm_importtype_new(wasm_name_t* module, wasm_name_t* name, wasm_externtype_t* type) {
  return guarded([&] {
    auto made = std::make_unique<wasm_importtype_t>(std::unique_ptr<wasm_externtype_t>(type));
    made->module = taken(*module);
    made->name = taken(*name);
    return made.release();
  });
}
wasm_importtype_t* wasm_importtype_copy(const wasm_importtype_t* type) {
  return guarded([&] {
    auto made = std::make_unique<wasm_importtype_t>(copy_of(*type->type));
    made->module = copy_of(type->module);
    made->name = copy_of(type->name);
    return made.release();
  });
}
void wasm_importtype_delete(wasm_importtype_t* type) {
  delete type;
}
const wasm_name_t* wasm_importtype_module(const wasm_importtype_t* type) {
  return &type->module;
}
const wasm_name_t* wasm_importtype_name(const wasm_importtype_t* type) {
  return &type->name;
}
const wasm_externtype_t* wasm_importtype_type(const wasm_importtype_t* type) {
  return type->type.get();
}

wasm_exporttype_t* wasm_exporttype_new(wasm_name_t* name, wasm_externtype_t* type) {
  return guarded([&] {
    auto made = std::make_unique<wasm_exporttype_t>(std::unique_ptr<wasm_externtype_t>(type));
    made->name = taken(*name);
    return made.release();
  });
}
wasm_exporttype_t* wasm_exporttype_copy(const wasm_exporttype_t* type) {
  return guarded([&] {
    auto made = std::make_unique<wasm_exporttype_t>(copy_of(*type->type));
    made->name = copy_of(type->name);
    return made.release();
  });
}
void wasm_exporttype_delete(wasm_exporttype_t* type) {
  delete type;
}
const wasm_name_t* wasm_exporttype_name(const wasm_exporttype_t* type) {
  return &type->name;
}
const wasm_externtype_t* wasm_exporttype_type(const wasm_exporttype_t* type) {
  return type->type.get();
}

}  // extern "C"
