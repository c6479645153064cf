// What each request is answered, malformed ones too.
#include "runtime/flags/control/requests.h"

#include <atomic>

#include "shunt/runtime/flag_view.h"
#include "tests/runtime/flags/flag_set_fixture.h"

namespace shunt::flags {
namespace {

class RequestTest : public FlagSetTest {
 protected:
  RequestTest() { load(document({flag("b", on_off, "off"), flag("s", colours, "red")})); }
  std::string answered(std::string_view request) { return answer(set_, request).line; }
};

TEST_F(RequestTest, ListsAndGets) {
  const std::string b = R"({"key":"b","value":false,"variant":"off","reason":"STATIC"})";
  const std::string s = R"({"key":"s","value":"R","variant":"red","reason":"STATIC"})";
  EXPECT_EQ(answered(R"({"op": "list"})"), "{\"flags\":[" + b + "," + s + "]}");
  EXPECT_EQ(answered(R"({"op": "get", "key": "s"})"), s);
  const Answer watch = answer(set_, R"({"op": "watch"})");
  EXPECT_EQ(watch.line, R"({"watching":true})");
  EXPECT_TRUE(watch.watches);
}

TEST_F(RequestTest, TellsWhetherContextsDiffer) {
  load(document({targeted("b", on_off, "off", by_tier), flag("s", colours, "red")}));
  Flag& b = want("b");
  EXPECT_EQ(answered(R"({"op": "get", "key": "b"})"),
            R"({"key":"b","value":false,"variant":"off","reason":"TARGETING_MATCH","targeting":"agreed"})");
  const ViewedFlags viewed({{&b, FlagType::I32, {}}});
  std::atomic<std::uint64_t> cell{0};
  FlagView view(set_, viewed, &cell);
  ASSERT_TRUE(view.set_context(R"({"tier": "gold"})"));
  EXPECT_EQ(answered(R"({"op": "get", "key": "b"})"),
            R"({"key":"b","value":false,"variant":"off","reason":"TARGETING_MATCH","targeting":"differs"})");
}

TEST_F(RequestTest, SetsWhatFits) {
  const Code site = host_.site_of(want("b").truth());
  EXPECT_EQ(answered(R"({"op": "set", "key": "b", "value": true})"),
            R"({"key":"b","value":true,"variant":"on","reason":"STATIC","sites_written":1})");
  EXPECT_EQ(host_.state_in_memory(site), 1U);
  EXPECT_EQ(
      answered(R"({"op": "set", "key": "b", "value": "text"})"),
      R"json({"error":"flag 'b': g.wasm reads it as i32, but the value to set is one of strings: set a value that fits boolean or integer variants"})json");
  EXPECT_EQ(host_.state_in_memory(site), 1U);
}

TEST_F(RequestTest, RefusesWhatMakesNoSense) {
  const char* no_object = R"json({"error":"the request is not a JSON object: write {\"op\": \"list\"}"})json";
  const char* no_op = R"json({"error":"the request has no 'op': write list, get, set or watch"})json";
  const char* no_value =
      R"json({"error":"set: it has no 'value': give a boolean, a number of 64 bits or a string"})json";
  const std::pair<std::string, std::string> cases[] = {
      {"", no_object},
      {"[]", no_object},
      {"{\"op\": \"list\"", no_object},
      {"\xff\xfe", no_object},
      {std::string(60'000, '['), no_object},
      {"{}", no_op},
      {R"({"op": 7})", no_op},
      {R"({"op": "drop"})", no_op},
      {R"({"op": "get"})", R"json({"error":"get: it has no 'key': name a flag"})json"},
      {R"({"op": "get", "key": 1})", R"json({"error":"get: it has no 'key': name a flag"})json"},
      {R"({"op": "get", "key": "x"})", R"json({"error":"flag 'x' is not defined: name one that 'list' shows"})json"},
      {R"({"op": "set", "key": "b"})", no_value},
      {R"({"op": "set", "key": "b", "value": null})", no_value},
      {R"({"op": "set", "key": "b", "value": {}})", no_value},
      {R"({"op": "set", "key": "b", "value": 18446744073709551615})", no_value},
  };
  for (const auto& [request, expected] : cases) EXPECT_EQ(answered(request), expected);
  EXPECT_EQ(set_.value("b"), FlagValue(false));
}

}  // namespace
}  // namespace shunt::flags
