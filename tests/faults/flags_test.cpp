// Flags are loaded, watched and served while a system call fails.
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <mutex>

#include "runtime/flags/control/private_socket.h"
#include "shunt/runtime/flag_control.h"
#include "shunt/runtime/flag_file.h"
#include "shunt/runtime/flags.h"
#include "tests/faults/engine_code.h"

namespace shunt::faults {
namespace {

namespace fs = std::filesystem;
using flags::FileSource;
using flags::FlagControl;
using flags::FlagSet;

std::string flags_with(int value, const std::string& more = "") {
  return R"({"flags": {"n": {"state": "ENABLED", "variants": {"v": )" + std::to_string(value) +
         R"(, "w": -1}, "defaultVariant": "v")" + more + "}}}\n";
}

// Rules that ask for the time, so that the set needs its clock.
const std::string kTargeted = R"(, "targeting": {"if": [{">": [{"var": "$flagd.timestamp"}, 1]}, "v", "w"]})";

std::string signal_mask() {
  sigset_t now;
  pthread_sigmask(SIG_BLOCK, nullptr, &now);
  int blocked = 0;
  for (int signal = 1; signal < 65; ++signal) blocked += sigismember(&now, signal) == 1 ? 1 : 0;
  return std::to_string(blocked);
}

class FlagFaults : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "shunt-faults-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  [[nodiscard]] std::string file() const { return folder_ / "flags.json"; }
  // At once, so that no watch sees a part.
  void write(const std::string& text) const {
    std::ofstream(file() + ".new", std::ios::trunc) << text;
    fs::rename(file() + ".new", file());
  }

  [[nodiscard]] std::int64_t n() const {
    const auto value = set_->value("n");
    return value ? std::get<std::int64_t>(*value) : -1;
  }

  // A set with n = 1, and a file that says 2.
  void make() {
    auto engine = Engine::create(small(Serialisation::Membarrier));
    ASSERT_TRUE(engine) << engine.error().message();
    engine_ = std::move(*engine);
    set_.emplace(*engine_);
    ASSERT_TRUE(set_->load_json(flags_with(1), "first"));
    write(text_);
  }
  Operation on_set() {
    Operation operation;
    operation.prepare = [this] { make(); };
    operation.state = [this] {
      return std::to_string(n()) + ", blocked signals " + signal_mask() + ", socket " +
             std::to_string(fs::exists(folder_ / "control"));
    };
    operation.finish = [this] {
      source_.reset();
      control_.reset();
      set_.reset();
      engine_.reset();
    };
    return operation;
  }

  fs::path folder_;
  std::string text_ = flags_with(2);
  std::unique_ptr<Engine> engine_;
  std::optional<FlagSet> set_;
  std::unique_ptr<FileSource> source_;
  std::unique_ptr<FlagControl> control_;
};

TEST_F(FlagFaults, LoadFile) {
  Operation operation = on_set();
  operation.attempt = [this] {
    auto report = load_file(*set_, file());
    return status_of(report);
  };
  operation.works = [this] { EXPECT_EQ(n(), 2); };
  EXPECT_GT(sweep("load_file", operation).refused, 0U);
}

TEST_F(FlagFaults, LoadOfRulesThatAskForTheTime) {
  text_ = flags_with(2, kTargeted);
  Operation operation = on_set();
  operation.attempt = [this] {
    auto report = set_->load_json(text_, "rules");
    return status_of(report);
  };
  operation.works = [this] { EXPECT_EQ(n(), 2); };
  EXPECT_GT(sweep("load of rules that ask for the time", operation).refused, 0U);
}

TEST_F(FlagFaults, StartOfAFileSource) {
  text_ = flags_with(2, kTargeted);
  std::mutex lock;
  std::condition_variable arrived;
  int reloads = 0;
  Operation operation = on_set();
  operation.attempt = [&] {
    flags::FileSourceOptions options;
    options.quiet = std::chrono::milliseconds(1);
    options.poll_interval = std::chrono::milliseconds(5);
    auto source = FileSource::start(
        *set_, file(),
        [&](const flags::Reload& reload) {
          EXPECT_TRUE(reload.result) << reload.result.error().message();
          const std::lock_guard hold(lock);
          ++reloads;
          arrived.notify_all();
        },
        options);
    if (!source) return status_of(source);
    source_ = std::move(*source);
    return Status(Ok{});
  };
  operation.works = [&] {
    EXPECT_EQ(n(), 2);
    write(flags_with(3));
    std::unique_lock hold(lock);
    EXPECT_TRUE(arrived.wait_for(hold, std::chrono::seconds(20), [&] { return reloads > 0; }));
    EXPECT_EQ(n(), 3);
    reloads = 0;
  };
  EXPECT_GT(sweep("start of a file source", operation).refused, 0U);
}

// What fails while a version is loaded in the background is told, the flags stay, and the version is not lost: it is
// loaded without that anybody touches the file again.
TEST_F(FlagFaults, Reload) {
  std::mutex lock;
  std::condition_variable arrived;
  std::vector<std::string> failures;
  bool loaded = false;
  flags::FileSourceOptions options;
  options.quiet = std::chrono::milliseconds(1);
  options.poll_interval = std::chrono::milliseconds(5);
  for (const auto& [call, error] : {std::pair{"open", EMFILE}, {"open", ENFILE}, {"fstat", EIO}, {"read", EIO}}) {
    SCOPED_TRACE(call);
    make();
    auto source = FileSource::start(
        *set_, file(),
        [&](const flags::Reload& reload) {
          const std::lock_guard hold(lock);
          if (reload.result) loaded = true;
          if (!reload.result) failures.push_back(reload.result.error().message());
          arrived.notify_all();
        },
        options);
    ASSERT_TRUE(source) << source.error().message();
    std::unique_lock hold(lock);
    failures.clear();
    loaded = false;
    {
      Injection fault(call, error, Length::ForGood, Reach::AllThreads);
      write(flags_with(3));  // a stream of the C++ library: not concerned
      EXPECT_TRUE(arrived.wait_for(hold, std::chrono::seconds(20), [&] { return !failures.empty(); }));
      EXPECT_EQ(n(), 2);
      arrived.wait_for(hold, std::chrono::milliseconds(30), [&] { return failures.size() > 1; });
    }
    EXPECT_TRUE(arrived.wait_for(hold, std::chrono::seconds(20), [&] { return loaded; })) << "the version is lost";
    EXPECT_EQ(n(), 3);
    ASSERT_EQ(failures.size(), 1U);  // told once, however often it is tried
    EXPECT_TRUE(names(failures[0], call, error)) << failures[0];
    hold.unlock();
    source->reset();
    set_.reset();
    engine_.reset();
  }
}

TEST_F(FlagFaults, StartOfTheControlSocket) {
  fs::permissions(folder_, fs::perms::owner_all);
  Operation operation = on_set();
  operation.attempt = [this] {
    auto control = FlagControl::start(*set_, folder_ / "control");
    if (!control) return status_of(control);
    control_ = std::move(*control);
    return Status(Ok{});
  };
  operation.works = [this] {
    const auto client = flags::connect_to_own(folder_ / "control");
    EXPECT_TRUE(client) << (client ? "" : client.error().message());
    EXPECT_TRUE(set_->set("n", std::int64_t{5}));  // with nobody to tell, or somebody
    EXPECT_TRUE(set_->load_json(flags_with(1), "first"));
  };
  EXPECT_GT(sweep("start of the control socket", operation).refused, 0U);
}

// Where a connection cannot be accepted for want of descriptors, the server does not spin, and accepts it later.
TEST_F(FlagFaults, AConnectionThatCannotBeAccepted) {
  make();
  auto control = FlagControl::start(*set_, folder_ / "control");
  ASSERT_TRUE(control) << control.error().message();
  std::size_t attempts = 0;
  Result<flags::OwnedDescriptor> client = make_error(ErrorCode::InvalidArgument, "not yet");
  {
    Injection fault("accept4", EMFILE, Length::ForGood, Reach::AllThreads);
    client = flags::connect_to_own(folder_ / "control");
    ASSERT_TRUE(client) << client.error().message();
    std::this_thread::sleep_for(std::chrono::milliseconds(250));
    fault.end();
    for (const Call& call : fault.calls()) attempts += call.name == "accept4" ? 1 : 0;
  }
  EXPECT_GE(attempts, 1U);
  EXPECT_LE(attempts, 10U);
  const std::string_view request = "{\"get\": \"n\"}\n";
  ASSERT_EQ(::write(client->get(), request.data(), request.size()), static_cast<ssize_t>(request.size()));
  char answer = 0;
  EXPECT_EQ(::read(client->get(), &answer, 1), 1);
  EXPECT_EQ(answer, '{');
  control->reset();
  set_.reset();
  engine_.reset();
}

}  // namespace
}  // namespace shunt::faults
