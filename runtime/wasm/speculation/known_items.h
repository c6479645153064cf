// What a module says itself of its tables and globals: what its own initialisers put there, which holds in every
// instance whose code can run. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "runtime/wasm/module/module_data.h"

namespace shunt::wasm {

enum class Lasts : std::uint8_t {
  Always,          // no instruction of the module writes it, and nobody else can
  WhileUnwritten,  // until the first write by an instruction, by the host, or by another module
};

struct KnownTable {
  struct Entry {
    std::uint32_t index;
    std::uint32_t function;  // of the instance that owns the table
  };
  Lasts lasts = Lasts::Always;
  std::uint64_t size = 0;
  std::vector<Entry> entries;  // by index; the others are null
};

// Nothing where it depends on the instance: imported tables, and what comes from imported globals.
std::optional<KnownTable> known_table(const ModuleData& module, std::uint32_t table);

// The bits of a global that nobody can write, nor the module, nor, if it is exported, anybody else; nothing where they
// depend on the instance.
std::optional<std::uint64_t> known_global(const ModuleData& module, std::uint32_t global);

}  // namespace shunt::wasm
