// Validates function bodies with wabt's type checker.
//
// Everything outside of bodies is validated by wabt's SharedValidator. Its entry points for operations copy a location,
// an index object and whole signatures each time, which would be half the time of reading a module; and three of its
// rules are not those of the specification: it takes the result of a typed select for a value of any type, lets
// call_indirect go through a table of host words, and asserts on code behind a function's last `end`
// (ModuleReader::OnOpcode refuses that).
#pragma once

#include <wabt/type-checker.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/wasm/module/module_data.h"

namespace shunt::wasm {

// FunctionBody::block_types begin with no result, then one result of each value type; the module's types follow.
inline constexpr std::uint32_t first_module_block_type = 7;

wabt::Type to_wabt(ValueType type);

// After a failure, message() says why. Not thread-safe.
class BodyValidator {
 public:
  // `module` must outlive it.
  BodyValidator(const ModuleData& module, const wabt::Features& features);
  BodyValidator(const BodyValidator&) = delete;
  BodyValidator& operator=(const BodyValidator&) = delete;

  // All sections before the code section are complete.
  void begin_code();
  void set_data_count(std::uint32_t count) { data_count_ = count; }
  void begin_function(const FunctionType& type, std::span<const ValueType> locals);

  // "type mismatch" where wabt's checker fails without saying more.
  [[nodiscard]] const std::string& message() const { return message_; }

  // For operations that need nothing but their operands' types.
  [[nodiscard]] wabt::TypeChecker& checker() { return checker_; }

  wabt::Result block(std::uint32_t block_type);
  wabt::Result loop(std::uint32_t block_type);
  wabt::Result if_(std::uint32_t block_type);
  wabt::Result br_table(std::span<const std::uint32_t> depths);
  wabt::Result select(ValueType type);
  wabt::Result call(std::uint32_t function);
  wabt::Result call_indirect(std::uint32_t type, std::uint32_t table);
  wabt::Result local_get(std::uint32_t local);
  wabt::Result local_set(std::uint32_t local);
  wabt::Result local_tee(std::uint32_t local);
  wabt::Result global_get(std::uint32_t global);
  wabt::Result global_set(std::uint32_t global);
  wabt::Result load(wabt::Opcode opcode, wabt::Address align_log2);
  wabt::Result store(wabt::Opcode opcode, wabt::Address align_log2);
  wabt::Result memory_size();
  wabt::Result memory_grow();
  wabt::Result memory_fill();
  wabt::Result memory_copy();
  wabt::Result memory_init(std::uint32_t segment);
  wabt::Result data_drop(std::uint32_t segment);
  wabt::Result table_get(std::uint32_t table);
  wabt::Result table_set(std::uint32_t table);
  wabt::Result table_size(std::uint32_t table);
  wabt::Result table_grow(std::uint32_t table);
  wabt::Result table_fill(std::uint32_t table);
  wabt::Result table_copy(std::uint32_t destination, std::uint32_t source);
  wabt::Result table_init(std::uint32_t segment, std::uint32_t table);
  wabt::Result elem_drop(std::uint32_t segment);
  wabt::Result ref_func(std::uint32_t function);

 private:
  struct Signature {
    wabt::TypeVector params, results;
  };

  wabt::Result fail(std::string message);
  wabt::Result check_index(std::uint32_t index, std::size_t count, const char* what) {
    return index < count ? wabt::Result(wabt::Result::Ok) : out_of_range(index, count, what);
  }
  wabt::Result out_of_range(std::uint32_t index, std::size_t count, const char* what);
  wabt::Result table_exists(std::uint32_t table) { return check_index(table, module_.tables.size(), "table"); }
  wabt::Result check_memory() { return check_index(0, module_.memories.size(), "memory"); }
  wabt::Result check_alignment(wabt::Opcode opcode, wabt::Address align_log2);
  wabt::Result check_equal(ValueType from, ValueType to, const char* what);
  [[nodiscard]] wabt::Type element(std::uint32_t table) const { return to_wabt(module_.tables[table].type.element); }

  const ModuleData& module_;
  wabt::TypeChecker checker_;
  std::string message_ = "type mismatch";
  std::vector<Signature> signatures_;  // by block type
  std::vector<bool> declared_;         // by function: may be referred to in bodies
  std::uint32_t data_count_ = 0;
  std::span<const ValueType> locals_;
  const wabt::Limits memory_limits_;  // of 32-bit memories
};

}  // namespace shunt::wasm
