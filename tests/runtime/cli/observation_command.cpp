// What the command shows of flips, and what it tells perf of a guest's functions.
#include <nlohmann/json.hpp>

#include <string>

#include "command.h"
#include "guests.h"

namespace shunt::cli {
namespace {

using Json = nlohmann::json;

class ObservationCommand : public CommandTest {
 protected:
  // A guest that waits for its flag, flipped once.
  Ended flipped(const Words& more) {
    file("m.wat", guests::waiter);
    file("f.json", guests::number_flag("go", 0));
    Words words = {"run", path("m.wat"), "--flags", path("f.json"), "--watch"};
    words.insert(words.end(), more.begin(), more.end());
    Process guest(folder_, words, "");
    pid_ = std::to_string(guest.pid());
    guest.wait_for_output("waiting\n");
    replace("f.json", guests::number_flag("go", 1));
    return guest.wait();
  }
  std::string pid_;
};

TEST_F(ObservationCommand, FlipLogHasTheSitesOfAFlip) {
  const Ended ended = flipped({"--flip-log", "--json"});
  EXPECT_EQ(ended.status, 1) << ended.err;
  const Json report = Json::parse(ended.out.substr(ended.out.find('{')));
  EXPECT_EQ(report["flips_dropped"], 0);
  const Json& flips = report["flips"];
  ASSERT_EQ(flips.size(), 3U) << report;
  for (const Json& flip : flips) {
    EXPECT_EQ(flip["generation"], flips[0]["generation"]);
    EXPECT_EQ(flip["time_ns"], flips[0]["time_ns"]);
    EXPECT_NE(flip["key"].get<std::string>().find("go"), std::string::npos);
    EXPECT_NE(flip["before"], flip["after"]);
  }
  EXPECT_EQ(flips[0]["function"], "branch");  // by key: what is read as a truth value, then as a number
  EXPECT_EQ(flips[1]["function"], "_start");
  EXPECT_EQ(flips[2]["function"], "follow");
}

TEST_F(ObservationCommand, FlipLogForPeople) {
  const Ended ended = flipped({"--flip-log"});
  EXPECT_NE(ended.err.find("shunt: 3 sites written, as logged\n"), std::string::npos) << ended.err;
  EXPECT_NE(ended.err.find("follow"), std::string::npos) << ended.err;
  EXPECT_NE(ended.err.find(" -> "), std::string::npos) << ended.err;
}

TEST_F(ObservationCommand, PerfIsToldTheGuestsFunctions) {
  const Ended ended = flipped({"--perf-map"});
  EXPECT_EQ(ended.status, 1) << ended.err;
  const fs::path map = "/tmp/perf-" + pid_ + ".map";
  const std::string lines = read_file(map);
  EXPECT_NE(lines.find(" _start\n"), std::string::npos) << lines;
  EXPECT_NE(lines.find(" follow\n"), std::string::npos) << lines;
  fs::remove(map);
}

TEST_F(ObservationCommand, PerfIsToldWhatWasOptimised) {
  const Words probe = {"sites", file("probe.wat", guests::arithmetic), "--tier", "optimising"};
  if (shunt(probe).status != 0) return;  // the build has no such tier, as RunCommand.RunsInTheTierThatIsAskedFor tells
  const Ended ended = flipped({"--perf-map", "--tier", "optimising"});
  EXPECT_EQ(ended.status, 1) << ended.err;
  const fs::path map = "/tmp/perf-" + pid_ + ".map";
  const std::string lines = read_file(map);
  EXPECT_NE(lines.find(" _start (optimised)\n"), std::string::npos) << lines;
  EXPECT_NE(lines.find(" follow (optimised)\n"), std::string::npos) << lines;
  EXPECT_NE(lines.find(" _start (entry)\n"), std::string::npos) << lines;
  fs::remove(map);
}

TEST_F(ObservationCommand, JitdumpHasTheGuestsFunctions) {
  const Ended ended = flipped({"--jitdump", folder_.string()});
  EXPECT_EQ(ended.status, 1) << ended.err;
  const std::string dump = read_file(folder_ / ("jit-" + pid_ + ".dump"));
  EXPECT_TRUE(dump.starts_with("DTiJ")) << dump.size();
  const std::size_t first = dump.find("_start");
  ASSERT_NE(first, std::string::npos);
  EXPECT_NE(dump.find("_start", first + 1), std::string::npos);  // and again after the flip
}

TEST_F(ObservationCommand, AFolderThatCannotBeWrittenIsAnError) {
  file("m.wat", guests::waiter);
  const Ended ended = shunt({"run", path("m.wat"), "--jitdump", path("missing")});
  EXPECT_NE(ended.status, 0);
  EXPECT_NE(ended.err.find("missing/jit-"), std::string::npos) << ended.err;
}

}  // namespace
}  // namespace shunt::cli
