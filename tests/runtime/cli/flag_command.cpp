// Flags on the command line: read at the start, watched while the guest runs, and shown as sites.
#include <nlohmann/json.hpp>

#include "command.h"
#include "guests.h"

namespace shunt::cli {
namespace {

using Json = nlohmann::json;

constexpr std::string_view all_flags = R"({"flags": {
"on":    {"state": "ENABLED", "variants": {"yes": true, "no": false}, "defaultVariant": "yes"},
"count": {"state": "ENABLED", "variants": {"few": 3, "many": -5}, "defaultVariant": "many"},
"big":   {"state": "ENABLED", "variants": {"v": 9223372036854775807}, "defaultVariant": "v"},
"rate":  {"state": "ENABLED", "variants": {"v": 0.25}, "defaultVariant": "v"},
"theme": {"state": "ENABLED", "variants": {"dark": "abc", "light": "d"}, "defaultVariant": "dark"}
}})";

class FlagCommand : public CommandTest {
 protected:
  Ended read(const Words& export_and_arguments) const {
    Words words = {"run", path("m.wat"), "--flags", path("f.json"), "--invoke"};
    words.insert(words.end(), export_and_arguments.begin(), export_and_arguments.end());
    return shunt(words);
  }
};

TEST_F(FlagCommand, GuestsReadEveryType) {
  file("m.wat", guests::flag_reader);
  file("f.json", all_flags);
  EXPECT_EQ(read({"branch"}).out, "10\n");
  EXPECT_EQ(read({"unless"}).out, "1\n");
  EXPECT_EQ(read({"choose", "5", "6"}).out, "5\n");
  EXPECT_EQ(read({"count"}).out, "-5\n");
  EXPECT_EQ(read({"big"}).out, "9223372036854775807\n");
  EXPECT_EQ(read({"rate"}).out, "0.25\n");
  EXPECT_EQ(read({"dark"}).out, "1\n");
  EXPECT_EQ(read({"theme"}).out, "3\n25185\n");  // "ab"
  EXPECT_EQ(read({"theme"}).err, "");
}

TEST_F(FlagCommand, AbsentFlagsReadAsZeroWithOneWarning) {
  const Ended ended = shunt({"run", file("m.wat", guests::flag_reader), "--invoke", "branch", "--threads", "2"});
  EXPECT_EQ(ended.status, 0);
  EXPECT_EQ(ended.out, "20\n20\n");
  const std::string warning =
      "shunt: warning: flag 'on', which " + path("m.wat") + " reads, is not defined: it reads as zero\n";
  const std::size_t first = ended.err.find(warning);
  EXPECT_NE(first, std::string::npos) << ended.err;
  EXPECT_EQ(ended.err.find(warning, first + 1), std::string::npos);
}

TEST_F(FlagCommand, BadFlagsEndWith4) {
  file("m.wat", guests::waiter);
  const auto refused = [&](std::string_view json) {
    const Ended ended = shunt({"run", path("m.wat"), "--flags", file("f.json", json)});
    EXPECT_EQ(ended.status, 4) << ended.err;
    EXPECT_EQ(ended.out, "");
    return ended.err;
  };
  const std::string f = "shunt: " + path("f.json");
  EXPECT_TRUE(refused("{\"flags\":").starts_with(f + ":1:10: not valid JSON"));
  EXPECT_EQ(refused(guests::flag("go", "\"variants\": {\"a\": 1}, \"defaultVariant\": \"b\"")),
            f + ":2: flag 'go': defaultVariant 'b' is not one of its variants ('a'): name one of these, or add it\n");
  EXPECT_EQ(refused(guests::flag("go", "\"variants\": {\"a\": \"x\"}, \"defaultVariant\": \"a\"")),
            f + ":2: flag 'go': " + path("m.wat") +
                " reads it as i32, but its variants are strings: give it boolean or integer variants, or correct the "
                "import\n");
  const Ended missing = shunt({"run", path("m.wat"), "--flags", path("none.json")});
  EXPECT_EQ(missing.status, 2);
  EXPECT_NE(missing.err.find("none.json: cannot read the flag file: No such file or directory"), std::string::npos);
  file("bad_import.wat",
       "(module (import \"flags\" \"f\" (func (param f32) (result f32))) (func (export \"_start\")))");
  EXPECT_EQ(shunt({"run", path("bad_import.wat")}).status, 3);
}

TEST_F(FlagCommand, RulesAreEvaluatedForTheContext) {
  file("m.wat", guests::waiter);
  file("f.json", guests::flag("go", R"("variants": {"a": 9, "b": 7}, "defaultVariant": "a",
       "targeting": {"if": [{"ends_with": [{"var": "email"}, "@example.com"]}, "b"]})"));
  const Words run = {"run", path("m.wat"), "--flags", path("f.json")};
  const auto with = [&](const std::string& context) {
    Words words = run;
    words.insert(words.end(), {"--context", context});
    return shunt(words);
  };
  EXPECT_EQ(shunt(run).status, 9);
  EXPECT_EQ(with(R"({"email": "me@example.com"})").status, 7);
  EXPECT_EQ(with(R"({"email": "me@example.org"})").status, 9);
  const Ended wrong = with("[1]");
  EXPECT_EQ(wrong.status, 2);
  EXPECT_EQ(wrong.err,
            "shunt: --context: evaluation context: it is not an object: write one, {\"targetingKey\": \"...\"}\n");
}

TEST_F(FlagCommand, WatchFlipsARunningGuest) {
  file("m.wat", guests::waiter);
  file("f.json", "{\"flags\": {}}");  // so the first load is no flip
  Process guest(folder_, {"run", path("m.wat"), "--flags", path("f.json"), "--watch", "--stats"}, "");
  guest.wait_for_output("waiting\n");
  replace("f.json", "{\"flags\": {");
  guest.wait_for_error_text(":1:12: not valid JSON");
  guest.wait_for_error_text("; the last good flags stay in force\n");
  replace("f.json", guests::number_flag("go", 17));
  const Ended ended = guest.wait();
  EXPECT_EQ(ended.status, 17) << ended.err;
  EXPECT_NE(ended.err.find("1 flag changed (go), "), std::string::npos) << ended.err;
  EXPECT_NE(ended.err.find("loaded in "), std::string::npos) << ended.err;
  EXPECT_NE(ended.err.find("3 flag loads, 1 failed; 1 flip, "), std::string::npos) << ended.err;
}

// Through all states of a number's site: off, on, and stubs for other values.
TEST_F(FlagCommand, WatchFollowsANumber) {
  file("m.wat", guests::waiter);
  file("f.json", guests::number_flag("go", 5));
  Process guest(folder_, {"run", path("m.wat"), "--flags", path("f.json"), "--watch", "--invoke", "follow"}, "");
  std::string seen = "5";
  for (const int value : {7, 1, 2, 0, 7, 5, 0, 1, 9}) {
    guest.wait_for_output(seen);
    replace("f.json", guests::number_flag("go", value));
    seen += std::to_string(value);
  }
  const Ended ended = guest.wait();
  EXPECT_EQ(ended.status, 0) << ended.err;
  EXPECT_EQ(ended.out, "5712075019");
}

TEST_F(FlagCommand, AFlagThatChangesTooOftenIsReadAsData) {
  file("m.wat", guests::waiter);
  file("f.json", guests::number_flag("go", 5));
  Process guest(folder_,
                {"run", path("m.wat"), "--flags", path("f.json"), "--watch", "--flip-limit", "2", "--stats", "--invoke",
                 "follow"},
                "");
  const auto demoted = [&] {
    return guest.err().find("flag 'go' changes more often than 2 times a second: it is read as data") !=
           std::string::npos;
  };
  std::string seen = "5";
  for (int i = 0; i < 500 && !demoted(); ++i) {  // on a busy machine many changes are too slow
    guest.wait_for_output(seen);
    const int value = i % 2 == 0 ? 7 : 2;
    replace("f.json", guests::number_flag("go", value));
    seen += std::to_string(value);
  }
  EXPECT_TRUE(demoted()) << guest.err();
  for (const int value : {0, 1, 9}) {
    guest.wait_for_output(seen);
    replace("f.json", guests::number_flag("go", value));
    seen += std::to_string(value);
  }
  const Ended ended = guest.wait();
  EXPECT_EQ(ended.status, 0) << ended.err;
  EXPECT_EQ(ended.out, seen);
  EXPECT_NE(ended.err.find(" demotion"), std::string::npos) << ended.err;
}

TEST_F(FlagCommand, WatchFlipsEveryThread) {
  file("m.wat", guests::waiter);
  file("f.json", guests::number_flag("go", 0));
  Process guest(
      folder_,
      {"run", path("m.wat"), "--flags", path("f.json"), "--watch", "--threads", "3", "--json", "--invoke", "branch"},
      "");
  guest.wait_for_output("waiting\nwaiting\nwaiting\n");
  file("f.json", guests::number_flag("go", 5));  // written in place
  const Ended ended = guest.wait();
  EXPECT_EQ(ended.status, 6) << ended.err;
  const Json reload = Json::parse(ended.err.substr(0, ended.err.find('\n')));
  EXPECT_EQ(reload["event"], "reload");
  EXPECT_EQ(reload["changed"], (Json::array({"go"})));
  EXPECT_GT(reload["sites_written"], 0);
  EXPECT_EQ(reload["serialisations"], 1);
  EXPECT_GT(reload["latency_us"], 0);
}

TEST_F(FlagCommand, WatchWarnsOfAFlagThatGoes) {
  file("m.wat", guests::waiter);
  file("f.json", guests::number_flag("go", 0));
  Process guest(folder_, {"run", path("m.wat"), "--flags", path("f.json"), "--watch"}, "");
  guest.wait_for_output("waiting\n");
  replace("f.json", "{\"flags\": {}}");
  guest.wait_for_error_text("warning: " + path("f.json") + ": flag 'go', which " + path("m.wat") +
                            " reads, is not defined");
  replace("f.json", guests::number_flag("go", 1));
  EXPECT_EQ(guest.wait().status, 1);
}

TEST_F(FlagCommand, SitesShowBothInstructions) {
  file("m.wat", guests::flag_reader);
  const Ended off = shunt({"sites", path("m.wat"), "--json"});
  ASSERT_EQ(off.status, 0) << off.err;
  const Json before = Json::parse(off.out),
             after = Json::parse(shunt({"sites", path("m.wat"), "--flags", file("f.json", all_flags), "--json"}).out);
  ASSERT_GE(before["sites"].size(), 7U);
  ASSERT_EQ(before["sites"].size(), after["sites"].size());
  std::map<std::string, int> flags;
  for (std::size_t i = 0; i < before["sites"].size(); ++i) {
    const Json &was = before["sites"][i], &is = after["sites"][i];
    EXPECT_NE(was["off"], was["on"]) << was;
    if (was["kind"] == "interrupt") {
      EXPECT_EQ(is["now"], was["off"]);
      continue;
    }
    EXPECT_EQ(was["now"], was["off"]) << was;
    EXPECT_EQ(was["state"], 0);
    EXPECT_GT(is["state"], 0) << is;
    EXPECT_NE(is["now"], is["off"]) << is;
    EXPECT_EQ(is["off"], was["off"]);
    if (was["flag"].is_null()) continue;
    ++flags[was["flag"].get<std::string>()];
    EXPECT_GT(was["module_offset"], 0);
    EXPECT_FALSE(was["function_name"].get<std::string>().empty());
  }
  EXPECT_EQ(flags["on"], 3);
  EXPECT_EQ(flags["count"], 1);
  EXPECT_EQ(flags["theme=dark"], 1);
  EXPECT_EQ(flags.count("theme"), 0U);  // a string is read by a call

  const Ended optimising = shunt({"sites", path("m.wat"), "--tier", "optimising", "--json"});
  if (optimising.status == 0) {  // else the build has no such tier, as RunsInTheTierThatIsAskedFor tells
    const Json both = Json::parse(optimising.out);
    std::map<std::string, int> optimised;
    for (const Json& site : both["sites"]) {
      if (site["tier"] != "optimising") continue;
      EXPECT_NE(site["off"], site["on"]) << site;
      if (!site["flag"].is_null()) ++optimised[site["flag"].get<std::string>()];
    }
    EXPECT_GE(optimised["on"], 1);
    EXPECT_GE(optimised["count"], 1);
    EXPECT_GE(optimised["theme=dark"], 1);
  }

  const Ended text = shunt({"sites", path("m.wat")});
  EXPECT_NE(text.out.find("WHILE OFF"), std::string::npos) << text.out;
  EXPECT_NE(text.out.find("theme=dark"), std::string::npos) << text.out;
  EXPECT_NE(text.out.find("branch"), std::string::npos) << text.out;
}

TEST_F(FlagCommand, InspectListsWhatAModuleWants) {
  const Ended ended = shunt({"inspect", file("m.wat", guests::flag_reader), "--json"});
  ASSERT_EQ(ended.status, 0) << ended.err;
  const Json report = Json::parse(ended.out);
  EXPECT_TRUE(report["imports"].empty());
  EXPECT_EQ(report["exports"][0], (Json{{"name", "memory"}, {"type", "memory of 1.. pages"}}));
  ASSERT_EQ(report["flags"].size(), 6U);
  EXPECT_EQ(report["flags"][0], (Json{{"key", "on"}, {"variant", nullptr}, {"reads", "i32"}}));
  EXPECT_EQ(report["flags"][4], (Json{{"key", "theme"}, {"variant", "dark"}, {"reads", "i32"}}));
  EXPECT_EQ(report["flags"][5], (Json{{"key", "theme"}, {"variant", nullptr}, {"reads", "string"}}));

  const Ended text = shunt({"inspect", file("w.wat", guests::waiter)});
  EXPECT_EQ(text.status, 0);
  EXPECT_NE(text.out.find("wasi_snapshot_preview1 proc_exit"), std::string::npos) << text.out;
  EXPECT_NE(text.out.find("read as i32"), std::string::npos) << text.out;
}

TEST_F(FlagCommand, CompileTellsWhatItTook) {
  const Ended ended = shunt({"compile", file("m.wat", guests::flag_reader), "--runs", "3", "--json"});
  ASSERT_EQ(ended.status, 0) << ended.err;
  EXPECT_EQ(ended.err, "");
  const Json report = Json::parse(ended.out);
  EXPECT_EQ(report["runs"], 3);
  EXPECT_EQ(report["functions"], 8);
  EXPECT_GE(report["sites"], 7);
  EXPECT_GT(report["megabytes_per_second"], 0);
  EXPECT_GT(report["code_section_bytes"], 0);
  EXPECT_EQ(report["total_ns"], report["decode_ns"].get<std::uint64_t>() + report["generate_ns"].get<std::uint64_t>() +
                                    report["publish_ns"].get<std::uint64_t>());
  EXPECT_NE(shunt({"compile", path("m.wat")}).out.find("MB/s of code section"), std::string::npos);
  EXPECT_EQ(shunt({"compile", file("bad.wasm", "x")}).status, 3);
}

}  // namespace
}  // namespace shunt::cli
