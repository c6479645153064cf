// What JsonLogic's operations give: known results, and the same rule simplified or not. Each row: rule, data, result.
#include <gtest/gtest.h>

#include <string>

#include "runtime/flags/targeting/rule.h"

namespace shunt::flags::targeting {
namespace {

Result<Rule> compile(const Json& text, const Rule::Evaluators& evaluators = {}) {
  Allowance allowance;
  return Rule::compile(text, evaluators, "the-flag", allowance);
}

// Of the rule as it is written, and of one whose literals are not known when it is read.
void expect_rows(const char* rows) {
  for (const Json& row : Json::parse(rows)) {
    const Result<Rule> rule = compile(row[0]);
    ASSERT_TRUE(rule) << row.dump() << rule.error().message();
    const Result<Json> value = rule->evaluate(row[1]);
    ASSERT_TRUE(value) << row.dump() << value.error().message();
    EXPECT_TRUE(strictly_equal(*value, row[2])) << row.dump() << " gives " << value->dump();
  }
}

TEST(JsonLogic, Equality) {
  expect_rows(R"([
    [{"==": [1, 1]}, {}, true], [{"==": [1, "1"]}, {}, true], [{"==": [1, 2]}, {}, false], [{"==": [1, 1.0]}, {}, true],
    [{"==": [0, false]}, {}, true], [{"==": ["", 0]}, {}, true], [{"==": [null, 0]}, {}, false],
    [{"==": [null, null]}, {}, true], [{"==": ["1.0", 1]}, {}, true], [{"==": ["x", 1]}, {}, false],
    [{"==": [[1], 1]}, {}, true], [{"==": [[], ""]}, {}, true], [{"==": [true, "1"]}, {}, true],
    [{"==": [{"var": "a"}, {"var": "b"}]}, {"a": "0x10", "b": 16}, true],
    [{"===": [1, 1]}, {}, true], [{"===": [1, "1"]}, {}, false], [{"===": [1, 2]}, {}, false], [{"===": [0, false]}, {}, false],
    [{"!=": [1, 2]}, {}, true], [{"!=": [1, "1"]}, {}, false], [{"!==": [1, "1"]}, {}, true], [{"!==": [1, 1]}, {}, false]
  ])");
}

TEST(JsonLogic, Order) {
  expect_rows(R"([
    [{">": [2, 1]}, {}, true], [{">": [1, 1]}, {}, false], [{">": [1, 2]}, {}, false], [{">": ["2", 1]}, {}, true],
    [{">=": [2, 1]}, {}, true], [{">=": [1, 1]}, {}, true], [{">=": [1, 2]}, {}, false],
    [{"<": [2, 1]}, {}, false], [{"<": [1, 2]}, {}, true], [{"<": ["1", 2]}, {}, true], [{"<": ["10", "9"]}, {}, true],
    [{"<": ["a", 1]}, {}, false], [{">=": ["a", 1]}, {}, false],
    [{"<": [1, 2, 3]}, {}, true], [{"<": [1, 1, 3]}, {}, false], [{"<": [1, 4, 3]}, {}, false],
    [{"<=": [1, 2, 3]}, {}, true], [{"<=": [1, 1, 3]}, {}, true], [{"<=": [1, 4, 3]}, {}, false],
    [{"<": [{"var": "a"}, 5]}, {"a": null}, true], [{"<": [{"var": "gone"}, 0]}, {}, false]
  ])");
}

TEST(JsonLogic, Truth) {
  expect_rows(R"([
    [{"!": [false]}, {}, true], [{"!": false}, {}, true], [{"!": [true]}, {}, false], [{"!": 0}, {}, true], [{"!": 1}, {}, false],
    [{"!!": ["0"]}, {}, true], [{"!!": [""]}, {}, false], [{"!!": [[]]}, {}, false], [{"!!": [[0]]}, {}, true],
    [{"!!": {"var": "o"}}, {"o": {}}, true], [{"!!": null}, {}, false],
    [{"or": [true, true]}, {}, true], [{"or": [false, true]}, {}, true], [{"or": [false, false]}, {}, false],
    [{"or": [false, 3]}, {}, 3], [{"or": [1, 3]}, {}, 1], [{"or": [3, false]}, {}, 3], [{"or": [false, "", 0]}, {}, 0],
    [{"and": [true, true]}, {}, true], [{"and": [false, true]}, {}, false], [{"and": [1, 3]}, {}, 3],
    [{"and": [3, false]}, {}, false], [{"and": [{"var": "a"}, "x"]}, {"a": ""}, ""],
    [{"or": [{"var": "a"}, "x"]}, {"a": ""}, "x"], [{"or": [0, {"var": "a"}, 7]}, {"a": 5}, 5], [{"and": []}, {}, null]
  ])");
}

TEST(JsonLogic, Conditions) {
  expect_rows(R"([
    [{"if": [true, 1, 2]}, {}, 1], [{"if": [false, 1, 2]}, {}, 2], [{"?:": [true, 1, 2]}, {}, 1], [{"if": []}, {}, null],
    [{"if": [7]}, {}, 7], [{"if": [true, 1]}, {}, 1], [{"if": [false, 1]}, {}, null],
    [{"if": [false, 1, false, 2, 3]}, {}, 3], [{"if": [false, 1, true, 2, 3]}, {}, 2], [{"if": [false, 1, false, 2]}, {}, null],
    [{"if": [{"var": "x"}, [{"var": "y"}], 99]}, {"x": true, "y": 42}, [42]],
    [{"if": [{"<": [{"var": "temp"}, 0]}, "freezing", {"<": [{"var": "temp"}, 100]}, "liquid", "gas"]}, {"temp": 55}, "liquid"],
    [{"if": [{"<": [{"var": "temp"}, 0]}, "freezing", {"<": [{"var": "temp"}, 100]}, "liquid", "gas"]}, {"temp": 200}, "gas"],
    [{"if": [true, {"var": "x"}, {"var": "y"}]}, {"x": "X"}, "X"],
    [{"if": [{"var": "x"}, 1, false, 2, true, 3, 4]}, {"x": 0}, 3]
  ])");
}

TEST(JsonLogic, Arithmetic) {
  expect_rows(R"([
    [{"+": [1, 2]}, {}, 3], [{"+": [2, 2, 2]}, {}, 6], [{"+": [1]}, {}, 1], [{"+": ["1", 1]}, {}, 2], [{"+": "3.14"}, {}, 3.14],
    [{"+": ["3 apples", 1]}, {}, 4], [{"*": [3, 2]}, {}, 6], [{"*": [2, 2, 2]}, {}, 8], [{"*": ["1", 1]}, {}, 1],
    [{"-": [2, 3]}, {}, -1], [{"-": [3]}, {}, -3], [{"-": ["1", 1]}, {}, 0], [{"/": [4, 2]}, {}, 2], [{"/": [2, 4]}, {}, 0.5],
    [{"%": [1, 2]}, {}, 1], [{"%": [3, 2]}, {}, 1], [{"%": [-3, 2]}, {}, -1], [{"%": ["5", "3"]}, {}, 2],
    [{"max": [1, 2, 3]}, {}, 3], [{"max": [1, 3, 3]}, {}, 3], [{"max": [3, 2, 1]}, {}, 3], [{"max": [1]}, {}, 1],
    [{"min": [1, 2, 3]}, {}, 1], [{"min": [3, 2, 1]}, {}, 1], [{"min": ["2", 3]}, {}, 2],
    [{"cat": [{"/": [1, 0]}]}, {}, "Infinity"], [{"cat": [{"+": ["x", 1]}]}, {}, "NaN"], [{"!!": [{"+": ["x"]}]}, {}, false],
    [{"+": [9007199254740992, 1]}, {}, 9007199254740992.0]
  ])");
}

TEST(JsonLogic, Text) {
  expect_rows(R"([
    [{"in": ["Bart", ["Bart", "Homer"]]}, {}, true], [{"in": ["Milhouse", ["Bart", "Homer"]]}, {}, false],
    [{"in": [1, ["1"]]}, {}, false], [{"in": ["Spring", "Springfield"]}, {}, true], [{"in": ["i", "team"]}, {}, false],
    [{"in": ["a", null]}, {}, false], [{"in": ["", "x"]}, {}, true],
    [{"cat": "ice"}, {}, "ice"], [{"cat": ["ice", "cream"]}, {}, "icecream"], [{"cat": [1, 2]}, {}, "12"],
    [{"cat": ["Robocop", 2]}, {}, "Robocop2"], [{"cat": [1.0, ",", 0.5, null, true]}, {}, "1,0.5true"],
    [{"cat": [[1, [2, null]]]}, {}, "1,2,"], [{"cat": [1e21, " ", 1e-7, " ", 123456789012345680000]}, {}, "1e+21 1e-7 123456789012345680000"],
    [{"substr": ["jsonlogic", 4]}, {}, "logic"], [{"substr": ["jsonlogic", -5]}, {}, "logic"],
    [{"substr": ["jsonlogic", 0, 1]}, {}, "j"], [{"substr": ["jsonlogic", -1, 1]}, {}, "c"],
    [{"substr": ["jsonlogic", 4, 5]}, {}, "logic"], [{"substr": ["jsonlogic", -5, 5]}, {}, "logic"],
    [{"substr": ["jsonlogic", -5, -2]}, {}, "log"], [{"substr": ["jsonlogic", 1, -5]}, {}, "son"],
    [{"substr": ["gr\u00fc\u00dfe", 2, 2]}, {}, "\u00fc\u00df"], [{"substr": ["abc", 9]}, {}, ""], [{"substr": ["abc", 1, -9]}, {}, ""],
    [{"log": ["said"]}, {}, "said"]
  ])");
}

TEST(JsonLogic, Data) {
  expect_rows(R"([
    [{"var": ["a"]}, {"a": 1}, 1], [{"var": "a"}, {"a": 1}, 1], [{"var": "b"}, {"a": 1}, null], [{"var": ["b", 2]}, {"a": 1}, 2],
    [{"var": "a.b"}, {"a": {"b": "c"}}, "c"], [{"var": "a.q"}, {"a": {"b": "c"}}, null], [{"var": ["a.q", 9]}, {"a": {}}, 9],
    [{"var": 1}, ["apple", "banana"], "banana"], [{"var": "1"}, ["apple", "banana"], "banana"], [{"var": "1.1"}, [0, ["x", "y"]], "y"],
    [{"var": ""}, 1, 1], [{"var": null}, 1, 1], [{"var": []}, 1, 1], [{"var": "a"}, {"a": null}, null], [{"var": "0"}, "text", null],
    [{"var": {"var": "which"}}, {"which": "a", "a": 4}, 4],
    [{"missing": ["a", "b"]}, {"a": 1}, ["b"]], [{"missing": "a"}, {}, ["a"]], [{"missing": ["a"]}, {"a": ""}, ["a"]],
    [{"missing": [["a", "b"]]}, {"b": 0}, ["a"]], [{"missing": {"merge": ["vin", {"if": [{"var": "f"}, ["apr"], []]}]}}, {"f": true}, ["vin", "apr"]],
    [{"missing_some": [1, ["a", "b", "c"]]}, {"a": "apple"}, []], [{"missing_some": [2, ["a", "b", "c"]]}, {"a": "apple"}, ["b", "c"]],
    [{"merge": [[1, 2], [3, 4]]}, {}, [1, 2, 3, 4]], [{"merge": [1, [2]]}, {}, [1, 2]], [{"merge": []}, {}, []],
    [{"a": 1, "b": 2}, {}, {"a": 1, "b": 2}], [{}, {}, {}], [[1, {"var": "a"}], {"a": 2}, [1, 2]], [7, {}, 7]
  ])");
}

TEST(JsonLogic, Lists) {
  expect_rows(R"([
    [{"map": [{"var": "i"}, {"*": [{"var": ""}, 2]}]}, {"i": [1, 2, 3]}, [2, 4, 6]], [{"map": [{"var": "gone"}, 1]}, {}, []],
    [{"map": [[1, 2], {"+": [{"var": ""}, 1]}]}, {}, [2, 3]],
    [{"filter": [{"var": "i"}, {"%": [{"var": ""}, 2]}]}, {"i": [1, 2, 3]}, [1, 3]], [{"filter": [{"var": "i"}, true]}, {"i": 1}, []],
    [{"reduce": [{"var": "i"}, {"+": [{"var": "current"}, {"var": "accumulator"}]}, 0]}, {"i": [1, 2, 3, 4]}, 10],
    [{"reduce": [{"var": "gone"}, {"+": [{"var": "current"}, {"var": "accumulator"}]}, 7]}, {}, 7],
    [{"reduce": [[5], {"var": "accumulator"}]}, {}, null],
    [{"all": [{"var": "i"}, {">=": [{"var": ""}, 1]}]}, {"i": [1, 2]}, true], [{"all": [[1, 0], {"var": ""}]}, {}, false], [{"all": [[], true]}, {}, false],
    [{"none": [{"var": "i"}, {"<": [{"var": "q"}, 1]}]}, {"i": [{"q": 1}]}, true], [{"none": [[], true]}, {}, true], [{"none": [[1], true]}, {}, false],
    [{"some": [{"var": "i"}, {"==": [{"var": ""}, 2]}]}, {"i": [1, 2]}, true], [{"some": [[], true]}, {}, false], [{"some": [[0], {"var": ""}]}, {}, false]
  ])");
}

TEST(JsonLogic, TextOperationsOfFlagd) {
  expect_rows(R"([
    [{"starts_with": ["abcdef", "abc"]}, {}, true], [{"starts_with": ["abcdef", "b"]}, {}, false], [{"starts_with": [{"var": "n"}, "1"]}, {"n": 12}, null],
    [{"starts_with": ["abc"]}, {}, null], [{"ends_with": ["uvwxyz", "xyz"]}, {}, true], [{"ends_with": ["x", "xx"]}, {}, false], [{"ends_with": ["a", "b", "c"]}, {}, null],
    [{"sem_ver": ["2.0.0", "=", "2.0.0"]}, {}, true], [{"sem_ver": ["2.1.0", ">", "2.0.0"]}, {}, true], [{"sem_ver": ["1.9.0", "<", "2.0.0"]}, {}, true],
    [{"sem_ver": ["2.0.0-alpha", "<", "2.0.0"]}, {}, true], [{"sem_ver": ["2.0.0.0", "=", "2.0.0"]}, {}, null],
    [{"sem_ver": ["3.0.1", "~", "3.0.0"]}, {}, true], [{"sem_ver": ["3.1.0", "~", "3.0.0"]}, {}, false], [{"sem_ver": ["3.1.0", "^", "3.0.0"]}, {}, true],
    [{"sem_ver": ["4.0.0", "^", "3.0.0"]}, {}, false], [{"sem_ver": ["not-a-version", "=", "1.0.0"]}, {}, null], [{"sem_ver": ["1.0.0", "===", "1.0.0"]}, {}, null],
    [{"sem_ver": ["V1.0.0", "=", "v1.0.0"]}, {}, true], [{"sem_ver": ["1.0", "^", "1"]}, {}, true], [{"sem_ver": [1.2, "^", "1"]}, {}, true],
    [{"sem_ver": [1.2, ">", "1.1"]}, {}, true], [{"sem_ver": [1, ">", "1.1"]}, {}, false], [{"sem_ver": [2, ">", "1.1"]}, {}, true],
    [{"sem_ver": ["1.0.0+other", "=", "1.0.0+build"]}, {}, true], [{"sem_ver": ["1.0.0", "="]}, {}, null], [{"sem_ver": [null, "=", "1.0.0"]}, {}, null],
    [{"sem_ver": ["01.0.0", "=", "1.0.0"]}, {}, null], [{"sem_ver": ["1.0.0-01", "=", "1.0.0"]}, {}, null], [{"sem_ver": ["1.0.0-", "=", "1.0.0"]}, {}, null],
    [{"sem_ver": ["1.0-a", "=", "1.0.0"]}, {}, null], [{"sem_ver": ["1.0.0-alpha.1", "<", "1.0.0-alpha.beta"]}, {}, true],
    [{"sem_ver": ["1.0.0-rc.11", ">", "1.0.0-rc.2"]}, {}, true], [{"sem_ver": ["1.0.0-alpha", "<", "1.0.0-alpha.1"]}, {}, true],
    [{"sem_ver": ["10.0.0", ">=", "9.9.9"]}, {}, true], [{"sem_ver": ["1.0.0", "<=", "1.0.0"]}, {}, true], [{"sem_ver": ["1.0.0", "!=", "1.0.1"]}, {}, true],
    [{"sem_ver": ["99999999999999999999.0.0", ">", "9.0.0"]}, {}, true]
  ])");
}

std::string refused(const char* text, const char* evaluators = "{}") {
  Rule::Evaluators named;
  const Json all = Json::parse(evaluators);
  for (auto it = all.begin(); it != all.end(); ++it) named.emplace(it.key(), it.value());
  const Result<Rule> rule = compile(Json::parse(text), named);
  return rule ? "(compiled)" : rule.error().message();
}

TEST(Rule, NamesThePlaceOfWhatItCannotRead) {
  EXPECT_EQ(refused(R"({"fi": [true, "on"]})"), "targeting.fi: there is no operation 'fi': correct its name");
  EXPECT_EQ(refused(R"({"if": [{"and": [1, {"startswith": ["a", "b"]}]}, "on"]})"),
            "targeting.if[0].and[1].startswith: there is no operation 'startswith': correct its name");
  EXPECT_EQ(refused(R"({"$ref": "gone"})"), "targeting.$ref: there is no evaluator 'gone': add it to $evaluators");
  EXPECT_EQ(refused(R"({"!": {"$ref": 1}})"),
            "targeting.![0].$ref: it is not a string: write the name of one of $evaluators");
}

TEST(Rule, ReferencesAreExpandedAndCirclesAreRefused) {
  const Json text = Json::parse(R"({"if": [{"$ref": "b"}, "on", "off"]})");
  const Rule::Evaluators good = {{"a", Json::parse(R"({"in": ["@x", {"var": "email"}]})")},
                                 {"b", Json::parse(R"({"!": {"$ref": "a"}})")}};
  const Result<Rule> rule = compile(text, good);
  ASSERT_TRUE(rule) << rule.error().message();
  EXPECT_EQ(*rule->evaluate(Json::parse(R"({"email": "me@x.org"})")), "off");
  EXPECT_EQ(*rule->evaluate(Json::parse("{}")), "on");
  EXPECT_EQ(refused(R"({"$ref": "a"})", R"({"a": {"!": {"$ref": "b"}}, "b": {"$ref": "a"}})"),
            "targeting.$ref(a).![0].$ref(b).$ref: evaluator 'a' refers to itself: break the circle");
}

TEST(Rule, IsBoundedInDepthPartsAndSteps) {
  std::string deep = "1";
  for (std::size_t i = 0; i < max_depth; ++i) deep = R"({"!": [)" + deep + "]}";
  EXPECT_EQ(refused(deep.c_str()), "(compiled)");
  EXPECT_NE(refused((R"({"!": [)" + deep + "]}").c_str()).find("nested deeper than 64"), std::string::npos);

  Json wide = {{"max", Json::array()}};
  for (std::size_t i = 0; i < max_nodes; ++i) wide["max"].push_back(1);
  EXPECT_NE(compile(wide).error().message().find("more than 10000 parts"), std::string::npos);

  // References that double each other: what they stand for counts.
  Json doubling = Json::object();
  doubling["e0"] = Json::parse(R"({"var": "x"})");
  for (int i = 1; i < 20; ++i) {
    const Json before = {{"$ref", "e" + std::to_string(i - 1)}};
    doubling["e" + std::to_string(i)] = {{"and", {before, before}}};
  }
  EXPECT_NE(refused(R"({"$ref": "e19"})", doubling.dump().c_str()).find("more than 10000 parts"), std::string::npos);

  // A list that doubles with each element.
  const Json text =
      Json::parse(R"({"reduce": [{"var": "i"}, {"merge": [{"var": "accumulator"}, {"var": "accumulator"}]}, [1]]})");
  const Result<Rule> rule = compile(text);
  ASSERT_TRUE(rule);
  Json data = {{"i", Json::array()}};
  for (int i = 0; i < 8; ++i) data["i"].push_back(0);
  EXPECT_EQ(rule->evaluate(data)->size(), 256U);
  for (int i = 0; i < 60; ++i) data["i"].push_back(0);
  const Result<Json> value = rule->evaluate(data);
  ASSERT_FALSE(value);
  EXPECT_EQ(value.error().message(), "the rule takes more than 200000 steps: make it or the context smaller");

  // One that does so at load is left as it is.
  Json at_load = text;
  at_load["reduce"][0] = data["i"];
  const Result<Rule> left = compile(at_load);
  ASSERT_TRUE(left);
  EXPECT_FALSE(left->evaluate(Json::object()));
}

std::string decided(const char* text) {
  const Result<Rule> rule = compile(Json::parse(text));
  EXPECT_TRUE(rule) << rule.error().message();
  const auto values = rule->possible_values();
  return values ? Json(*values).dump() : "unknown";
}

TEST(Rule, KnowsWhatItDecidesForEveryContext) {
  EXPECT_EQ(decided(R"({"if": [true, "on", {"var": "x"}]})"), R"(["on"])");
  EXPECT_EQ(decided(R"({"if": [{"==": [1, 2]}, "on"]})"), "[null]");
  EXPECT_EQ(decided(R"({"if": [{"var": "x"}, "on", "on"]})"), R"(["on"])");
  EXPECT_EQ(decided(R"({"if": [{"var": "x"}, "on", {"var": "y"}, "on", "on"]})"), R"(["on"])");
  EXPECT_EQ(decided(R"({"if": [{"var": "x"}, "on", null]})"), R"(["on",null])");
  EXPECT_EQ(decided(R"({"and": [true, {"sem_ver": ["1.0.0", "<", "2.0.0"]}]})"), "[true]");
  EXPECT_EQ(decided(R"({"or": ["on", {"var": "x"}]})"), R"(["on"])");
  EXPECT_EQ(decided(R"({"some": [[1, 2], {">": [{"var": ""}, 1]}]})"), "[true]");
  EXPECT_EQ(decided(R"({"if": [{"==": [{"var": "$flagd.flagKey"}, "the-flag"]}, "on", "off"]})"), R"(["on"])");
  EXPECT_EQ(decided(R"({"fractional": ["seed", ["on", 1], ["off", 0]]})"), R"(["on"])");
  EXPECT_EQ(decided(R"({"fractional": [["on", 1], ["on", 1]]})"), R"(["on",null])");
  EXPECT_EQ(decided(R"({"if": [{"missing": ["x"]}, "on", "off"]})"), R"(["on","off"])");
  EXPECT_EQ(decided(R"({"if": [{"var": "x"}, "on", {"var": "y"}]})"), "unknown");
}

TEST(Rule, KnowsWhetherItAsksForTheTime) {
  const auto uses_time = [](const char* text) { return compile(Json::parse(text))->uses_time(); };
  EXPECT_TRUE(uses_time(R"({"<": [{"var": "$flagd.timestamp"}, 5]})"));
  EXPECT_TRUE(uses_time(R"({"<": [{"var": {"cat": ["$flagd", ".timestamp"]}}, 5, {"var": "x"}]})"));
  EXPECT_TRUE(uses_time(R"({"map": [[{"var": ""}], {"var": "$flagd.timestamp"}]})"));
  EXPECT_FALSE(uses_time(R"({"<": [{"var": "timestamp"}, 5]})"));
  EXPECT_FALSE(uses_time(R"({"==": [{"var": "$flagd.flagKey"}, {"var": "x"}]})"));
  EXPECT_FALSE(uses_time(R"({"map": [{"var": "list"}, {"var": ""}]})"));
}

}  // namespace
}  // namespace shunt::flags::targeting
