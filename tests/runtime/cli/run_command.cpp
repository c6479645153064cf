// `shunt run`: how guests are called, what they get, how they end.
#include <array>
#include <nlohmann/json.hpp>

#include "command.h"
#include "guests.h"

namespace shunt::cli {
namespace {

using Json = nlohmann::json;

class RunCommand : public CommandTest {
 protected:
  Ended invoke(const Words& export_and_arguments) const {
    Words words = {"run", file("m.wat", guests::arithmetic), "--invoke"};
    words.insert(words.end(), export_and_arguments.begin(), export_and_arguments.end());
    return shunt(words);
  }
};

TEST_F(RunCommand, RunsStart) {
  const Ended ended = shunt({"run", file("m.wat", guests::program)}, "some\ntext");
  EXPECT_EQ(ended.status, 0) << ended.err;
  EXPECT_EQ(ended.out, "some\ntext");
  EXPECT_EQ(ended.err, "");
}

TEST_F(RunCommand, PassesTheGuestsExitStatusOn) {
  EXPECT_EQ(shunt({"run", file("m.wat", guests::program), "--", "7"}).status, 7);
  EXPECT_EQ(shunt({"run", path("m.wat"), "--", "0"}).status, 0);
  EXPECT_EQ(shunt({"run", path("m.wat"), "--invoke", "leave", "134"}).status, 134);
  EXPECT_EQ(shunt({"run", path("m.wat"), "--invoke", "leave", "256"}).status, 1);
  EXPECT_EQ(shunt({"run", path("m.wat"), "--invoke", "leave", "3"}).err, "");
}

TEST_F(RunCommand, InvokesExports) {
  EXPECT_EQ(invoke({"add", "1", "-3"}).out, "-2\n");
  EXPECT_EQ(invoke({"add", "0xffffffff", "1"}).out, "0\n");
  EXPECT_EQ(invoke({"half", "-inf"}).out, "-inf\n");
  EXPECT_EQ(invoke({"half", "nan"}).out, "nan\n");
  EXPECT_EQ(invoke({"half", "-3"}).out, "-1.5\n");
  EXPECT_EQ(invoke({"same32", "nan:0x1"}).out, "nan:0x1\n");
  EXPECT_EQ(invoke({"four"}).out, "-1\n-9223372036854775808\n0.1\n-inf\n");
  EXPECT_EQ(invoke({"nothing"}).out, "");
  EXPECT_EQ(invoke({"nothing"}).status, 0);
  EXPECT_EQ(invoke({"null", "null"}).out, "null\n");
  EXPECT_EQ(invoke({"ready"}).out, "7\n");                                           // _initialize ran first
  EXPECT_EQ(shunt({"run", "--invoke", "add", path("m.wat"), "2", "3"}).out, "5\n");  // as wasmtime writes it
}

TEST_F(RunCommand, StopsGuestsWhoseTimeIsOver) {
  for (const Words& more : {Words{}, Words{"--threads", "3"}}) {
    Ended ended;
    for (const char* time : {"50ms", "400ms", "3s"}) {  // the time may be over before a slow machine has begun
      Words words = {"run", file("m.wat", guests::arithmetic), "--invoke", "forever", "--timeout", time};
      words.insert(words.end(), more.begin(), more.end());
      ended = shunt(words);
      EXPECT_EQ(ended.status, 124);
      if (ended.err.find("in function") != std::string::npos) break;
    }
    EXPECT_NE(ended.err.find("interrupted: its time is over in function"), std::string::npos) << ended.err;
  }
  EXPECT_EQ(invoke({"add", "1", "2", "--timeout", "1m"}).out, "3\n");
  for (const char* wrong : {"2", "-1s", "fast", "1e30s", "0s"}) {
    const Ended ended = shunt({"run", path("m.wat"), "--timeout", wrong});
    EXPECT_EQ(ended.status, 2) << wrong;
    EXPECT_NE(ended.err.find("write a time"), std::string::npos) << ended.err;
  }
}

// A build without LLVM says so.
TEST_F(RunCommand, RunsInTheTierThatIsAskedFor) {
  const Words words = {"run", file("m.wat", guests::arithmetic), "--tier", "optimising", "--invoke", "add", "1", "2"};
  const Ended ended = shunt(words);
  if (ended.status == 0) {
    EXPECT_EQ(ended.out, "3\n");
    const Ended told = shunt({"run", path("m.wat"), "--tier", "optimising", "--stats", "--invoke", "add", "1", "2"});
    EXPECT_NE(told.err.find(" optimised, 0 calls moved over in a loop; "), std::string::npos) << told.err;
  } else {
    EXPECT_EQ(ended.status, 1);
    EXPECT_NE(ended.err.find("the optimising tier is not in this build"), std::string::npos) << ended.err;
  }
  const Ended refused = shunt({"run", path("m.wat"), "--tier", "fast"});
  EXPECT_EQ(refused.status, 2);
  EXPECT_NE(refused.err.find("'fast' is none of: baseline, optimising, auto"), std::string::npos) << refused.err;
}

TEST_F(RunCommand, HelpsWithExports) {
  const auto refused = [&](const Words& words) {
    const Ended ended = invoke(words);
    EXPECT_EQ(ended.status, 2);
    EXPECT_EQ(ended.out, "");
    return ended.err;
  };
  const std::string m = "shunt: " + path("m.wat");
  EXPECT_EQ(refused({"ad"}), m + ": no exported function 'ad'; did you mean 'add'?\n");
  EXPECT_EQ(refused({"memory"}), m + ": export 'memory' is a memory of 1.. pages; only functions can be called\n");
  EXPECT_EQ(refused({"add", "1"}), m + ": 'add' is (i32, i32) -> i32: it takes 2 arguments, not 1\n");
  EXPECT_EQ(refused({"half"}), m + ": 'half' is (f64) -> f64: it takes 1 argument, not 0\n");
  EXPECT_EQ(refused({"add", "1", "2.5"}), m + ": 'add' is (i32, i32) -> i32: argument 2: '2.5' is no i32: "
                                              "write an integer such as 42, -1 or 0xff\n");
  const Ended no_start = shunt({"run", path("m.wat")});
  EXPECT_EQ(no_start.status, 2);
  EXPECT_TRUE(no_start.err.starts_with(
      m + ": no export '_start', so it is no program; call a function with --invoke; there are "))
      << no_start.err;
}

TEST_F(RunCommand, GivesArgumentsAndEnvironment) {
  ::setenv("SHUNT_TEST_INHERITED", "from the host", 1);
  const Ended ended = shunt({"run", file("m.wat", guests::program), "--invoke", "show", "--env", "A=1", "--env",
                             "SHUNT_TEST_INHERITED", "--env", "EMPTY=", "--", "-x", "two words"});
  EXPECT_EQ(ended.status, 0) << ended.err;
  using namespace std::string_literals;
  EXPECT_EQ(ended.out, "m.wat\0-x\0two words\0A=1\0SHUNT_TEST_INHERITED=from the host\0EMPTY=\0"s);
  // Nothing else of the host's environment.
  EXPECT_EQ(shunt({"run", path("m.wat"), "--invoke", "show"}).out, "m.wat\0"s);
}

TEST_F(RunCommand, OpensDirectories) {
  fs::create_directory(path("data"));
  file("data/file", "content");
  const std::string guest = file("m.wat", guests::file_reader);
  EXPECT_EQ(shunt({"run", guest, "--dir", path("data") + "::/inside"}).out, "/insidecontent");
  EXPECT_EQ(shunt({"run", guest, "--dir", path("data")}).out, path("data") + "content");
  EXPECT_NE(shunt({"run", guest}).status, 0);  // nothing is open unless the user says so
  const Ended missing = shunt({"run", guest, "--dir", path("none") + "::/inside"});
  EXPECT_EQ(missing.status, 2);
  EXPECT_NE(missing.err.find(path("none")), std::string::npos) << missing.err;
}

TEST_F(RunCommand, TrapsEndWith134AndNameThePlace) {
  const Ended divide = invoke({"divide", "1", "0"});
  EXPECT_EQ(divide.status, 134);
  EXPECT_TRUE(divide.err.starts_with("shunt: trap: " + path("m.wat"))) << divide.err;
  EXPECT_NE(divide.err.find("divide by zero"), std::string::npos) << divide.err;
  EXPECT_NE(divide.err.find("deep"), std::string::npos) << divide.err;  // the function's own name
  EXPECT_NE(divide.err.find("0x"), std::string::npos) << divide.err;    // the byte in the module
  EXPECT_EQ(invoke({"unreachable"}).status, 134);
  const Ended overflow = invoke({"overflow"});
  EXPECT_EQ(overflow.status, 134);
  EXPECT_NE(overflow.err.find("stack"), std::string::npos) << overflow.err;
  EXPECT_EQ(shunt({"run", path("m.wat"), "--invoke", "overflow", "-W", "max-wasm-stack=65536"}).status, 134);
}

TEST_F(RunCommand, RefusesWhatIsNoModule) {
  const auto refused = [&](const std::string& name, std::string_view content, int status) {
    const Ended ended = shunt({"run", file(name, content)});
    EXPECT_EQ(ended.status, status) << ended.err;
    EXPECT_TRUE(ended.err.starts_with("shunt: ")) << ended.err;
    return ended.err;
  };
  EXPECT_EQ(refused("empty.wasm", "", 3), "shunt: " + path("empty.wasm") + ": not a WebAssembly module: it is empty\n");
  EXPECT_NE(refused("elf.wasm",
                    "\x7f"
                    "ELF....",
                    3)
                .find("clang --target=wasm32-wasi"),
            std::string::npos);
  EXPECT_NE(refused("text.wasm", "hello", 3).find("it begins with 68 65 6c 6c"), std::string::npos);
  EXPECT_NE(refused("component.wasm", std::string_view("\0asm\x0d\0\x01\0", 8), 3).find("component"),
            std::string::npos);
  EXPECT_NE(refused("short.wasm", std::string_view("\0asm\1\0\0\0\1", 9), 3).find("short.wasm"), std::string::npos);
  EXPECT_NE(refused("bad.wat", "(module\n  (func (result i32)))", 3).find("bad.wat:2:"), std::string::npos);
  EXPECT_NE(refused("import.wat", "(module (import \"env\" \"f\" (func)) (func (export \"_start\")))", 3).find("env"),
            std::string::npos);
  const Ended missing = shunt({"run", path("missing.wasm")});
  EXPECT_EQ(missing.status, 2);
  EXPECT_NE(missing.err.find("missing.wasm: No such file or directory"), std::string::npos) << missing.err;
  EXPECT_EQ(shunt({"run", folder_.string()}).status, 2);
  // Text is known by what it says, not by its file's name.
  EXPECT_EQ(shunt({"run", file("text.wasm", ";; a comment\n(module (func (export \"_start\")))")}).status, 0);
}

TEST_F(RunCommand, UsageErrorsEndWith2) {
  for (const Words& words :
       {Words{}, Words{"rnu"}, Words{"run"}, Words{"run", "m", "x"}, Words{"run", "m", "--thread", "2"},
        Words{"run", "m", "--threads", "0"}, Words{"run", "m", "--watch"}, Words{"run", "m", "--env", "=x"},
        Words{"run", "m", "--invoke"}, Words{"compile", "m", "--", "x"}, Words{"sites"},
        Words{"run", "m", "-W", "max-wasm-stack=0"}}) {
    const Ended ended = shunt(words);
    EXPECT_EQ(ended.status, 2) << (words.empty() ? "" : words.back());
    EXPECT_TRUE(ended.err.starts_with("shunt: ")) << ended.err;
    EXPECT_NE(ended.err.find("--help'"), std::string::npos) << ended.err;
    EXPECT_EQ(ended.out, "");
  }
  EXPECT_NE(shunt({"rnu"}).err.find("did you mean 'run'?"), std::string::npos);
  EXPECT_NE(shunt({"guest.wasm"}).err.find("did you mean 'shunt run guest.wasm'?"), std::string::npos);
  EXPECT_NE(shunt({"run", "m", "--thread", "2"}).err.find("did you mean '--threads'?"), std::string::npos);
}

TEST_F(RunCommand, HelpAndVersion) {
  EXPECT_EQ(shunt({"--version"}).out.find("shunt "), 0U);
  for (const Words& words : {Words{"--help"}, Words{"run", "--help"}, Words{"compile", "--help"},
                             Words{"sites", "--help"}, Words{"inspect", "--help"}}) {
    const Ended ended = shunt(words);
    EXPECT_EQ(ended.status, 0);
    EXPECT_NE(ended.out.find("Example"), std::string::npos) << ended.out;
    EXPECT_EQ(ended.err, "");
  }
}

TEST_F(RunCommand, OutputThatCannotBeWrittenIsAFailure) {
  file("m.wat", guests::arithmetic);
  std::string command;
  for (const std::string& word : program()) command += word + " ";
  command += "run " + path("m.wat") + " --invoke ready >/dev/full 2>" + path("err");
  const int status = std::system(command.c_str());
  EXPECT_EQ(WEXITSTATUS(status), 1);
  EXPECT_EQ(read_file(path("err")), "shunt: cannot write to standard output\n");
}

TEST_F(RunCommand, ThreadsRunAnInstanceEach) {
  const Ended ended = shunt({"run", file("m.wat", guests::arithmetic), "--invoke", "ready", "--threads", "5"});
  EXPECT_EQ(ended.status, 0) << ended.err;
  EXPECT_EQ(ended.out, "7\n7\n7\n7\n7\n");
  const Ended trap = shunt({"run", path("m.wat"), "--invoke", "unreachable", "--threads", "3"});
  EXPECT_EQ(trap.status, 134);
  EXPECT_EQ(trap.err.find("shunt: thread "), 0U) << trap.err;
}

TEST_F(RunCommand, TheFirstFailureEndsTheProgram) {
  const Ended ended = shunt({"run", file("m.wat", guests::program), "--invoke", "race", "--threads", "4"}, "\x2a");
  EXPECT_EQ(ended.status, 42) << ended.err;  // though three instances never end
}

TEST_F(RunCommand, JsonForMachines) {
  const Ended ended =
      shunt({"run", file("m.wat", guests::arithmetic), "--invoke", "four", "--json", "--threads", "2", "--stats"});
  EXPECT_EQ(ended.status, 0) << ended.err;
  EXPECT_EQ(ended.err, "");
  const Json report = Json::parse(ended.out);
  EXPECT_EQ(report["exit"], 0);
  ASSERT_EQ(report["threads"].size(), 2U);
  EXPECT_EQ(report["threads"][1]["results"][0], (Json{{"type", "i32"}, {"value", "-1"}}));
  EXPECT_EQ(report["threads"][1]["results"][3], (Json{{"type", "f64"}, {"value", "-inf"}}));
  EXPECT_GT(report["stats"]["compile"]["total_ns"], 0);
  EXPECT_GT(report["stats"]["compile"]["machine_code_bytes"], 0);
  EXPECT_EQ(report["stats"]["flags"]["loads"], 0);

  const Ended trap = shunt({"run", path("m.wat"), "--invoke", "unreachable", "--json"});
  EXPECT_EQ(trap.status, 134);
  EXPECT_EQ(Json::parse(trap.out)["exit"], 134);
  EXPECT_EQ(Json::parse(trap.out)["threads"][0]["error"]["code"], "Trap");
  EXPECT_FALSE(Json::parse(trap.out).contains("stats"));
  const Json error = Json::parse(trap.err);
  EXPECT_EQ(error["event"], "error");
  EXPECT_EQ(error["code"], "Trap");
  EXPECT_EQ(error["exit"], 134);

  const Ended missing = shunt({"run", path("missing"), "--json"});
  EXPECT_EQ(missing.status, 2);
  EXPECT_EQ(Json::parse(missing.err)["code"], "InvalidArgument");
}

TEST_F(RunCommand, StatsForPeople) {
  const Ended ended = shunt({"run", file("m.wat", guests::arithmetic), "--invoke", "nothing", "--stats"});
  EXPECT_EQ(ended.out, "");
  for (const char* text :
       {"MB/s of code section", "of machine code", "patch sites", "0 flips", "phases: read", "run "}) {
    EXPECT_NE(ended.err.find(text), std::string::npos) << text << " in " << ended.err;
  }
}

}  // namespace
}  // namespace shunt::cli
