// What flags are for contexts: values, variants, reasons and error codes, as flagd gives them.
#include "runtime/flags/evaluation.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "runtime/flags/context.h"
#include "runtime/flags/evaluation_json.h"

namespace shunt::flags {
namespace {

constexpr const char* flags = R"({
  "$evaluators": {"staff": {"ends_with": [{"var": ["email"]}, "@example.com"]}, "outsider": {"!": {"$ref": "staff"}}},
  "metadata": {"team": "parsing", "version": 1},
  "flags": {
    "plain": {"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off"},
    "empty": {"state": "ENABLED", "variants": {"none": "", "some": "x"}, "defaultVariant": "none"},
    "off": {"state": "DISABLED", "variants": {"on": true}, "defaultVariant": "on", "targeting": {"if": [true, "on"]}},
    "open": {"state": "ENABLED", "variants": {"small": 10, "big": 1000}},
    "nobody": {"state": "ENABLED", "variants": {"on": true}, "defaultVariant": null},
    "greeting": {"state": "ENABLED", "variants": {"hi": "hi", "bye": "bye", "none": "none"}, "defaultVariant": "none",
      "targeting": {"if": [{"$ref": "staff"}, "hi", "bye"]}},
    "outside": {"state": "ENABLED", "variants": {"yes": 1.5, "no": 0.0}, "defaultVariant": "no",
      "targeting": {"if": [{"$ref": "outsider"}, "yes"]}},
    "boss": {"state": "ENABLED", "variants": {"normal": "CFO", "special": "CEO"},
      "targeting": {"if": [{"==": ["boss@example.org", {"var": "email"}]}, "special", null]}},
    "key": {"state": "ENABLED", "variants": {"miss": "miss", "hit": "hit"}, "defaultVariant": "miss",
      "targeting": {"if": [{"==": [{"var": "targetingKey"}, "5c3d8535"]}, "hit", null]}},
    "shorthand": {"state": "ENABLED", "variants": {"true": 1, "false": 0}, "defaultVariant": "false",
      "targeting": {"in": [{"var": "country"}, ["de", "fr"]]}},
    "number": {"state": "ENABLED", "variants": {"1": "one", "2": "two"}, "defaultVariant": "1", "targeting": {"+": [{"var": "n"}, 1]}},
    "wrong": {"state": "ENABLED", "variants": {"a": true}, "defaultVariant": "a", "targeting": {"var": "name"}},
    "list": {"state": "ENABLED", "variants": {"a": true}, "defaultVariant": "a", "targeting": {"map": [{"var": "l"}, 1]}},
    "coin": {"state": "ENABLED", "variants": {"heads": 1, "tails": 2, "edge": 3}, "defaultVariant": "edge",
      "targeting": {"fractional": [{"var": "seed"}, ["heads", 1], ["tails", 1]]}},
    "flag-key": {"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off",
      "targeting": {"if": [{"==": [{"var": "$flagd.flagKey"}, "flag-key"]}, "on"]}},
    "later": {"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off",
      "targeting": {"if": [{">=": [{"var": "$flagd.timestamp"}, 1000]}, "on"]}},
    "object": {"state": "ENABLED", "variants": {"a": {"deep": [1, {"x": null}]}, "b": {}}, "defaultVariant": "a", "metadata": {"version": 2}},
    "decided": {"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off",
      "targeting": {"if": [{"sem_ver": ["1.2.0", ">=", "1.0.0"]}, "on", {"var": "x"}]}}
  }
})";

class EvaluationTest : public testing::Test {
 protected:
  EvaluationTest() {
    Result<Document> parsed = parse_flagd(flags, "f.json");
    EXPECT_TRUE(parsed) << parsed.error().message();
    if (parsed) document_ = std::move(*parsed);
  }
  std::string evaluated(const std::string& key, std::string_view context = "{}", std::int64_t seconds = 0) const {
    const Result<Context> parsed = Context::parse(context);
    EXPECT_TRUE(parsed);
    const Definition& definition = document_.flags.at(key);
    return json_of(key, evaluate(key, definition, parsed->json(), seconds));
  }
  Document document_;
};

TEST_F(EvaluationTest, WithoutRules) {
  EXPECT_EQ(evaluated("plain"), R"({"key":"plain","value":false,"variant":"off","reason":"STATIC"})");
  EXPECT_EQ(evaluated("empty"), R"({"key":"empty","value":"","variant":"none","reason":"STATIC"})");
  EXPECT_EQ(evaluated("off"), R"({"key":"off","reason":"DISABLED"})");
  EXPECT_EQ(evaluated("open"), R"({"key":"open","reason":"DEFAULT"})");
  EXPECT_EQ(evaluated("nobody"), R"({"key":"nobody","reason":"DEFAULT"})");
  EXPECT_EQ(evaluated("object"), R"({"key":"object","value":{"deep":[1,{"x":null}]},"variant":"a","reason":"STATIC"})");
}

TEST_F(EvaluationTest, RulesChoose) {
  const char* staff = R"({"email": "me@example.com"})";
  EXPECT_EQ(evaluated("greeting", staff),
            R"({"key":"greeting","value":"hi","variant":"hi","reason":"TARGETING_MATCH"})");
  EXPECT_EQ(evaluated("greeting"), R"({"key":"greeting","value":"bye","variant":"bye","reason":"TARGETING_MATCH"})");
  EXPECT_EQ(evaluated("outside", staff), R"({"key":"outside","value":0.0,"variant":"no","reason":"DEFAULT"})");
  EXPECT_EQ(evaluated("outside", R"({"email": "x"})"),
            R"({"key":"outside","value":1.5,"variant":"yes","reason":"TARGETING_MATCH"})");
  EXPECT_EQ(evaluated("boss", R"({"email": "boss@example.org"})"),
            R"({"key":"boss","value":"CEO","variant":"special","reason":"TARGETING_MATCH"})");
  EXPECT_EQ(evaluated("boss", staff), R"({"key":"boss","reason":"DEFAULT"})");
  EXPECT_EQ(evaluated("key", R"({"targetingKey": "5c3d8535"})"),
            R"({"key":"key","value":"hit","variant":"hit","reason":"TARGETING_MATCH"})");
  EXPECT_EQ(evaluated("key", R"({"targetingKey": "f20bd32d"})"),
            R"({"key":"key","value":"miss","variant":"miss","reason":"DEFAULT"})");
  EXPECT_EQ(evaluated("shorthand", R"({"country": "fr"})"),
            R"({"key":"shorthand","value":1,"variant":"true","reason":"TARGETING_MATCH"})");
  EXPECT_EQ(evaluated("shorthand"), R"({"key":"shorthand","value":0,"variant":"false","reason":"TARGETING_MATCH"})");
  EXPECT_EQ(evaluated("number", R"({"n": 1})"),
            R"({"key":"number","value":"two","variant":"2","reason":"TARGETING_MATCH"})");
  EXPECT_EQ(evaluated("coin"), R"({"key":"coin","value":3,"variant":"edge","reason":"DEFAULT"})");
}

TEST_F(EvaluationTest, FlagdPropertiesAreTheRuntimesOwn) {
  EXPECT_EQ(evaluated("flag-key", R"({"$flagd": {"flagKey": "other"}})"),
            R"({"key":"flag-key","value":true,"variant":"on","reason":"TARGETING_MATCH"})");
  EXPECT_EQ(evaluated("later", "{}", 999), R"({"key":"later","value":false,"variant":"off","reason":"DEFAULT"})");
  EXPECT_EQ(evaluated("later", R"({"$flagd": {"timestamp": 5}})", 1000),
            R"({"key":"later","value":true,"variant":"on","reason":"TARGETING_MATCH"})");
  EXPECT_TRUE(uses_time(document_.flags.at("later")));
  EXPECT_FALSE(uses_time(document_.flags.at("greeting")));
}

TEST_F(EvaluationTest, RulesThatGiveNoVariantAreErrors) {
  EXPECT_EQ(
      evaluated("wrong", R"({"name": "b"})"),
      R"json({"key":"wrong","reason":"ERROR","errorCode":"GENERAL","errorDetails":"targeting gives 'b', which is not one of its variants ('a'): name one of these, or add it"})json");
  EXPECT_EQ(evaluated("wrong"), R"({"key":"wrong","value":true,"variant":"a","reason":"DEFAULT"})");
  EXPECT_EQ(
      evaluated("list", R"({"l": [1]})"),
      R"json({"key":"list","reason":"ERROR","errorCode":"GENERAL","errorDetails":"targeting gives an array or an object, which is not one of its variants ('a'): name one of these, or add it"})json");
}

TEST_F(EvaluationTest, WhatIsDecidedForEveryContextIsKnownAtOnce) {
  const auto targeted = [&](const char* key) { return document_.flags.at(key).is_targeted(); };
  ASSERT_FALSE(targeted("decided"));
  EXPECT_EQ(document_.flags.at("decided").in_force()->name, "on");
  ASSERT_FALSE(targeted("flag-key"));
  EXPECT_EQ(document_.flags.at("flag-key").in_force()->name, "on");
  EXPECT_FALSE(targeted("off"));
  EXPECT_TRUE(targeted("greeting"));
  EXPECT_EQ(document_.flags.at("greeting").in_force(), nullptr);
  EXPECT_TRUE(targeted("coin"));
  EXPECT_EQ(evaluated("decided"), R"({"key":"decided","value":true,"variant":"on","reason":"TARGETING_MATCH"})");
}

TEST_F(EvaluationTest, MetadataOfTheFlagGoesBeforeThatOfTheSet) {
  const Evaluation none;
  EXPECT_EQ(json_of("k", none, document_.metadata, document_.flags.at("object").metadata),
            R"({"key":"k","reason":"ERROR","metadata":{"team":"parsing","version":2}})");
}

TEST(EvaluationJson, WhatIsNestedTooDeepIsNull) {
  const std::string deep = "{\"a\": " + std::string(1'000'000, '[') + std::string(1'000'000, ']') + "}";
  Evaluation object;
  object.value = deep;
  object.is_object = true;
  object.reason = Reason::Static;
  EXPECT_EQ(json_of("k", object, deep), R"({"key":"k","value":null,"reason":"STATIC"})");
}

TEST(Context, SaysWhatItRefuses) {
  const auto message = [](std::string_view json) {
    const Result<Context> parsed = Context::parse(json);
    return parsed ? std::string("(parsed)") : parsed.error().message();
  };
  EXPECT_EQ(message(""), "(parsed)");
  EXPECT_EQ(message(R"({"targetingKey": "me", "n": [1, {"x": 1}]})"), "(parsed)");
  EXPECT_EQ(message("{"), "evaluation context: it is not valid JSON: write an object");
  EXPECT_EQ(message("[]"), "evaluation context: it is not an object: write one, {\"targetingKey\": \"...\"}");
  EXPECT_EQ(message(R"({"targetingKey": 5})"), "evaluation context: 'targetingKey' is not a string: write one");
  EXPECT_EQ(message("{\"x\": \"" + std::string(max_context_bytes, 'x') + "\"}"),
            "evaluation context: it has more than 1 MiB: make it smaller");
  EXPECT_EQ(message("{\"x\": " + std::string(100'000, '[') + std::string(100'000, ']') + "}"),
            "evaluation context: it is nested deeper than 64: make it flatter");
}

}  // namespace
}  // namespace shunt::flags
