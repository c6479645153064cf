// Guests in C (guests/*.c) run through the library: what a program sees of WASI, and what the host sees of the program.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "runtime/wasm/wasi/host_fd.h"
#include "shunt/runtime/flags.h"
#include "shunt/runtime/instance.h"
#include "shunt/runtime/module.h"
#include "shunt/runtime/module_file.h"
#include "shunt/runtime/wasi.h"
#include "tests/runtime/wasm/wasi/temporary_directory.h"
#include "tests/support/skip.h"

namespace shunt::runtime {
namespace {

namespace fs = std::filesystem;
using wasi::HostFd;
using wasi::read_file;
using wasi::TemporaryDirectory;
using wasi::write_file;

// A file without a name that takes what a guest writes.
class Capture {
 public:
  Capture() : file_(HostFd::owned(::memfd_create("output", MFD_CLOEXEC))) { EXPECT_GE(file_.get(), 0); }
  [[nodiscard]] int fd() const { return file_.get(); }
  [[nodiscard]] std::string text() const {
    std::string result(1 << 16, '\0');
    const ssize_t size = ::pread(file_.get(), result.data(), result.size(), 0);
    EXPECT_GE(size, 0);
    result.resize(static_cast<std::size_t>(size));
    return result;
  }

 private:
  HostFd file_;
};

struct Outcome {
  int status = -1;                 // the guest's, if it ended by itself
  std::optional<ErrorCode> error;  // else
  std::string message, out, err;
};

class WasiHost : public ::testing::Test {
 protected:
  WasiHost() {
    Result<Engine*> engine = Engine::process();
    if (!engine) throw std::runtime_error(engine.error().message());
    engine_ = *engine;
    flags_ = std::make_unique<flags::FlagSet>(*engine_);
    sandbox_ = temporary_.path() / "sandbox";
    fs::create_directory(sandbox_);
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
    stdin_ = HostFd::owned(ends[0]);
    input_ = HostFd::owned(ends[1]);
  }

  Outcome run_module(const std::vector<std::uint8_t>& bytes, std::vector<std::string> arguments = {},
                     std::vector<std::string> environment = {}) {
    const Capture out;
    const Capture err;
    WasiOptions options;
    options.arguments = std::move(arguments);
    options.environment = std::move(environment);
    options.directories = {{sandbox_.string(), "."}};
    options.stdin_fd = stdin_.get();
    options.stdout_fd = out.fd();
    options.stderr_fd = err.fd();
    Outcome outcome = run_with(bytes, std::move(options));
    outcome.out = out.text();
    outcome.err = err.text();
    return outcome;
  }

  Outcome run_with(const std::vector<std::uint8_t>& bytes, WasiOptions options) {
    Result<Wasi> wasi = Wasi::create(std::move(options));
    if (!wasi) return failure(wasi.error());
    Result<Store> store = Store::create();
    if (!store) return failure(store.error());
    Result<Module> module = Module::load(*engine_, *flags_, bytes);
    if (!module) return failure(module.error());
    Linker linker(*store);
    wasi->add_to(linker);
    Result<Instance> instance = linker.instantiate(*module);
    if (!instance) return failure(instance.error());
    Result<std::vector<Value>> result = instance->call("_start");
    if (!result && result.error().code() != ErrorCode::GuestExit) return failure(result.error());
    Outcome outcome;
    outcome.status = wasi->exit_status();
    if (!result) outcome.message = result.error().message();
    return outcome;
  }

  static Outcome failure(const Error& error) {
    Outcome outcome;
    outcome.error = error.code();
    outcome.message = error.message();
    return outcome;
  }

  Engine* engine_ = nullptr;
  std::unique_ptr<flags::FlagSet> flags_;
  TemporaryDirectory temporary_;
  fs::path sandbox_;      // the guest's "."
  HostFd stdin_, input_;  // the ends of a pipe
};

class WasiGuests : public WasiHost {
 protected:
  void SetUp() override {
    if (!fs::exists(std::string(SHUNT_WASI_GUESTS) + "/stdio.wasm")) {
      SHUNT_SKIP_OR_FAIL("clang-19 with wasi-libc when the build was configured, for guests in C");
    }
  }

  // Runs guests/NAME.c, compiled, until it ends.
  Outcome run(const std::string& name, std::vector<std::string> arguments = {},
              std::vector<std::string> environment = {}) {
    Result<std::vector<std::uint8_t>> bytes = read_module_file(std::string(SHUNT_WASI_GUESTS) + "/" + name + ".wasm");
    if (!bytes) return failure(bytes.error());
    arguments.insert(arguments.begin(), name);
    return run_module(*bytes, std::move(arguments), std::move(environment));
  }
};

TEST_F(WasiGuests, StandardStreams) {
  ASSERT_EQ(::write(input_.get(), "one\ntwo\nthree", 13), 13);
  input_ = {};
  const Outcome outcome = run("stdio");
  EXPECT_EQ(outcome.status, 3) << outcome.message;
  EXPECT_EQ(outcome.out, "1: one\n2: two\n3: three");
  EXPECT_EQ(outcome.err, "3 lines, 13 bytes\n");
}

TEST_F(WasiGuests, ArgumentsAndEnvironment) {
  const Outcome outcome = run("arguments", {"", "two words", "-x"}, {"HOME=/nowhere", "EMPTY="});
  EXPECT_EQ(outcome.status, 0) << outcome.message;
  EXPECT_EQ(outcome.out, "[arguments]\n[]\n[two words]\n[-x]\nend\n{HOME=/nowhere}\n{EMPTY=}\nHOME is /nowhere\n");
}

TEST_F(WasiGuests, Files) {
  const Outcome outcome = run("files");
  EXPECT_EQ(outcome.status, 0) << outcome.message << outcome.err;
  EXPECT_EQ(read_file(sandbox_ / "kept.txt"), "line 2\nsecond line\nappended\n");
  EXPECT_EQ(std::distance(fs::directory_iterator(sandbox_), fs::directory_iterator()), 1);
}

TEST_F(WasiGuests, Directories) {
  const Outcome outcome = run("directories");
  EXPECT_EQ(outcome.status, 0) << outcome.message << outcome.err;
  EXPECT_TRUE(fs::is_empty(sandbox_));
}

TEST_F(WasiGuests, TimeAndRandom) {
  const Outcome outcome = run("time_and_random", {std::to_string(::time(nullptr))});
  EXPECT_EQ(outcome.status, 0) << outcome.message << outcome.err;
}

TEST_F(WasiGuests, NothingOutsideOfTheDirectory) {
  write_file(temporary_.path() / "secret", "secret");
  fs::create_directory(sandbox_ / "inner");
  fs::create_symlink("../secret", sandbox_ / "to_secret");
  fs::create_symlink("..", sandbox_ / "to_parent");
  fs::create_symlink(temporary_.path(), sandbox_ / "to_top_absolute");
  fs::create_symlink("..", sandbox_ / "inner/up");
  const Outcome outcome = run("escape", {temporary_.path().string()});
  EXPECT_EQ(outcome.status, 0) << outcome.message << outcome.err;
  EXPECT_EQ(read_file(temporary_.path() / "secret"), "secret");
  EXPECT_EQ(std::distance(fs::directory_iterator(temporary_.path()), fs::directory_iterator()), 2);
}

TEST_F(WasiGuests, EndingsGiveTheirStatus) {
  Outcome outcome = run("ending", {"return"});
  EXPECT_EQ(outcome.status, 7) << outcome.message;
  EXPECT_EQ(outcome.out, "begin\nat exit\n");
  outcome = run("ending", {"exit"});
  EXPECT_EQ(outcome.status, 42);
  EXPECT_NE(outcome.message.find("42"), std::string::npos) << outcome.message;
  outcome = run("ending", {"_exit"});
  EXPECT_EQ(outcome.status, 3);
  EXPECT_EQ(outcome.out, "begin\n");
  outcome = run("ending", {"nothing"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.out, "begin\nat exit\n");
}

TEST_F(WasiGuests, CrashesAreTraps) {
  for (const char* how : {"abort", "null", "recurse"}) {
    const Outcome outcome = run("ending", {how});
    EXPECT_EQ(outcome.error, ErrorCode::Trap) << how << ": " << outcome.message;
    EXPECT_EQ(outcome.out, "begin\n") << how;
  }
}

// What no C program does.
class WasiModules : public WasiHost {
 protected:
  // A module whose _start stores the result of `call` at address 0 and writes it, as a byte, to stdout.
  Outcome run_call(const std::string& import, const std::string& call, const std::string& memory = "(memory 1)") {
    const std::string text = "(module\n  (import \"wasi_snapshot_preview1\" " + import +
                             ")\n"
                             "  (import \"wasi_snapshot_preview1\" \"fd_write\" "
                             "(func $write (param i32 i32 i32 i32) (result i32)))\n  " +
                             memory +
                             "\n  (func (export \"_start\")\n"
                             "    (i32.store (i32.const 0) " +
                             call +
                             ")\n"
                             "    (i32.store (i32.const 16) (i32.const 0)) (i32.store (i32.const 20) (i32.const 1))\n"
                             "    (drop (call $write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 8)))))";
    Result<std::vector<std::uint8_t>> bytes = assemble(text, "test.wat");
    if (!bytes) return failure(bytes.error());
    return run_module(*bytes);
  }
};

TEST_F(WasiModules, PointersBehindTheMemoryAreFaults) {
  const Outcome outcome =
      run_call("\"random_get\" (func $f (param i32 i32) (result i32))", "(call $f (i32.const 65530) (i32.const 7))");
  EXPECT_EQ(outcome.status, 0) << outcome.message;
  EXPECT_EQ(outcome.out, std::string(1, 21));  // fault
}

TEST_F(WasiModules, TheMemoryIsSeenAsLargeAsItHasGrown) {
  const Outcome outcome = run_call("\"random_get\" (func $f (param i32 i32) (result i32))",
                                   "(block (result i32) (drop (memory.grow (i32.const 1))) "
                                   "(call $f (i32.const 65530) (i32.const 7)))");
  EXPECT_EQ(outcome.status, 0) << outcome.message;
  EXPECT_EQ(outcome.out, std::string(1, 0));
}

TEST_F(WasiModules, AGuestWithoutMemoryGetsFaultsAndCanExit) {
  const char* const text = R"((module
    (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (func (export "_start") (call $exit (call $random (i32.const 0) (i32.const 1))))))";
  Result<std::vector<std::uint8_t>> bytes = assemble(text, "test.wat");
  ASSERT_TRUE(bytes.has_value());
  EXPECT_EQ(run_module(*bytes).status, 21);
}

TEST_F(WasiModules, AnImportWithAnotherSignatureDoesNotLink) {
  const Outcome outcome = run_call("\"random_get\" (func $f (param i64) (result i32))", "(call $f (i64.const 0))");
  EXPECT_EQ(outcome.error, ErrorCode::Unlinkable) << outcome.message;
}

TEST_F(WasiModules, ADirectoryThatIsNotThereIsNamed) {
  WasiOptions options;
  options.directories = {{(temporary_.path() / "missing").string(), "/"}};
  const Result<Wasi> wasi = Wasi::create(std::move(options));
  ASSERT_FALSE(wasi.has_value());
  EXPECT_EQ(wasi.error().code(), ErrorCode::SystemCall);
  EXPECT_NE(wasi.error().message().find("missing"), std::string::npos) << wasi.error().message();
  EXPECT_NE(wasi.error().message().find("No such file"), std::string::npos) << wasi.error().message();
}

TEST_F(WasiModules, ArgumentsWithAZeroByteAreRefused) {
  WasiOptions options;
  options.arguments = {"program", std::string("a\0b", 3)};
  const Result<Wasi> wasi = Wasi::create(std::move(options));
  ASSERT_FALSE(wasi.has_value());
  EXPECT_EQ(wasi.error().code(), ErrorCode::InvalidArgument);
}

}  // namespace
}  // namespace shunt::runtime
