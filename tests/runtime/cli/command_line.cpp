// The parts of the command line that no option parser knows: the guest's words, and names that were mistyped.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "runtime/cli/breakpoints.h"
#include "runtime/cli/exit_status.h"
#include "runtime/cli/invocation.h"
#include "runtime/cli/near_names.h"
#include "shunt/runtime/module.h"

namespace shunt::cli {
namespace {

using Words = std::vector<std::string>;

Invocation split(const std::vector<const char*>& words) {
  std::vector<const char*> argv = {"shunt"};
  argv.insert(argv.end(), words.begin(), words.end());
  return split_command_line(static_cast<int>(argv.size()), argv.data());
}

TEST(Invocation, TakesTheGuestsWordsOut) {
  const Invocation line = split(
      {"run", "g.wasm", "--invoke", "f", "-inf", "1", "-2", "--flags", "f.json", "--watch", "--", "-x", "--invoke"});
  EXPECT_EQ(line.options, (Words{"run", "g.wasm", "--flags", "f.json", "--watch"}));
  EXPECT_EQ(line.invoke, "f");
  EXPECT_EQ(line.arguments, (Words{"-inf", "1", "-2"}));
  EXPECT_EQ(line.guest_arguments, (Words{"-x", "--invoke"}));
  EXPECT_TRUE(line.has_guest_arguments);
}

TEST(Invocation, AnOptionEndsTheArguments) {
  const Invocation line = split({"run", "--invoke=f", "1", "-W", "max-wasm-stack=1", "g.wasm"});
  EXPECT_EQ(line.options, (Words{"run", "-W", "max-wasm-stack=1", "g.wasm"}));
  EXPECT_EQ(line.invoke, "f");
  EXPECT_EQ(line.arguments, (Words{"1"}));
  EXPECT_FALSE(line.has_guest_arguments);
}

TEST(Invocation, WithoutAnExport) {
  EXPECT_EQ(split({"run", "--invoke"}).invoke, "");
  EXPECT_EQ(split({"run", "--invoke", "--", "x"}).invoke, "");
  EXPECT_EQ(split({"run", "--invoke", "--", "x"}).guest_arguments, (Words{"x"}));
  EXPECT_EQ(split({"run", "--invoke="}).invoke, "");
  EXPECT_FALSE(split({"run", "g.wasm", "-1"}).invoke);
  EXPECT_EQ(split({"run", "g.wasm", "-1"}).options, (Words{"run", "g.wasm", "-1"}));
}

TEST(Invocation, TheLastInvokeCounts) {
  const Invocation line = split({"run", "--invoke", "f", "1", "--invoke", "g", "2"});
  EXPECT_EQ(line.invoke, "g");
  EXPECT_EQ(line.arguments, (Words{"2"}));
}

TEST(Tiers, ByName) {
  EXPECT_EQ(runtime::parse_tier("baseline"), runtime::Tier::Baseline);
  EXPECT_EQ(runtime::parse_tier("optimising"), runtime::Tier::Optimising);
  EXPECT_EQ(runtime::parse_tier("fast"), std::nullopt);
  EXPECT_EQ(to_string(runtime::Tier::Optimising), "optimising");
}

TEST(NearNames, EditDistance) {
  EXPECT_EQ(edit_distance("", ""), 0U);
  EXPECT_EQ(edit_distance("abc", ""), 3U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
  EXPECT_EQ(edit_distance("add", "dad"), 1U);  // a swap of neighbours
  EXPECT_EQ(edit_distance("watch", "wathc"), 1U);
}

TEST(NearNames, Suggestions) {
  const Words names = {"add", "adds", "multiply", "_start"};
  EXPECT_EQ(suggestion("ad", names), "; did you mean 'add' or 'adds'?");
  EXPECT_EQ(suggestion("mul", names), "; did you mean 'multiply'?");
  EXPECT_EQ(suggestion("mutliply", names), "; did you mean 'multiply'?");
  EXPECT_EQ(suggestion("other", names), "; there are 'add', 'adds', 'multiply' and '_start'");
  EXPECT_EQ(suggestion("x", {}), "");
  EXPECT_EQ(suggestion("long", Words{"only"}), "; there is 'only'");
  Words many;
  for (int i = 10; i < 30; ++i) many.push_back("function" + std::to_string(i));
  EXPECT_TRUE(suggestion("zzz", many).ends_with("'function19' and 10 more"));
}

TEST(Breakpoints, Answers) {
  using enum runtime::BreakpointAction;
  for (const char* const answer : {"", "c", "continue"}) EXPECT_EQ(parse_answer(answer), Resume) << answer;
  for (const char* const answer : {"s", "step"}) EXPECT_EQ(parse_answer(answer), Step) << answer;
  for (const char* const answer : {"q", "quit"}) EXPECT_EQ(parse_answer(answer), Stop) << answer;
  for (const char* const other : {"x", "C", "steps", " "}) EXPECT_FALSE(parse_answer(other)) << other;
}

TEST(ExitStatus, OfErrorsAndGuests) {
  EXPECT_EQ(status_of(ErrorCode::InvalidArgument), 2);
  EXPECT_EQ(status_of(ErrorCode::BadModule), 3);
  EXPECT_EQ(status_of(ErrorCode::Unlinkable), 3);
  EXPECT_EQ(status_of(ErrorCode::BadFlags), 4);
  EXPECT_EQ(status_of(ErrorCode::Trap), 134);
  EXPECT_EQ(status_of(ErrorCode::OutOfMemory), 1);
  EXPECT_EQ(guest_status(0), 0);
  EXPECT_EQ(guest_status(255), 255);
  EXPECT_EQ(guest_status(256), 1);  // a failure never looks like success
  EXPECT_EQ(guest_status(-1), 255);
}

}  // namespace
}  // namespace shunt::cli
