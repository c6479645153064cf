// wasm.h's modules. One that is serialised is its bytes behind a header: there is no compiled form, so it is validated
// and compiled again where it is read.
//
//   0   8   "shuntwm" and a zero
//   8   4   version of this format, little endian
//   12  4   zero
//   16  8   bytes of the module, little endian
//   24  8   FNV-1a of them, little endian
//   32      the module
#include <algorithm>
#include <array>
#include <string>

#include "runtime/capi/errors.h"
#include "runtime/capi/store.h"
#include "runtime/capi/types.h"
#include "runtime/capi/vectors.h"
#include "runtime/wasm/module/function_body.h"

struct wasm_shared_module_t {
  shunt::wasmc::ModuleObject object;
};

namespace shunt::wasmc {
namespace {

using ConstBytes = std::span<const std::uint8_t>;

constexpr std::array<std::uint8_t, 8> magic{'s', 'h', 'u', 'n', 't', 'w', 'm', 0};
constexpr std::uint64_t format_version = 1;
constexpr std::size_t header_bytes = 32;

ConstBytes bytes_of(const wasm_byte_vec_t& vec) {
  return {reinterpret_cast<const std::uint8_t*>(vec.data), vec.size};
}

void put(std::uint8_t* to, std::uint64_t value) {
  for (int i = 0; i < 8; ++i) to[i] = static_cast<std::uint8_t>(value >> (8 * i));
}

std::uint64_t number_at(ConstBytes from, std::size_t offset) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 8; ++i) value |= std::uint64_t{from[offset + i]} << (8 * i);
  return value;
}

std::uint64_t fnv1a(ConstBytes bytes) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const std::uint8_t byte : bytes) hash = (hash ^ byte) * 0x100000001b3;
  return hash;
}

Result<ConstBytes> unwrap(ConstBytes wrapped) {
  const auto refuse = [](const char* why) {
    return make_error(ErrorCode::BadModule, std::string("wasm_module_deserialize: ") + why);
  };
  if (wrapped.size() < header_bytes || !std::equal(magic.begin(), magic.end(), wrapped.begin()))
    return refuse("these bytes come from no wasm_module_serialize of shunt");
  if (number_at(wrapped, 8) != format_version) return refuse("serialised by another version: serialise it again");
  const ConstBytes module = wrapped.subspan(header_bytes);
  if (number_at(wrapped, 16) != module.size()) return refuse("cut off, or longer than it was");
  if (number_at(wrapped, 24) != fnv1a(module)) return refuse("bytes have changed since");
  return module;
}

wasm_module_t* load(wasm_store_t* store, ConstBytes bytes) {
  Result<runtime::Module> module = store->objects->engine().load(bytes);
  if (!module) {
    keep_error(module.error());
    return nullptr;
  }
  auto kept = std::make_shared<const std::vector<std::uint8_t>>(bytes.begin(), bytes.end());
  return new wasm_module_t(store->objects, std::make_shared<ModuleObject>(store->objects->shared_engine(),
                                                                          std::move(*module), std::move(kept)));
}

// Validates and throws away.
class NoSink final : public wasm::FunctionSink {
 public:
  Status begin_code(const wasm::ModuleData&) override { return Ok{}; }
  Status function(const wasm::FunctionBody&) override { return Ok{}; }
};

bool is_flag(const runtime::ImportType& import) {
  return std::holds_alternative<runtime::FunctionType>(import.type) && import.module == wasm::flags_module;
}

wasm_importtype_t* described(const runtime::ImportType& import) {
  auto made = std::make_unique<wasm_importtype_t>(to_c(import.type));
  made->module = name_of(import.module);
  made->name = name_of(import.name);
  return made.release();
}

wasm_exporttype_t* described(const runtime::ExportType& item) {
  auto made = std::make_unique<wasm_exporttype_t>(to_c(item.type));
  made->name = name_of(item.name);
  return made.release();
}

// The vector is complete, or empty if there is no memory.
template <class Vec, class Items, class Delete>
void fill(Vec* out, const Items& items, Delete delete_all) {
  allocate(*out, items.size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    try {
      out->data[i] = described(items[i]);
    } catch (...) {
      delete_all(out);
      throw;
    }
  }
}

}  // namespace
}  // namespace shunt::wasmc

using shunt::wasmc::guarded;
using shunt::wasmc::ModuleObject;

extern "C" {

wasm_module_t* wasm_module_new(wasm_store_t* store, const wasm_byte_vec_t* binary) {
  return guarded([&] { return shunt::wasmc::load(store, shunt::wasmc::bytes_of(*binary)); });
}

bool wasm_module_validate(wasm_store_t*, const wasm_byte_vec_t* binary) {
  return guarded([&] {
    shunt::wasmc::NoSink sink;
    const auto read = shunt::wasm::read_module(shunt::wasmc::bytes_of(*binary), "<module>", sink);
    if (!read) shunt::wasmc::keep_error(read.error());
    return static_cast<bool>(read);
  });
}

void wasm_module_imports(const wasm_module_t* module, wasm_importtype_vec_t* out) {
  *out = {0, nullptr};
  guarded([&] {
    std::vector<shunt::runtime::ImportType> imports = module->counted->module.imports();
    std::erase_if(imports, shunt::wasmc::is_flag);
    shunt::wasmc::fill(out, imports, &wasm_importtype_vec_delete);
  });
}

void wasm_module_exports(const wasm_module_t* module, wasm_exporttype_vec_t* out) {
  *out = {0, nullptr};
  guarded([&] { shunt::wasmc::fill(out, module->counted->module.exports(), &wasm_exporttype_vec_delete); });
}

void wasm_module_serialize(const wasm_module_t* module, wasm_byte_vec_t* out) {
  *out = {0, nullptr};
  guarded([&] {
    const std::vector<std::uint8_t>& bytes = *module->counted->bytes;
    shunt::wasmc::allocate(*out, shunt::wasmc::header_bytes + bytes.size());
    auto* const to = reinterpret_cast<std::uint8_t*>(out->data);
    std::copy(shunt::wasmc::magic.begin(), shunt::wasmc::magic.end(), to);
    shunt::wasmc::put(to + 8, shunt::wasmc::format_version);
    shunt::wasmc::put(to + 16, bytes.size());
    shunt::wasmc::put(to + 24, shunt::wasmc::fnv1a(bytes));
    std::copy(bytes.begin(), bytes.end(), to + shunt::wasmc::header_bytes);
  });
}

wasm_module_t* wasm_module_deserialize(wasm_store_t* store, const wasm_byte_vec_t* serialized) {
  return guarded([&]() -> wasm_module_t* {
    const auto bytes = shunt::wasmc::unwrap(shunt::wasmc::bytes_of(*serialized));
    if (bytes) return shunt::wasmc::load(store, *bytes);
    shunt::wasmc::keep_error(bytes.error());
    return nullptr;
  });
}

wasm_shared_module_t* wasm_module_share(const wasm_module_t* module) {
  const ModuleObject& object = *module->counted;
  return guarded([&] { return new wasm_shared_module_t{{object.engine, object.module, object.bytes}}; });
}

wasm_module_t* wasm_module_obtain(wasm_store_t* store, const wasm_shared_module_t* shared) {
  return guarded([&]() -> wasm_module_t* {
    const ModuleObject& object = shared->object;
    if (object.engine != store->objects->shared_engine()) {
      shunt::wasmc::keep_error("wasm_module_obtain: the store belongs to another engine than the module");
      return nullptr;
    }
    return new wasm_module_t(store->objects,
                             std::make_shared<ModuleObject>(object.engine, object.module, object.bytes));
  });
}

void wasm_shared_module_delete(wasm_shared_module_t* shared) {
  delete shared;
}

}  // extern "C"
