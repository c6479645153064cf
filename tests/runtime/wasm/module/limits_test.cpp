// Sizes beyond which a module is refused: the defaults, and what an embedder sets.
#include <gtest/gtest.h>

#include "tests/runtime/wasm/module/read.h"

namespace shunt::test {
namespace {

using runtime::ModuleLimits;

constexpr ModuleLimits most;

// What an embedder sets: the module is taken with exactly what it needs, and refused with one less, by name.
struct Case {
  const char* name;
  Bytes module;
  ModuleLimits enough, too_little;
};

template <class T>
Case limited(const char* name, Bytes module, T ModuleLimits::* field, T needed) {
  Case made{name, std::move(module), {}, {}};
  made.enough.*field = needed;
  made.too_little.*field = needed - 1;
  return made;
}

std::vector<Case> cases() {
  using L = ModuleLimits;
  const Bytes small = one_function({0, 0x0b});
  const Bytes three_types = header().section(1, {3, 0x60, 0, 0, 0x60, 2, 0x7f, 0x7f, 0, 0x60, 0, 2, 0x7e, 0x7e});
  const Bytes two_functions =
      header()
          .section(1, {1, 0x60, 1, 0x7f, 1, 0x7f})
          .section(3, {2, 0, 0})
          .section(10, Bytes{2}.sized({1, 3, 0x7e, 0x20, 0, 0x0b}).sized({1, 2, 0x7e, 0x20, 0, 0x10, 0, 0x0b}));
  const Bytes stored = header().section(4, {2, 0x70, 0, 5, 0x70, 0, 7}).section(5, {1, 0, 3});
  const Bytes segments = header()
                             .section(1, {1, 0x60, 0, 0})
                             .section(3, {1, 0})
                             .section(9, {2, 1, 0, 2, 0, 0, 1, 0, 3, 0, 0, 0})
                             .section(10, Bytes{1}.sized({0, 0x0b}))
                             .section(11, {2, 1, 1, 'a', 1, 1, 'b'});
  const Bytes blocks = one_function({0, 0x02, 0x7f, 0x41, 0,    0x02, 0x7f, 0x41, 0, 0x41, 1, 0x0d,
                                     0, 0x0b, 0x1a, 0x0b, 0x41, 2,    0x0e, 2,    0, 0,    0, 0x0b});
  return {limited("module_bytes", small, &L::module_bytes, std::uint64_t{small.size()}),
          limited("types", three_types, &L::types, 3U), limited("parameters", three_types, &L::parameters, 2U),
          limited("results", three_types, &L::results, 2U), limited("functions", two_functions, &L::functions, 2U),
          limited("locals", two_functions, &L::locals, 4U),
          limited("all_locals", two_functions, &L::all_locals, std::uint64_t{7}),
          limited("body_bytes", two_functions, &L::body_bytes, 8U),
          limited("values_passed", two_functions, &L::values_passed, std::uint64_t{2}),
          limited("tables", stored, &L::tables, 2U),
          limited("table_elements", stored, &L::table_elements, std::uint64_t{7}),
          limited("memory_pages", stored, &L::memory_pages, std::uint64_t{3}),
          limited("element_segments", segments, &L::element_segments, 2U),
          limited("segment_elements", segments, &L::segment_elements, 3U),
          limited("data_segments", segments, &L::data_segments, 2U), limited("operands", blocks, &L::operands, 3U),
          limited("open_blocks", blocks, &L::open_blocks, 2U),
          limited("open_block_types", blocks, &L::open_block_types, 2U),
          limited("br_table_targets", blocks, &L::br_table_targets, 2U),
          // The result of two blocks, of a branch in the inner one, and what a br_table with three labels takes.
          limited("values_passed", blocks, &L::values_passed, std::uint64_t{3}),
          limited("name_bytes", header().section(5, {1, 0, 1}).section(7, Bytes{1}.name("memory").add({2, 0})),
                  &L::name_bytes, 6U)};
}

TEST(ReadModuleLimits, AreTheEmbeddersToSet) {
  for (const Case& one : cases()) {
    EXPECT_TRUE(Read(one.module, one.enough).module) << one.name << ": " << Read(one.module, one.enough).message();
    const Read refused(one.module, one.too_little);
    ASSERT_FALSE(refused.module) << one.name;
    EXPECT_EQ(refused.module.error().code(), ErrorCode::LimitExceeded) << one.name;
    EXPECT_NE(refused.message().find(std::string("(ModuleLimits::") + one.name + ")"), std::string::npos)
        << refused.message();
  }
}

TEST(ReadModuleLimits, CannotBeMoreThanTheReaderIsMadeFor) {
  const Bytes many = one_function(Bytes{1}.number(most.locals + 1).add({0x7e, 0x0b}));
  const Read read(many, {.locals = 0xffff'ffff});
  ASSERT_FALSE(read.module);
  EXPECT_EQ(read.module.error().code(), ErrorCode::LimitExceeded);
}

// Each limit: the largest value that is taken, and the next one, which is refused.
TEST(ReadModuleLimits, Locals) {
  const auto with_locals = [](std::uint64_t count) {
    return Read(one_function(Bytes{2, 1, 0x7f}.number(count - 1).add({0x7e, 0x0b})));
  };
  EXPECT_TRUE(with_locals(most.locals).module);
  EXPECT_NE(
      with_locals(most.locals + 1).message().find("50001 locals: at most 50000 are allowed (ModuleLimits::locals)"),
      std::string::npos);
  EXPECT_NE(with_locals(0xffffffff).message().find("local count"), std::string::npos);
}

TEST(ReadModuleLimits, BodyBytes) {
  const auto with_nops = [](std::size_t size) {
    return Read(one_function(Bytes{0}.repeat(size - 2, {0x01}).add({0x0b})));
  };
  EXPECT_TRUE(with_nops(most.body_bytes).module);
  EXPECT_NE(with_nops(most.body_bytes + 1).message().find("bytes in a function body"), std::string::npos);
}

TEST(ReadModuleLimits, ParametersAndResults) {
  const auto with_parameters = [](std::size_t count) {
    return Read(header().section(1, Bytes{1, 0x60}.number(count).repeat(count, {0x7f}).number(0)));
  };
  EXPECT_TRUE(with_parameters(most.parameters).module);
  EXPECT_NE(with_parameters(most.parameters + 1).message().find("1001 parameters"), std::string::npos);
  const auto with_results = [](std::size_t count) {
    return Read(header().section(1, Bytes{1, 0x60, 0}.number(count).repeat(count, {0x7f})));
  };
  EXPECT_TRUE(with_results(most.results).module);
  EXPECT_NE(with_results(most.results + 1).message().find("1001 results"), std::string::npos);
}

TEST(ReadModuleLimits, Operands) {
  const auto with_operands = [](std::size_t count) {
    return Read(one_function(Bytes{0}.repeat(count, {0x41, 0}).add({0x00, 0x0b})));
  };
  EXPECT_TRUE(with_operands(most.operands).module);
  EXPECT_NE(with_operands(most.operands + 1).message().find("50001 operands"), std::string::npos);
}

TEST(ReadModuleLimits, NestedBlocks) {
  const auto with_blocks = [](std::size_t count) {
    return Read(one_function(Bytes{0}.repeat(count, {0x02, 0x40}).repeat(count, {0x0b}).add({0x0b})));
  };
  EXPECT_TRUE(with_blocks(most.open_blocks).module);
  EXPECT_NE(with_blocks(most.open_blocks + 1).message().find("100001 nested blocks"), std::string::npos);
}

// Blocks of 1,000 parameters, one in another: two bytes of code, 16 KB of the validator's memory each.
TEST(ReadModuleLimits, TypesOfNestedBlocks) {
  const auto nested = [](std::size_t count) {
    const Bytes type = Bytes{2, 0x60, 0, 0, 0x60}.number(1000).repeat(1000, {0x7f}).number(0);
    const Bytes body =
        Bytes{0}.repeat(1000, {0x41, 0}).repeat(count, {0x02, 1}).add({0x00}).repeat(count, {0x0b}).add({0x0b});
    return Read(header().section(1, type).section(3, {1, 0}).section(10, Bytes{1}.sized(body)));
  };
  EXPECT_TRUE(nested(1000).module);
  EXPECT_NE(nested(1001).message().find("types of nested blocks"), std::string::npos);
}

TEST(ReadModuleLimits, BrTableTargets) {
  const auto with_targets = [](std::size_t count) {
    return Read(one_function(Bytes{0, 0x41, 0, 0x0e}.number(count).repeat(count + 1, {0}).add({0x0b})));
  };
  EXPECT_TRUE(with_targets(most.br_table_targets).module);
  EXPECT_NE(with_targets(most.br_table_targets + 1).message().find("targets of a br_table"), std::string::npos);
}

TEST(ReadModuleLimits, Names) {
  const auto with_name = [](std::size_t size) {
    return Read(header()
                    .section(5, {1, 0, 1})
                    .section(7, Bytes{2}.name(std::string(size, 'n')).add({2, 0}).name("n").add({2, 0})));
  };
  EXPECT_TRUE(with_name(most.name_bytes).module);
  EXPECT_NE(with_name(most.name_bytes + 1).message().find("bytes in a name"), std::string::npos);
}

TEST(ReadModuleLimits, CountsThatNothingFollows) {
  EXPECT_FALSE(Read(header().section(1, Bytes().number(0xffffffff))).module);
  EXPECT_FALSE(Read(header().section(3, Bytes().number(0xffffffff))).module);
  EXPECT_FALSE(
      Read(header().section(1, {1, 0x60, 0, 0}).section(3, {1, 0}).section(10, Bytes{1}.number(0xffffffff))).module);
}

}  // namespace
}  // namespace shunt::test
