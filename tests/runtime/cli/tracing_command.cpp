// Traces of the real program: chosen at its start, and while it runs.
#include <nlohmann/json.hpp>

#include <map>
#include <string>

#include "command.h"
#include "guests.h"

namespace shunt::cli {
namespace {

using Json = nlohmann::json;

class TracingCommand : public CommandTest {
 protected:
  void SetUp() override {
    CommandTest::SetUp();
    file("m.wat", R"((module
      (func $inner (param i32) (result i32) (i32.mul (local.get 0) (local.get 0)))
      (func $outer (export "outer") (param i32) (result i32) (i32.add (call $inner (local.get 0)) (i32.const 1)))
      (func $divide (export "divide") (param i32) (result i32) (i32.div_u (i32.const 1) (local.get 0)))))");
  }
  [[nodiscard]] Json trace(std::string_view name = "t.json") const { return Json::parse(read_file(path(name))); }
  // How many spans each name has.
  static std::map<std::string, int> spans(const Json& trace) {
    std::map<std::string, int> all;
    for (const Json& event : trace["traceEvents"]) {
      if (event["ph"] == "X") ++all[event["name"].get<std::string>()];
    }
    return all;
  }
};

using Counts = std::map<std::string, int>;

TEST_F(TracingCommand, WritesWhatMatched) {
  const Ended ended = shunt({"run", path("m.wat"), "--trace", "inn*", "--trace", "outer", "--trace-out", path("t.json"),
                             "--threads", "3", "--invoke", "outer", "6"});
  EXPECT_EQ(ended.status, 0) << ended.err;
  EXPECT_EQ(ended.out, "37\n37\n37\n");
  const Json json = trace();
  EXPECT_EQ(spans(json), (Counts{{"inner", 3}, {"outer", 3}}));
  std::map<std::string, int> threads;
  for (const Json& event : json["traceEvents"]) {
    if (event["ph"] == "M") ++threads[event["args"]["name"]];
  }
  EXPECT_EQ(threads, (Counts{{"guest 0", 1}, {"guest 1", 1}, {"guest 2", 1}}));
}

TEST_F(TracingCommand, ATrapIsInTheTrace) {
  const Ended ended =
      shunt({"run", path("m.wat"), "--trace", "*", "--trace-out", path("t.json"), "--invoke", "divide", "0"});
  EXPECT_EQ(ended.status, 134) << ended.err;
  const Json json = trace();
  EXPECT_EQ(spans(json), (Counts{{"divide", 1}}));
  EXPECT_NE(json.dump().find(R"("ended":"trap","trap":"integer divide by zero")"), std::string::npos) << json;
}

TEST_F(TracingCommand, WhatIsWrongIsSaid) {
  Ended ended =
      shunt({"run", path("m.wat"), "--trace", "iner", "--trace-out", path("t.json"), "--invoke", "outer", "1"});
  EXPECT_EQ(ended.status, 2);
  EXPECT_NE(ended.err.find("m.wat: no function matches 'iner'; there are 'inner', 'outer', 'divide'"),
            std::string::npos)
      << ended.err;
  EXPECT_FALSE(fs::exists(path("t.json")));
  ended = shunt({"run", path("m.wat"), "--trace", "inner", "--trace-out", path("no/t.json"), "--invoke", "outer", "1"});
  EXPECT_EQ(ended.status, 2);
  EXPECT_NE(ended.err.find("no/t.json: the trace cannot be written"), std::string::npos) << ended.err;
  ended = shunt(
      {"run", path("m.wat"), "--trace-from", path("none"), "--trace-out", path("t.json"), "--invoke", "outer", "1"});
  EXPECT_EQ(ended.status, 2);
  EXPECT_NE(ended.err.find("none: cannot read the patterns"), std::string::npos) << ended.err;
  ended = shunt({"run", path("m.wat"), "--trace-out", path("t.json"), "--invoke", "outer", "1"});
  EXPECT_EQ(ended.status, 2);
  EXPECT_NE(ended.err.find("name what to trace"), std::string::npos) << ended.err;
}

// The guest waits for its flag, and calls a function now and then.
TEST_F(TracingCommand, PatternsChangeWhileTheProgramRuns) {
  file("w.wat", R"((module
    (import "flags" "go" (func $go (result i32)))
    (func $check (result i32) (call $go))
    (func $wait (param i32) (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
    (func (export "_start")
      (loop $again (call $wait (i32.const 20000)) (br_if $again (i32.eqz (call $check)))))))");
  file("f.json", guests::number_flag("go", 0));
  file("patterns", "# none yet\n");
  Process guest(folder_,
                {"run", path("w.wat"), "--flags", path("f.json"), "--watch", "--trace-from", path("patterns"),
                 "--trace-out", path("t.json")},
                "");
  guest.wait_for_error_text("patterns: 0 functions traced\n");
  replace("patterns", "  check  \n");
  guest.wait_for_error_text("patterns: 1 function traced\n");
  std::this_thread::sleep_for(std::chrono::milliseconds(500));  // some calls, also on a busy emulator
  replace("patterns", "chek\n");
  guest.wait_for_error_text("no function matches 'chek'");
  guest.wait_for_error_text("what is traced stays as it was");
  replace("patterns", "\n");
  while (guest.err().find("patterns: 0 functions traced\n", guest.err().find("stays as it was")) == std::string::npos) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  replace("f.json", guests::number_flag("go", 1));
  EXPECT_EQ(guest.wait().status, 0) << guest.err();
  const Counts counts = spans(trace());
  ASSERT_EQ(counts.size(), 1U);
  EXPECT_GT(counts.at("check"), 0);
}

}  // namespace
}  // namespace shunt::cli
