// Definitions, readers and overrides that do not fit one another: each has one message; and the warnings.
#include <string>
#include <vector>

#include "flag_set_fixture.h"

namespace shunt::flags {
namespace {

TEST_F(FlagSetTest, ADefinitionMustFitItsReaders) {
  Flag& f = want("f");
  load(document({flag("f", numbers, "many")}));
  const struct {
    FlagType type;
    std::string variants, default_variant, expected;
  } cases[] = {
      {FlagType::I32, colours, "red",
       "f.json:2: flag 'f': g.wasm reads it as i32, but its variants are strings: give it boolean or integer variants, "
       "or "
       "correct the import"},
      {FlagType::I32, "\"a\": 1, \"b\": 4294967296", "a",
       "f.json:2: flag 'f': variant 'b' is 4294967296, outside the range of the i32 that g.wasm reads (-2147483648 to "
       "4294967295): give it a value in that range"},
      {FlagType::I32, "\"a\": 0.5", "a",
       "f.json:2: flag 'f': variant 'a' is 0.5, but g.wasm reads the flag as i32, which holds integers only: write an "
       "integer without '.' or 'e'"},
  };
  for (const auto& tested : cases) {
    EXPECT_EQ(refused(document({flag("f", tested.variants, tested.default_variant)})), tested.expected);
    EXPECT_EQ(f.bits(FlagType::I32), 5000U);  // the last good flags
    EXPECT_EQ(set_.value("f"), FlagValue(std::int64_t{5000}));
  }
  // DISABLED or not: it would not fit when it is switched on.
  EXPECT_NE(refused(document({flag("f", colours, "red", "DISABLED")})), "(loaded)");

  want("i", FlagType::I64), want("d", FlagType::F64), want("s", FlagType::String), want("v=blue");
  EXPECT_EQ(
      refused(document({flag("i", on_off, "on")})),
      "f.json:2: flag 'i': g.wasm reads it as i64, but its variants are booleans: give it integer variants, or correct "
      "the import");
  EXPECT_EQ(
      refused(document({flag("d", on_off, "on")})),
      "f.json:2: flag 'd': g.wasm reads it as f64, but its variants are booleans: give it number variants, or correct "
      "the import");
  EXPECT_EQ(
      refused(document({flag("s", numbers, "one")})),
      "f.json:2: flag 's': g.wasm reads it as a string, but its variants are numbers: give it string variants, or "
      "correct the import");
  EXPECT_EQ(refused(document({flag("v", colours, "red")})),
            "f.json:2: flag 'v': g.wasm asks whether variant 'blue' is in force, but the variants are 'red', 'green': "
            "add it, "
            "or correct the import");
  load(document({flag("i", "\"a\": 9223372036854775807", "a"), flag("d", "\"a\": 1, \"b\": 0.5", "b"),
                 flag("s", colours, "red"), flag("v", "\"blue\": false", "blue")}));
}

TEST_F(FlagSetTest, AReaderMustFitTheDefinition) {
  load(document({flag("b", on_off, "on"), flag("n", numbers, "one"), flag("s", colours, "red")}));
  EXPECT_EQ(
      unwanted("s", FlagType::F64),
      "f.json:4: flag 's': g.wasm reads it as f64, but its variants are strings: give it number variants, or correct "
      "the import");
  EXPECT_EQ(unwanted("s=blue", FlagType::I32),
            "f.json:4: flag 's': g.wasm asks whether variant 'blue' is in force, but the variants are 'red', 'green': "
            "add it, "
            "or correct the import");
  EXPECT_EQ(
      unwanted("b=on", FlagType::I64),
      "flag import 'b=on' of g.wasm: whether a variant is in force is read as () -> i32: give the import that type");
  EXPECT_EQ(unwanted("", FlagType::I32),
            "flag import '' of g.wasm: it names no flag: import \"key\" or \"key=variant\"");
  EXPECT_EQ(unwanted("b=", FlagType::I32),
            "flag import 'b=' of g.wasm: it names no variant: import \"key\" or \"key=variant\"");
  // Who was refused is no reader.
  load(document({flag("s", colours, "green")}));
  ASSERT_TRUE(set_.set("t", std::string("x")));
  EXPECT_EQ(
      unwanted("t", FlagType::I32),
      "flag 't': g.wasm reads it as i32, but the value to set is one of strings: set a value that fits boolean or "
      "integer variants");
}

TEST_F(FlagSetTest, AnOverrideMustFitItsReaders) {
  want("f");
  ASSERT_TRUE(set_.set("f", true));
  const struct {
    FlagValue value;
    std::string expected;
  } cases[] = {
      {std::string("x"),
       "flag 'f': g.wasm reads it as i32, but the value to set is one of strings: set a value that fits boolean or "
       "integer "
       "variants"},
      {1.5,
       "flag 'f': the value to set is 1.5, but g.wasm reads the flag as i32, which holds integers only: write an "
       "integer "
       "without '.' or 'e'"},
      {std::int64_t{1} << 32,
       "flag 'f': the value to set is 4294967296, outside the range of the i32 that g.wasm reads (-2147483648 to "
       "4294967295): give it a value in that range"},
  };
  for (const auto& tested : cases) {
    Result<LoadReport> report = set_.set("f", tested.value);
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().code(), ErrorCode::BadFlags);
    EXPECT_EQ(report.error().message(), tested.expected);
    EXPECT_EQ(set_.value("f"), FlagValue(true));
  }
}

TEST_F(FlagSetTest, WarningsAreGivenOnce) {
  const std::string targeted =
      R"({"flags": {"t": {"state": "ENABLED", "variants": {"on": true}, "defaultVariant": "on", "targeting": {"if": [false, "no", "off"]}}}})";
  EXPECT_EQ(load(targeted).warnings.size(), 1U);
  EXPECT_FALSE(set_.value("t"));  // 'off' is no variant
  EXPECT_TRUE(load(targeted).warnings.empty());
  load(document({}));
  EXPECT_EQ(load(targeted).warnings.size(), 1U);  // it had gone meanwhile
}

TEST_F(FlagSetTest, UnreadFlagsWarnOnceEachTime) {
  want("f");
  want("s", FlagType::String);
  EXPECT_EQ(set_.take_warnings(),
            (std::vector<std::string>{"flag 'f', which g.wasm reads, is not defined: it reads as zero",
                                      "flag 's', which g.wasm reads, is not defined: it reads as the empty string"}));
  EXPECT_TRUE(set_.take_warnings().empty());
  load(document({flag("f", on_off, "on", "DISABLED")}));
  EXPECT_TRUE(set_.take_warnings().empty());  // still zero
  load(document({flag("f", on_off, "on")}));
  EXPECT_TRUE(set_.take_warnings().empty());
  load(document({flag("f", on_off, "on", "DISABLED")}));
  EXPECT_EQ(set_.take_warnings(),
            (std::vector<std::string>{"f.json: flag 'f', which g.wasm reads, is DISABLED: it reads as zero"}));
}

TEST_F(FlagSetTest, ObjectFlagsReadAsAbsent) {
  Flag& f = want("f");
  DemotableSwitch& truth = f.truth();
  load(document({flag("f", on_off, "on")}));
  const LoadReport report = load(document({flag("f", "\"a\": {\"x\": 1}", "a")}));
  EXPECT_EQ(report.warnings.size(), 1U);
  EXPECT_FALSE(is_on(truth));
  EXPECT_EQ(set_.value("f"), std::nullopt);
}

}  // namespace
}  // namespace shunt::flags
