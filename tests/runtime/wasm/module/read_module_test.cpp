#include <gtest/gtest.h>

#include "shunt/runtime/module_file.h"
#include "tests/runtime/wasm/module/read.h"

namespace shunt::test {
namespace {

using runtime::assemble;
using wabt::Opcode;
using wasm::ValueType;

Read read_text(std::string_view text) {
  Result<std::vector<std::uint8_t>> bytes = assemble(text, "m.wat");
  EXPECT_TRUE(bytes) << bytes.error().message();
  return Read(*bytes);
}

std::vector<Opcode::Enum> opcodes(const RecordedBody& body) {
  std::vector<Opcode::Enum> all;
  for (const wasm::Op& op : body.ops) all.push_back(op.opcode);
  return all;
}

TEST(ReadModule, DeliversOperationsWithTheirImmediatesAndPlaces) {
  const Read read = read_text(R"((module
      (memory 1)
      (func (param i32 i64) (result i32) (local f64 f64)
        local.get 0
        i32.load16_u offset=70000
        i64.const -2
        local.set 1
        f64.const -0
        local.set 2)))");
  ASSERT_TRUE(read.module) << read.message();
  ASSERT_EQ(read.sink.bodies.size(), 1u);
  const RecordedBody& body = read.sink.bodies[0];
  EXPECT_EQ(body.locals, (std::vector{ValueType::I32, ValueType::I64, ValueType::F64, ValueType::F64}));
  EXPECT_EQ(opcodes(body), (std::vector{Opcode::LocalGet, Opcode::I32Load16U, Opcode::I64Const, Opcode::LocalSet,
                                        Opcode::F64Const, Opcode::LocalSet, Opcode::End}));
  EXPECT_EQ(body.ops[0].a, 0u);
  EXPECT_EQ(body.ops[1].imm, 70000u);
  EXPECT_EQ(body.ops[2].imm, static_cast<std::uint64_t>(-2));
  EXPECT_EQ(body.ops[4].imm, std::uint64_t{1} << 63);
  // One group of locals (count 1, then 2 x f64) is 3 bytes, so the code begins there; sizes: 2, 5, 2, 2, 9, 2.
  const std::uint32_t first = body.offset + 3;
  const std::vector<std::uint32_t> places = {first,      first + 2,  first + 7, first + 9,
                                             first + 11, first + 20, first + 22};
  for (std::size_t i = 0; i < places.size(); ++i) EXPECT_EQ(body.ops[i].offset, places[i]) << i;
  EXPECT_EQ(body.ops.back().offset, body.offset + body.size - 1);
}

TEST(ReadModule, GivesBlocksTheirTypes) {
  const Read read = read_text(R"((module
      (type $pair (func (param i32) (result i32 i64)))
      (func
        block end
        (loop (result f32) (f32.const 1)) drop
        (if (result externref) (i32.const 1) (then (ref.null extern)) (else (ref.null extern))) drop
        i32.const 7
        block (type $pair) i64.const 8 end
        drop drop)))");
  ASSERT_TRUE(read.module) << read.message();
  const RecordedBody& body = read.sink.bodies.at(0);
  std::vector<wasm::FunctionType> seen;
  for (const wasm::Op& op : body.ops) {
    if (op.opcode == Opcode::Block || op.opcode == Opcode::Loop || op.opcode == Opcode::If)
      seen.push_back(body.block_types.at(op.a));
  }
  const std::vector<wasm::FunctionType> expected = {{{}, {}},
                                                    {{}, {ValueType::F32}},
                                                    {{}, {ValueType::ExternRef}},
                                                    {{ValueType::I32}, {ValueType::I32, ValueType::I64}}};
  EXPECT_EQ(seen, expected);
}

TEST(ReadModule, GivesBrTablesTheirTargetsAndTheDefaultBehindThem) {
  const Read read = read_text(R"((module (func (param i32)
      block block
        local.get 0
        br_table 0 1 2 1
      end end
      local.get 0
      br_table 0)))");
  ASSERT_TRUE(read.module) << read.message();
  const RecordedBody& body = read.sink.bodies.at(0);
  std::vector<std::vector<std::uint32_t>> tables;
  for (const wasm::Op& op : body.ops) {
    if (op.opcode != Opcode::BrTable) continue;
    tables.emplace_back(body.br_targets.begin() + op.a, body.br_targets.begin() + op.a + op.b + 1);
  }
  EXPECT_EQ(tables, (std::vector<std::vector<std::uint32_t>>{{0, 1, 2, 1}, {0}}));
}

TEST(ReadModule, OrdersTheImmediatesOfTableOperations) {
  const Read read = read_text(R"((module
      (table $a 1 funcref) (table $b 1 funcref)
      (elem $e funcref (ref.null func))
      (type $t (func))
      (func
        (table.copy $b $a (i32.const 0) (i32.const 0) (i32.const 0))
        (table.init $b $e (i32.const 0) (i32.const 0) (i32.const 0))
        (call_indirect $b (type $t) (i32.const 0))
        (elem.drop $e))))");
  ASSERT_TRUE(read.module) << read.message();
  std::vector<std::pair<std::uint32_t, std::uint32_t>> immediates;
  for (const wasm::Op& op : read.sink.bodies.at(0).ops) {
    if (op.opcode != Opcode::I32Const && op.opcode != Opcode::End) immediates.emplace_back(op.a, op.b);
  }
  EXPECT_EQ(immediates, (std::vector<std::pair<std::uint32_t, std::uint32_t>>{{1, 0}, {0, 1}, {0, 1}, {0, 0}}));
}

TEST(ReadModule, DeliversCodeThatCannotBeReached) {
  const Read read = read_text("(module (func (result i32) unreachable i32.add select drop i32.const 1))");
  ASSERT_TRUE(read.module) << read.message();
  EXPECT_EQ(opcodes(read.sink.bodies.at(0)), (std::vector{Opcode::Unreachable, Opcode::I32Add, Opcode::Select,
                                                          Opcode::Drop, Opcode::I32Const, Opcode::End}));
}

TEST(ReadModule, KeepsTheSections) {
  const Read read = read_text(R"((module
      (import "env" "f" (func (param i32)))
      (import "env" "g" (global i64))
      (global $own (mut i64) (global.get 0))
      (global $ref funcref (ref.func 0))
      (memory (export "memory") 2 3)
      (table 4 externref)
      (table $t 5 funcref)
      (elem (table $t) (i32.const 1) func 0)
      (elem declare func $start)
      (data (i32.const 8) "abc")
      (data "passive")
      (func $start)
      (func (export "exported"))
      (start $start)))");
  ASSERT_TRUE(read.module) << read.message();
  const wasm::ModuleData& module = **read.module;
  EXPECT_EQ(&module, read.sink.seen);
  EXPECT_EQ(module.imported_functions, 1u);
  EXPECT_EQ(module.functions.size(), 3u);
  EXPECT_EQ(module.functions[0].module, "env");
  EXPECT_EQ(module.globals.at(1).init.kind, wasm::ConstExpr::Kind::GlobalGet);
  EXPECT_EQ(module.globals.at(2).init.kind, wasm::ConstExpr::Kind::RefFunc);
  EXPECT_EQ(module.memories.at(0).type.limits.max, 3u);
  EXPECT_EQ(module.tables.at(0).type.element, ValueType::ExternRef);
  EXPECT_EQ(module.elements.at(0).table, 1u);
  EXPECT_EQ(module.elements.at(0).offset.bits, 1u);
  EXPECT_EQ(module.elements.at(1).mode, wasm::SegmentMode::Declared);
  EXPECT_EQ(module.data.at(0).mode, wasm::SegmentMode::Active);
  EXPECT_EQ(module.data.at(1).bytes.size(), 7u);
  EXPECT_EQ(module.data.at(1).mode, wasm::SegmentMode::Passive);
  EXPECT_EQ(module.start, 1u);
  EXPECT_EQ(module.display_name(1), "start");
  EXPECT_EQ(module.display_name(2), "exported");
  EXPECT_EQ(module.display_name(0), "function 0");
  EXPECT_GT(module.code_section_bytes, 0u);
}

TEST(ReadModule, BeginsCodeOnceAlsoWithoutCode) {
  EXPECT_EQ(Read(header()).sink.begun, 1);
  EXPECT_EQ(read_text("(module (func) (func))").sink.begun, 1);
}

TEST(ReadModule, NamesThePlaceAndTheMistake) {
  EXPECT_EQ(Read(Bytes{}).message(), "m.wasm: byte 0x0000: unable to read uint32_t: magic");
  EXPECT_EQ(Read(Bytes{0, 'a', 's', 'n', 1, 0, 0, 0}).message(), "m.wasm: byte 0x0004: bad magic value");
  // i32.add with nothing on the stack: the body begins at 0x18 with its locals, the operation is behind them.
  EXPECT_EQ(Read(one_function({0, 0x6a, 0x0b})).message(),
            "m.wasm: byte 0x0017: type mismatch in i32.add, expected [i32, i32] but got []");
}

TEST(ReadModule, ReturnsTheErrorOfItsSink) {
  const std::vector<std::uint8_t> bytes = one_function({0, 0x0b}).get();
  RecordingSink sink;
  sink.fail_function = make_error(ErrorCode::OutOfMemory, "full");
  const auto refused = read_module(bytes, "m.wasm", sink);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::OutOfMemory);
  EXPECT_EQ(refused.error().message(), "full");

  RecordingSink early;
  early.fail_begin = make_error(ErrorCode::BadFlags, "no such variant");
  const auto never_begun = read_module(bytes, "m.wasm", early);
  ASSERT_FALSE(never_begun);
  EXPECT_EQ(never_begun.error().code(), ErrorCode::BadFlags);
  EXPECT_TRUE(early.bodies.empty());
}

// wabt's type checker asserts on this.
TEST(ReadModule, RefusesCodeBehindTheLastEnd) {
  for (const Bytes& body :
       {Bytes{0, 0x0b, 0x0b}, Bytes{0, 0x0b, 0x01, 0x0b}, Bytes{0, 0x0b, 0x0f, 0x0b}, Bytes{0, 0x0b, 0x0c, 0, 0x0b}}) {
    EXPECT_EQ(Read(one_function(body)).message(), "m.wasm: byte 0x0018: operation after the last END opcode");
  }
}

// wabt's type checker would take the result for a value of any type.
TEST(ReadModule, GivesATypedSelectItsType) {
  const Bytes select_then_f64_abs{0, 0x41, 1, 0x41, 2, 0x41, 0, 0x1c, 1, 0x7f, 0x99, 0x1a, 0x0b};
  EXPECT_EQ(Read(one_function(select_then_f64_abs)).message(),
            "m.wasm: byte 0x0020: type mismatch in f64.abs, expected [f64] but got [i32]");
  const Bytes select_nothing{0, 0x41, 1, 0x41, 2, 0x41, 0, 0x1c, 0, 0x1a, 0x0b};
  EXPECT_EQ(Read(one_function(select_nothing)).message(),
            "m.wasm: byte 0x001d: invalid arity in select instruction: 0.");
}

// wabt's validator would let a host's word be called.
TEST(ReadModule, RefusesIndirectCallsThroughATableOfHostWords) {
  const Bytes body{0, 0x41, 0, 0x11, 0, 1, 0x0b};  // call_indirect type 0, table 1
  const auto with_tables = [&body](int second) {
    return Read(header()
                    .section(1, {1, 0x60, 0, 0})
                    .section(3, {1, 0})
                    .section(4, {2, 0x70, 0, 1, second, 0, 1})
                    .section(10, Bytes{1}.sized(body)));
  };
  EXPECT_TRUE(with_tables(0x70).module);
  EXPECT_EQ(with_tables(0x6f).message(),
            "m.wasm: byte 0x0022: type mismatch at call_indirect. got externref, expected funcref");
}

// wabt would let bodies refer to segments that are not there.
TEST(ReadModule, RefusesADataCountWithoutItsDataSection) {
  const auto with_count = [](int count) {
    return Read(header()
                    .section(1, {1, 0x60, 0, 0})
                    .section(3, {1, 0})
                    .section(5, {1, 0, 1})
                    .section(12, {count})
                    .section(10, Bytes{1}.sized({0, 0x0b})));
  };
  EXPECT_TRUE(with_count(0).module);
  EXPECT_EQ(with_count(2).message(), "m.wasm: byte 0x0020: data segment count is 0, the data count section says 2");
}

TEST(ReadModule, RefusesAConstantExpressionWithoutEnd) {
  const Read read(header().section(6, {1, 0x7f, 0, 0x41, 5}));
  EXPECT_EQ(read.message(), "m.wasm: byte 0x000f: initializer expression without END opcode");
}

TEST(ReadModule, RefusesWhatIsBeyondWebAssembly2) {
  EXPECT_NE(Read(one_function({0, 0xfd, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x1a, 0x0b}))
                .message()
                .find("unexpected opcode"),
            std::string::npos);  // v128.const
  EXPECT_NE(Read(one_function({0, 0x12, 0, 0x0b})).message().find("unexpected opcode"),
            std::string::npos);  // return_call
  EXPECT_NE(Read(one_function({0, 0x06, 0x40, 0x0b, 0x0b})).message().find("unexpected opcode"),
            std::string::npos);  // try
  EXPECT_NE(Read(one_function({0, 0xfe, 3, 0, 0x0b})).message().find("unexpected opcode"),
            std::string::npos);  // atomic.fence
  EXPECT_NE(Read(header().section(5, {1, 3, 1, 1})).message().find("memory may not be shared"), std::string::npos);
  EXPECT_NE(Read(header().section(5, {1, 4, 1})).message().find("memory64 not allowed"), std::string::npos);
  EXPECT_NE(Read(header().section(5, {2, 0, 1, 0, 1})).message().find("only one memory block allowed"),
            std::string::npos);
  EXPECT_NE(Read(header().section(4, {1, 0x6b, 0, 1})).message().find("unsupported type"),
            std::string::npos);  // typed reference
  EXPECT_NE(Read(header().section(6, {1, 0x7f, 0, 0x41, 1, 0x41, 1, 0x6a, 0x0b}))
                .message()
                .find("not valid in initializer expression"),
            std::string::npos);
  EXPECT_NE(Read(header().section(5, {1, 0, 1}).section(11, {1, 3, 0, 0})).message().find("invalid data segment flags"),
            std::string::npos);
}

TEST(ReadModule, SkipsCustomSectionsWhateverTheyHold) {
  const Bytes relocations = Bytes().name("reloc.CODE").add({1, 1, 0xff, 0xff, 0x7f});
  const Bytes linking = Bytes().name("linking").add({9});
  const Bytes names = Bytes().name("name").add({1, 0xff});
  EXPECT_TRUE(Read(header().section(0, names).section(0, relocations).section(1, {0}).section(0, linking)).module);
}

TEST(ReadModule, RefusesACustomSectionWhoseNameIsNoUtf8) {
  const Read read(header().section(0, {1, 0xff}).section(1, {0}));
  EXPECT_EQ(read.message(), "m.wasm: byte 0x000c: invalid utf-8 encoding: section name");
}

TEST(ReadModule, ReadsNamesFromASectionAnywhere) {
  const Bytes names = Bytes().name("name").add({1}).sized(Bytes{1, 0}.name("first"));
  const Read read(
      header().section(0, names).section(1, {1, 0x60, 0, 0}).section(3, {1, 0}).section(10, Bytes{1}.sized({0, 0x0b})));
  ASSERT_TRUE(read.module) << read.message();
  EXPECT_EQ((*read.module)->display_name(0), "first");
}

}  // namespace
}  // namespace shunt::test
