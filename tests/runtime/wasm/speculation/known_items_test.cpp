// What a module says itself of its tables and globals. Needs no LLVM.
#include "runtime/wasm/speculation/known_items.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

#include "runtime/wasm/module/function_body.h"
#include "shunt/runtime/module_file.h"

namespace shunt::test {
namespace {

using wasm::KnownTable;
using wasm::Lasts;

class NoSink final : public wasm::FunctionSink {
  Status begin_code(const wasm::ModuleData&) override { return Ok{}; }
  Status function(const wasm::FunctionBody&) override { return Ok{}; }
};

std::unique_ptr<wasm::ModuleData> read(const std::string& fields) {
  const auto bytes = runtime::assemble("(module (type $t (func)) (func $a) (func $b) " + fields + ")", "m.wat");
  if (!bytes) throw std::runtime_error(bytes.error().message());
  NoSink sink;
  auto module = wasm::read_module(*bytes, "m.wat", sink);
  if (!module) throw std::runtime_error(module.error().message());
  return std::move(*module);
}

// "4: 1=0 3=1 always", or "unknown".
std::string table(const std::string& fields, std::uint32_t index = 0) {
  const auto known = wasm::known_table(*read(fields), index);
  if (!known) return "unknown";
  std::string text = std::to_string(known->size) + ":";
  for (const KnownTable::Entry& entry : known->entries) {
    text += " " + std::to_string(entry.index) + "=" + std::to_string(entry.function);
  }
  return text + (known->lasts == Lasts::Always ? " always" : " while unwritten");
}

std::string global(const std::string& fields) {
  const auto bits = wasm::known_global(*read(fields), 0);
  return bits ? std::to_string(*bits) : "unknown";
}

TEST(KnownItems, ATableHoldsWhatTheSegmentsPutThereInTheirOrder) {
  EXPECT_EQ(table("(table 4 funcref)"), "4: always");
  EXPECT_EQ(table("(table 4 funcref) (elem (i32.const 1) $a $b)"), "4: 1=0 2=1 always");
  EXPECT_EQ(table("(table 4 funcref) (elem (i32.const 2) $a $a) (elem (i32.const 1) $b $b)"), "4: 1=1 2=1 3=0 always");
  EXPECT_EQ(table("(table 4 funcref) (elem (i32.const 0) $a $b) (elem (i32.const 0) funcref (ref.null func))"),
            "4: 1=1 always");
  EXPECT_EQ(table("(table 4 funcref) (elem funcref (ref.func $a)) (elem declare func $b)"), "4: always")
      << "segments that are not active";
  EXPECT_EQ(table("(table 1 funcref) (table $u 2 funcref) (elem (table $u) (i32.const 0) func $b)", 1),
            "2: 0=1 always");
  EXPECT_EQ(table("(table 4 funcref) (elem (i32.const 4))"), "4: always");
}

TEST(KnownItems, WhatDependsOnTheInstanceIsNotKnown) {
  EXPECT_EQ(table("(table 4 funcref) (global $g i32 (i32.const 0)) (elem (i32.const 3) $a $a)"), "unknown")
      << "does not fit";
  const auto imports = [](const std::string& fields) {
    const auto bytes = runtime::assemble(
        "(module (import \"e\" \"t\" (table 4 funcref)) (import \"e\" \"g\" (global $g i32)) "
        "(func $a) (table $own 4 funcref) " +
            fields + ")",
        "m.wat");
    if (!bytes) throw std::runtime_error(bytes.error().message());
    NoSink sink;
    auto module = wasm::read_module(*bytes, "m.wat", sink);
    if (!module) throw std::runtime_error(module.error().message());
    return std::move(*module);
  };
  EXPECT_FALSE(wasm::known_table(*imports(""), 0)) << "imported";
  EXPECT_TRUE(wasm::known_table(*imports(""), 1));
  EXPECT_FALSE(wasm::known_table(*imports("(elem (table $own) (global.get $g) func $a)"), 1));
  // If the first segment has given functions away and the second does not fit, they run without what is in the third.
  EXPECT_FALSE(wasm::known_table(
      *imports("(elem (table 0) (i32.const 0) func $a) (elem (table $own) (i32.const 0) func $a)"), 1));
  EXPECT_TRUE(wasm::known_table(
      *imports("(elem (table $own) (i32.const 0) func $a) (elem (table 0) (i32.const 0) func $a)"), 1));
  EXPECT_FALSE(wasm::known_global(*imports(""), 0));
  EXPECT_FALSE(wasm::known_global(*imports("(global i32 (global.get $g))"), 1));
}

TEST(KnownItems, WhoCouldWriteATableMakesItAnAssumption) {
  EXPECT_EQ(table("(table (export \"t\") 1 funcref)"), "1: while unwritten");
  for (const char* const write : {
           "(table.set 0 (i32.const 0) (ref.null func))",
           "(drop (table.grow 0 (ref.null func) (i32.const 1)))",
           "(table.fill 0 (i32.const 0) (ref.null func) (i32.const 1))",
           "(table.copy 0 1 (i32.const 0) (i32.const 0) (i32.const 1))",
           "(table.init 0 $s (i32.const 0) (i32.const 0) (i32.const 1))",
       }) {
    const std::string fields =
        "(table 1 funcref) (table 1 funcref) (elem $s func $a) (func " + std::string(write) + ")";
    EXPECT_EQ(table(fields), "1: while unwritten") << write;
    EXPECT_EQ(table(fields, 1), "1: always") << write;
  }
  EXPECT_EQ(table("(table 1 funcref) (func (drop (table.get 0 (i32.const 0))))"), "1: always");
}

TEST(KnownItems, AGlobalThatNobodyWritesIsKnown) {
  EXPECT_EQ(global("(global i32 (i32.const -1))"), "4294967295");
  EXPECT_EQ(global("(global (mut i64) (i64.const 7))"), "7");
  EXPECT_EQ(global("(global (export \"g\") i32 (i32.const 7))"), "7") << "immutable";
  EXPECT_EQ(global("(global (export \"g\") (mut i32) (i32.const 7))"), "unknown");
  EXPECT_EQ(global("(global (mut i32) (i32.const 7)) (func (global.set 0 (i32.const 1)))"), "unknown");
  EXPECT_EQ(global("(global (mut funcref) (ref.null func))"), "0");
  EXPECT_EQ(global("(global funcref (ref.func $a))"), "unknown") << "each instance has its own";
}

}  // namespace
}  // namespace shunt::test
