// What a flagd document means, and the message for each way to get it wrong.
#include <gtest/gtest.h>

#include <cmath>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/flags/definition.h"

namespace shunt::flags {
namespace {

std::string with_flag(std::string_view members) {
  return "{\"flags\": {\"f\": {" + std::string(members) + "}}}";
}

Document good(std::string_view json) {
  Result<Document> parsed = parse_flagd(json, "f.json");
  EXPECT_TRUE(parsed) << parsed.error().message();
  return parsed ? std::move(*parsed) : Document{};
}

std::string message(std::string_view json) {
  Result<Document> parsed = parse_flagd(json, "f.json");
  if (parsed) return "(no error)";
  EXPECT_EQ(parsed.error().code(), ErrorCode::BadFlags);
  return parsed.error().message();
}

TEST(FlagdJson, ReadsEveryMember) {
  const Document document = good(R"({
  "$schema": "https://flagd.dev/schema/v0/flags.json",
  "metadata": {"version": "7", "nested": [1, {"flags": {"no": 1}}]},
  "flags": {
    "fast": {
      "state": "ENABLED",
      "variants": {"on": true, "off": false},
      "defaultVariant": "on",
      "targeting": {},
      "metadata": {"owner": "me"}
    },
    "limit": {"state": "DISABLED", "variants": {"low": -3, "half": 0.5, "high": 9223372036854775807}, "defaultVariant": "half"},
    "theme": {"defaultVariant": "dark", "variants": {"dark": "Dunkel \u00fc", "none": ""}, "state": "ENABLED"}
  },
  "$evaluators": {"r": {"in": [1, [2]]}}
})");
  EXPECT_EQ(document.source, "f.json");
  EXPECT_TRUE(document.warnings.empty());
  ASSERT_EQ(document.flags.size(), 3U);

  const Definition& fast = document.flags.at("fast");
  EXPECT_TRUE(fast.enabled);
  EXPECT_EQ(fast.kind, Kind::Boolean);
  EXPECT_EQ(fast.line, 5U);
  ASSERT_EQ(fast.variants.size(), 2U);
  EXPECT_EQ(fast.variants[1].name, "off");
  EXPECT_EQ(fast.variants[1].line, 7U);
  ASSERT_NE(fast.in_force(), nullptr);
  EXPECT_EQ(fast.in_force()->name, "on");

  const Definition& limit = document.flags.at("limit");
  EXPECT_FALSE(limit.enabled);
  EXPECT_EQ(limit.kind, Kind::Number);
  EXPECT_EQ(std::get<std::int64_t>(limit.variants[0].value), -3);
  EXPECT_EQ(std::get<double>(limit.variants[1].value), 0.5);
  EXPECT_EQ(std::get<std::int64_t>(limit.variants[2].value), INT64_MAX);
  EXPECT_EQ(limit.in_force(), nullptr);

  EXPECT_EQ(std::get<std::string>(document.flags.at("theme").in_force()->value), "Dunkel \u00fc");
}

TEST(FlagdJson, NumbersKeepWhatWasWritten) {
  const Document document = good(with_flag(
      R"("state":"ENABLED","variants":{"min":-9223372036854775808,"f":1.0,"e":1e3,"nz":-0.0},"defaultVariant":"f")"));
  const auto& variants = document.flags.at("f").variants;
  EXPECT_EQ(std::get<std::int64_t>(variants[0].value), INT64_MIN);
  EXPECT_EQ(std::get<double>(variants[1].value), 1.0);  // not an integer: it was not written as one
  EXPECT_EQ(std::get<double>(variants[2].value), 1000.0);
  EXPECT_TRUE(std::signbit(std::get<double>(variants[3].value)));
}

TEST(FlagdJson, EmptyDocumentsDefineNothing) {
  EXPECT_TRUE(good(R"({"flags": {}})").flags.empty());
  EXPECT_TRUE(good("\xEF\xBB\xBF{\"flags\": {}}").flags.empty());  // a byte-order mark, as some editors write it
}

struct Case {
  const char* name;
  std::string json;
  const char* expected;  // the whole message

  friend std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.json; }
};

const std::string targeted = R"("state": "ENABLED", "variants": {"a": 1}, "defaultVariant": "a",)"
                             "\n";

class FlagdJsonError : public testing::TestWithParam<Case> {};
TEST_P(FlagdJsonError, OneClearMessage) {
  EXPECT_EQ(message(GetParam().json), GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(
    All, FlagdJsonError,
    testing::Values(
        Case{"MissingComma", "{\"flags\": {\n  \"a\": {}\n  \"b\": {}}}",
             "f.json:2: flag 'a': it has no 'state': add \"state\": \"ENABLED\""},
        Case{"Array", "[]", "f.json:1: the document is an array: write an object with a member 'flags'"},
        Case{"Scalar", "\n7", "f.json:2: the document is not an object: write an object with a member 'flags'"},
        Case{"NoFlags", "{\"flagz\": {}}",
             "f.json:1: the document has no 'flags': add \"flags\": {}, with one member for each flag"},
        Case{"FlagsTwice", "{\"flags\": {},\n\"flags\": {}}", "f.json:2: 'flags' is there twice: merge the two"},
        Case{"FlagsArray", "{\n\"flags\": []}",
             "f.json:2: 'flags' is an array: write an object with one member for each flag"},
        Case{"FlagsScalar", "{\"flags\": true}",
             "f.json:1: 'flags' is not an object: write an object with one member for each flag"},
        Case{"FlagArray", "{\"flags\": {\n\"f\":\n[]}}",
             "f.json:2: flag 'f': it is an array: write an object with 'state', 'variants' and 'defaultVariant'"},
        Case{"FlagScalar", "{\"flags\": {\"f\": true}}",
             "f.json:1: flag 'f': it is not an object: write an object with 'state', 'variants' and 'defaultVariant'"},
        Case{"FlagNameless", "{\"flags\": {\"\": {}}}", "f.json:1: a flag has no name: give it one"},
        Case{"FlagTwice",
             "{\"flags\": {\n\"f\": {\"state\":\"ENABLED\",\"variants\":{\"a\":1},\"defaultVariant\":\"a\"},\n\"f\": "
             "{}}}",
             "f.json:3: flag 'f': it is defined twice, first in line 2: remove one"},
        Case{"NoState", with_flag("\"variants\": {\"a\": 1}, \"defaultVariant\": \"a\""),
             "f.json:1: flag 'f': it has no 'state': add \"state\": \"ENABLED\""},
        Case{"BadState", with_flag("\n\"state\": \"ON\""),
             "f.json:2: flag 'f': 'state' is 'ON': write \"ENABLED\" or \"DISABLED\""},
        Case{"StateBoolean", with_flag("\"state\": true"),
             "f.json:1: flag 'f': 'state' is not a string: write \"ENABLED\" or \"DISABLED\""},
        Case{"StateObject", with_flag("\"state\": {}"),
             "f.json:1: flag 'f': 'state' is not a string: write \"ENABLED\" or \"DISABLED\""},
        Case{"StateTwice", with_flag("\"state\": \"ENABLED\",\n\"state\": \"ENABLED\""),
             "f.json:2: flag 'f': 'state' is there twice: remove one"},
        Case{"NoVariants", with_flag("\"state\": \"ENABLED\""),
             "f.json:1: flag 'f': it has no variants: add \"variants\": {\"on\": true, \"off\": false}, or what it "
             "needs"},
        Case{"EmptyVariants", with_flag("\"state\": \"ENABLED\", \"variants\": {}"),
             "f.json:1: flag 'f': it has no variants: add \"variants\": {\"on\": true, \"off\": false}, or what it "
             "needs"},
        Case{"VariantsArray", with_flag("\"variants\": [1]"),
             "f.json:1: flag 'f': 'variants' is not an object: write an object with one member for each variant"},
        Case{"VariantsScalar", with_flag("\"variants\": 1"),
             "f.json:1: flag 'f': 'variants' is not an object: write an object with one member for each variant"},
        Case{"VariantsTwice", with_flag("\"variants\": {},\n\"variants\": {}"),
             "f.json:2: flag 'f': 'variants' is there twice: remove one"},
        Case{"VariantNull", with_flag("\"variants\": {\n\"a\": null}"),
             "f.json:2: flag 'f': variant 'a' is null: write a boolean, a number or a string"},
        Case{"VariantArray", with_flag("\"variants\": {\n\"a\": []}"),
             "f.json:2: flag 'f': variant 'a' is an array: write a boolean, a number or a string"},
        Case{"VariantNameless", with_flag("\"variants\": {\"\": 1}"),
             "f.json:1: flag 'f': a variant has no name: give it one"},
        Case{"VariantTwice", with_flag("\"variants\": {\"a\": 1,\n\"a\": 2}"),
             "f.json:2: flag 'f': variant 'a' is there twice, first in line 1: remove one"},
        Case{"MixedTypes", with_flag("\"variants\": {\"a\": true,\n\"b\": 1}"),
             "f.json:2: flag 'f': variant 'b' is a number, but variant 'a' (line 1) is a boolean: give all variants of "
             "a "
             "flag the same type"},
        Case{"MixedWithObject", with_flag("\"variants\": {\"a\": \"x\", \"b\": {}}"),
             "f.json:1: flag 'f': variant 'b' is an object, but variant 'a' (line 1) is a string: give all variants of "
             "a "
             "flag the same type"},
        Case{
            "IntegerAbove63Bits", with_flag("\"variants\": {\"a\": 9223372036854775808}"),
            "f.json:1: flag 'f': variant 'a' is 9223372036854775808, which does not fit a 64-bit signed integer: use a "
            "smaller number, or write it with '.0' to have it rounded"},
        Case{"IntegerAbove64Bits", with_flag("\"variants\": {\"a\": 18446744073709551616}"),
             "f.json:1: flag 'f': variant 'a' is 18446744073709551616, which does not fit a 64-bit signed integer: use "
             "a "
             "smaller number, or write it with '.0' to have it rounded"},
        Case{"IntegerBelow63Bits", with_flag("\"variants\": {\"a\": -9223372036854775809}"),
             "f.json:1: flag 'f': variant 'a' is -9223372036854775809, which does not fit a 64-bit signed integer: use "
             "a "
             "smaller number, or write it with '.0' to have it rounded"},
        Case{"UnknownDefault",
             with_flag("\"state\": \"ENABLED\", \"variants\": {\"a\": 1, \"b\": 2},\n\"defaultVariant\": \"c\""),
             "f.json:2: flag 'f': defaultVariant 'c' is not one of its variants ('a', 'b'): name one of these, or add "
             "it"},
        Case{"UnknownDefaultOfDisabled",
             with_flag("\"state\": \"DISABLED\", \"variants\": {\"a\": 1}, \"defaultVariant\": \"c\""),
             "f.json:1: flag 'f': defaultVariant 'c' is not one of its variants ('a'): name one of these, or add it"},
        Case{"DefaultNotAString", with_flag("\"defaultVariant\": true"),
             "f.json:1: flag 'f': 'defaultVariant' is not a string: write the name of a variant"},
        Case{"DefaultObject", with_flag("\"defaultVariant\": {\"x\": 1}"),
             "f.json:1: flag 'f': 'defaultVariant' is not a string: write the name of a variant"},
        Case{"TargetingScalar", with_flag("\"state\": \"ENABLED\",\n\"targeting\": \"on\""),
             "f.json:2: flag 'f': 'targeting' is not an object: write a rule, {\"if\": [...]}"},
        Case{"TargetingArray", with_flag("\"targeting\": [{}]"),
             "f.json:1: flag 'f': 'targeting' is not an object: write a rule, {\"if\": [...]}"},
        Case{"TargetingTwice", with_flag("\"targeting\": null,\n\"targeting\": {}"),
             "f.json:2: flag 'f': 'targeting' is there twice: remove one"},
        Case{"TargetingMemberTwice", with_flag("\"targeting\": {\"==\": [1, 1],\n\"==\": [1, 2]}"),
             "f.json:2: flag 'f': 'targeting' has a member '==' twice in one object: remove one"},
        Case{"TargetingTooDeep",
             with_flag("\"targeting\": {\"!\": " + std::string(200, '[') + std::string(200, ']') + "}"),
             "f.json:1: flag 'f': 'targeting' is nested deeper than 130: make it flatter"},
        Case{"TargetingUnknown", with_flag(targeted + "\"targeting\": {\"if\": [{\"equals\": [1, 2]}, \"a\"]}"),
             "f.json:2: flag 'f': targeting.if[0].equals: there is no operation 'equals': correct its name"},
        Case{"TargetingUnknownOfDisabled",
             with_flag("\"state\":\"DISABLED\",\"variants\":{\"on\":true},\"targeting\":{\"a\":1}"),
             "f.json:1: flag 'f': targeting.a: there is no operation 'a': correct its name"},
        Case{"EvaluatorMissing", with_flag(targeted + "\"targeting\": {\"$ref\": \"e\"}"),
             "f.json:2: flag 'f': targeting.$ref: there is no evaluator 'e': add it to $evaluators"},
        Case{"EvaluatorInACircle",
             "{\"$evaluators\": {\"e\": {\"!\": {\"$ref\": \"e\"}}}, \"flags\": {\"f\": {" + targeted +
                 "\"targeting\": {\"$ref\": \"e\"}}}}",
             "f.json:2: flag 'f': targeting.$ref(e).![0].$ref: evaluator 'e' refers to itself: break the circle"},
        Case{"EvaluatorsArray", "{\"flags\": {},\n\"$evaluators\": []}",
             "f.json:2: '$evaluators' is not an object: write one with a member for each evaluator"},
        Case{"EvaluatorsScalar", "{\"flags\": {},\n\"$evaluators\": 1}",
             "f.json:2: '$evaluators' is not an object: write one with a member for each evaluator"},
        Case{"EvaluatorsTwice", "{\"$evaluators\": {},\n\"$evaluators\": {}}",
             "f.json:2: '$evaluators' is there twice: merge the two"},
        Case{"EvaluatorTwice", "{\"$evaluators\": {\"e\": 1,\n\"e\": 2}}",
             "f.json:2: '$evaluators' has a member 'e' twice in one object: remove one"},
        Case{"DefaultArray", with_flag("\"defaultVariant\": [\"x\"]"),
             "f.json:1: flag 'f': 'defaultVariant' is not a string: write the name of a variant"}),
    [](const auto& tested) { return std::string(tested.param.name); });

// What follows the place is the JSON library's own text.
TEST(FlagdJson, TextThatIsNotJsonNamesLineAndColumn) {
  const std::pair<std::string, std::string_view> cases[] = {
      {"", "f.json:1:1: not valid JSON: syntax error"},
      {"{\"flags\": {\n  \"f\": {\"state\": \"ENA", "f.json:2:22: not valid JSON: syntax error"},
      {"{\"flags\": {\n\"a\": {\"state\": \"ENABLED\"\n\"variants\": {}}}}",
       "f.json:3:10: not valid JSON: syntax error"},
      {"{\"flags\": {}} x", "f.json:1:15: not valid JSON: syntax error"},
      {"{\"flags\": {}}\n\n}", "f.json:3:1: not valid JSON: syntax error"},
      {with_flag("\"state\": \"ENABLED\", \"variants\": {\"a\": 1e999}"),
       "f.json:1:60: not valid JSON: number overflow"},
      {"{\"flags\": {\"\xff\": 1}}", "f.json:1:13: not valid JSON: syntax error"},
  };
  for (const auto& [json, start] : cases) {
    const std::string text = message(json);
    EXPECT_TRUE(text.starts_with(start)) << text;
    EXPECT_EQ(text.find("json.exception"), std::string::npos) << text;
  }
  EXPECT_LT(message("{\"" + std::string(100'000, 'x')).size(), 300U);  // a message never repeats the whole file
}

struct WarningCase {
  const char* name;
  std::string members;
  std::vector<std::string> expected;
};
class FlagdJsonWarning : public testing::TestWithParam<WarningCase> {};
TEST_P(FlagdJsonWarning, IsGivenOnce) {
  EXPECT_EQ(good(with_flag(GetParam().members)).warnings, GetParam().expected);
}

const std::string boolean = R"("state":"ENABLED","variants":{"on":true},"defaultVariant":"on")";
INSTANTIATE_TEST_SUITE_P(
    All, FlagdJsonWarning,
    testing::Values(
        WarningCase{"TargetingEmpty", boolean + ",\n\"targeting\": {}", {}},
        WarningCase{"TargetingNull", boolean + ",\n\"targeting\": null", {}},
        WarningCase{"TargetingEmptyArray", boolean + ",\n\"targeting\": []", {}},
        WarningCase{"Targeting", boolean + ",\n\"targeting\": {\"if\": [{\"==\": [1, 2]}, \"on\"]}", {}},
        WarningCase{"TargetingOfNoVariant",
                    boolean + ",\n\"targeting\": {\"if\": [{\"var\": \"x\"}, \"no\", \"on\"]}",
                    {"f.json:2: flag 'f': targeting gives 'no', which is not one of its variants ('on'): name one of "
                     "these, or add it"}},
        WarningCase{"TargetingWithoutDefault",
                    "\"state\":\"ENABLED\",\"variants\":{\"on\":true},\"targeting\":{\"if\":[{\"var\":\"x\"},\"on\"]}",
                    {}},
        WarningCase{"NoDefault",
                    "\"state\":\"ENABLED\",\"variants\":{\"on\":true}",
                    {"f.json:1: flag 'f': it has no defaultVariant: it reads as zero"}},
        WarningCase{"NullDefault",
                    "\"state\":\"ENABLED\",\"variants\":{\"on\":true},\"defaultVariant\":null",
                    {"f.json:1: flag 'f': it has no defaultVariant: it reads as zero"}},
        WarningCase{"Objects",
                    "\"state\":\"ENABLED\",\"variants\":{\"a\":{\"x\":{\"y\":[1]}},\"b\":{}},\"defaultVariant\":\"a\"",
                    {"f.json:1: flag 'f': its variants are objects, which guests cannot read: it reads as zero"}},
        WarningCase{"UnknownMember",
                    boolean + ",\n\"defaultvariant\": [{\"on\": 1}], \"x\": 99999999999999999999",
                    {"f.json:2: flag 'f': member 'defaultvariant' is unknown and ignored",
                     "f.json:2: flag 'f': member 'x' is unknown and ignored"}}),
    [](const auto& tested) { return std::string(tested.param.name); });

TEST(FlagdJson, HugeIntegersOutsideVariantsDoNoHarm) {
  good("{\"metadata\": {\"n\": 99999999999999999999}, \"n\": 18446744073709551615, \"flags\": {}}");
}

TEST(FlagdJson, DepthNeedsNoRecursion) {
  const std::string deep(1'000'000, '[');
  good("{\"metadata\": " + deep + std::string(deep.size(), ']') + ", \"flags\": {}}");
  EXPECT_NE(message("{\"metadata\": " + deep).find("not valid JSON"), std::string::npos);
}

// Whatever a file is cut off to, it is an error with a place: this is what a half-written file looks like.
TEST(FlagdJson, EveryPrefixIsAnError) {
  const std::string whole = "{\n  \"flags\": {\"f\": {\n" + boolean + "}}}";
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_TRUE(message(whole.substr(0, length)).starts_with("f.json:")) << length;
  }
  good(whole);
}

TEST(FlagdJson, NamesInMessagesStayOnOneLine) {
  EXPECT_EQ(in_quotes("a\nb\x7f"), "'a\\x0ab\\x7f'");
  EXPECT_EQ(in_quotes(std::string(80, 'x')), "'" + std::string(80, 'x') + "'");
  EXPECT_EQ(in_quotes(std::string(81, 'x')), "'" + std::string(80, 'x') + "...'");
  EXPECT_EQ(in_quotes(std::string(79, 'x') + "\u00fc"), "'" + std::string(79, 'x') + "...'");  // no half character
  const std::string json = "{\"flags\": {\"a\\nb\": 1}}";
  EXPECT_EQ(message(json).find('\n'), std::string::npos);
}

}  // namespace
}  // namespace shunt::flags
