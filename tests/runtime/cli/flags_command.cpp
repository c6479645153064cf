// `shunt flags`: evaluating a file's flags, and reaching those of a running process.
#include <sys/stat.h>

#include "command.h"
#include "guests.h"

namespace shunt::cli {
namespace {

class FlagsCommand : public CommandTest {
 protected:
  Ended evaluate(const std::string& key, Words more = {}) const {
    Words words = {"flags", "eval", "--flags", path("f.json"), "--key", key};
    words.insert(words.end(), more.begin(), more.end());
    return shunt(words);
  }
  Ended control(Words words, Words value = {}) const {
    words.insert(words.begin(), "flags");
    words.insert(words.end(), {"--socket", path("control")});
    words.insert(words.end(), value.begin(), value.end());
    return shunt(words);
  }
};

const std::string by_email = guests::flag("go", R"("variants": {"zero": 0, "b": 7}, "defaultVariant": "zero",
    "targeting": {"if": [{"ends_with": [{"var": "email"}, "@example.com"]}, "b"]})");

TEST_F(FlagsCommand, EvalTellsValueVariantAndReason) {
  file("f.json", by_email);
  const Ended text = evaluate("go", {"--context", R"({"email": "me@example.com"})"});
  EXPECT_EQ(text.status, 0);
  EXPECT_EQ(text.out, "go = 7 (variant 'b', TARGETING_MATCH)\n");
  EXPECT_EQ(text.err, "");
  EXPECT_EQ(evaluate("go").out, "go = 0 (variant 'zero', DEFAULT)\n");
  const Ended json = evaluate("go", {"--json", "--type", "integer"});
  EXPECT_EQ(json.status, 0);
  EXPECT_EQ(json.out, R"({"key":"go","value":0,"variant":"zero","reason":"DEFAULT"})"
                      "\n");
}

TEST_F(FlagsCommand, EvalNamesOpenFeaturesErrorCodes) {
  file("f.json", by_email);
  const struct {
    const char* code;
    Ended ended;
    int status;
  } cases[] = {
      {"FLAG_NOT_FOUND", evaluate("gone"), 1},
      {"TYPE_MISMATCH", evaluate("go", {"--type", "string"}), 1},
      {"INVALID_CONTEXT", evaluate("go", {"--context", "{"}), 2},
      {"INVALID_CONTEXT", evaluate("go", {"--context", R"({"targetingKey": 1})"}), 2},
  };
  for (const auto& tested : cases) {
    EXPECT_EQ(tested.ended.status, tested.status);
    EXPECT_TRUE(tested.ended.err.starts_with(std::string("shunt: ") + tested.code + ": ")) << tested.ended.err;
    EXPECT_EQ(tested.ended.out, "");
  }
  file("f.json", guests::flag("go", R"("variants": {"a": 1}, "defaultVariant": "a", "targeting": {"fi": [1]})"));
  const Ended bad = evaluate("go", {"--json"});
  EXPECT_EQ(bad.status, 4);
  EXPECT_EQ(bad.out, R"({"key":"go","reason":"ERROR","errorCode":"PARSE_ERROR","errorDetails":")" + path("f.json") +
                         ":2: flag 'go': targeting.fi: there is no operation 'fi': correct its name\"}\n");
}

TEST_F(FlagsCommand, WrongWordsAreExplained) {
  EXPECT_EQ(shunt({"flags", "evil"}).err,
            "shunt: no command 'evil'; did you mean 'eval'?\nshunt: see 'shunt flags --help'\n");
  EXPECT_EQ(shunt({"flags", "set", "go", "--socket", "x"}).err,
            "shunt: flags set: name the VALUE; \"\" is the empty string\nshunt: see 'shunt flags --help'\n");
  EXPECT_EQ(shunt({"flags", "list"}).status, 2);
  const Ended nobody = control({"list"});
  EXPECT_EQ(nobody.status, 2);
  EXPECT_NE(nobody.err.find("nobody listens"), std::string::npos) << nobody.err;
}

TEST_F(FlagsCommand, ALiveGuestSeesWhatIsSet) {
  file("m.wat", guests::waiter);
  file("f.json", by_email);
  Process guest(folder_, {"run", path("m.wat"), "--flags", path("f.json"), "--control", path("control")}, "");
  guest.wait_for_output("waiting\n");
  struct stat status{};
  ASSERT_EQ(::stat(path("control").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600U);

  EXPECT_EQ(control({"list"}).out, "go = 0 (variant 'zero', DEFAULT; targeted, all contexts in use agree)\n");
  EXPECT_EQ(control({"get", "go", "--json"}).out,
            R"({"key":"go","value":0,"variant":"zero","reason":"DEFAULT","targeting":"agreed"})"
            "\n");
  Process watcher(folder_, {"flags", "watch", "--socket", path("control")}, "");
  watcher.wait_for_error_text("watching\n");

  const Ended wrong = control({"set", "go", "text"});  // the guest goes on
  EXPECT_EQ(wrong.status, 4);
  EXPECT_NE(wrong.err.find("reads it as i32, but the value to set is one of strings"), std::string::npos) << wrong.err;
  EXPECT_EQ(control({"set", "gone", "1"}).status, 4);

  const Ended set = control({"set", "go", "7"});
  EXPECT_EQ(set.status, 0);
  EXPECT_EQ(set.out, "go = 7 (variant 'b', STATIC)\n");
  EXPECT_EQ(guest.wait().status, 7);
  const Ended watched = watcher.wait();
  EXPECT_EQ(watched.status, 0);
  EXPECT_EQ(watched.out, "go = 7 (variant 'b', STATIC)\n");
  EXPECT_FALSE(fs::exists(path("control")));
}

TEST_F(FlagsCommand, ControlRefusesAFolderThatOthersMayOpen) {
  file("m.wat", guests::waiter);
  fs::permissions(folder_, fs::perms::group_read, fs::perm_options::add);
  const Ended refused = shunt({"run", path("m.wat"), "--control", path("control")});
  EXPECT_EQ(refused.status, 2);
  EXPECT_EQ(refused.err, "shunt: --control: " + path("control") + ": others may open its folder: chmod 700 " +
                             folder_.string() + "\n");
}

TEST_F(FlagsCommand, NegativeValuesStandBehindTwoHyphens) {
  file("m.wat", guests::waiter);
  file("f.json", by_email);
  Process guest(folder_, {"run", path("m.wat"), "--flags", path("f.json"), "--control", path("control")}, "");
  guest.wait_for_output("waiting\n");
  EXPECT_EQ(control({"set", "go"}, {"--", "-5"}).out, "go = -5 (STATIC)\n");
  EXPECT_EQ(guest.wait().status, 251);
}

}  // namespace
}  // namespace shunt::cli
