// The socket: who reaches it, and what clients can do to it.
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "runtime/flags/control/private_socket.h"
#include "shunt/runtime/flag_control.h"
#include "tests/runtime/flags/flag_set_fixture.h"

namespace shunt::flags {
namespace {

namespace fs = std::filesystem;

class ControlTest : public FlagSetTest {
 protected:
  ControlTest() {
    std::string name = (fs::temp_directory_path() / "shunt-control-XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    load(document({flag("b", on_off, "off")}));
  }
  ~ControlTest() override { fs::remove_all(folder_); }

  [[nodiscard]] std::string path() const { return folder_ / "control"; }
  std::unique_ptr<FlagControl> started() {
    auto control = FlagControl::start(set_, path());
    EXPECT_TRUE(control) << control.error().message();
    return control ? std::move(*control) : nullptr;
  }
  std::string not_started(const std::string& at) {
    const auto control = FlagControl::start(set_, at);
    return control ? "(started)" : control.error().message();
  }
  static mode_t mode_of(const fs::path& file) {
    struct stat status{};
    EXPECT_EQ(::stat(file.c_str(), &status), 0);
    return status.st_mode & 07777;
  }

  fs::path folder_;
};

class Client {
 public:
  explicit Client(const std::string& path) {
    auto connected = connect_to_own(path);
    EXPECT_TRUE(connected) << connected.error().message();
    if (connected) socket_ = std::move(*connected);
  }
  void send(std::string_view text) const {
    while (!text.empty()) {
      const ssize_t sent = ::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;  // the server has dropped it
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  // Up to the newline; what came before the end if the server has dropped it.
  std::string line() const {
    std::string out;
    char c = 0;
    while (::recv(socket_.get(), &c, 1, 0) == 1 && c != '\n') out += c;
    return out;
  }

 private:
  OwnedDescriptor socket_;
};

const std::string list = R"({"op": "list"})"
                         "\n";
const std::string off = R"({"flags":[{"key":"b","value":false,"variant":"off","reason":"STATIC"}]})";

TEST_F(ControlTest, IsTheOwnersAlone) {
  folder_ = folder_ / "made";
  const auto control = started();
  EXPECT_EQ(mode_of(folder_), 0700U);
  EXPECT_EQ(mode_of(path()), 0600U);
  const Client client(path());
  client.send(list);
  EXPECT_EQ(client.line(), off);
}

TEST_F(ControlTest, FoldersThatOthersMayOpenAreRefused) {
  for (const mode_t mode : {0755U, 0710U, 0701U, 0770U}) {
    ASSERT_EQ(::chmod(folder_.c_str(), mode), 0);
    EXPECT_EQ(not_started(path()), path() + ": others may open its folder: chmod 700 " + folder_.string());
    const auto connected = connect_to_own(path());
    EXPECT_FALSE(connected);
  }
  ASSERT_EQ(::chmod(folder_.c_str(), 0700), 0);
  fs::create_directory_symlink(folder_, folder_.string() + "-link");
  EXPECT_NE(not_started(folder_.string() + "-link/control").find("cannot open its folder"), std::string::npos);
  fs::remove(folder_.string() + "-link");
  EXPECT_EQ(not_started(folder_.string() + "/"), folder_.string() + "/: it names no socket: write FOLDER/NAME");
  EXPECT_NE(not_started(folder_ / std::string(200, 'x')).find("its name is too long"), std::string::npos);
}

TEST_F(ControlTest, ReplacesADeadSocketButNothingElse) {
  {
    const auto control = started();
    EXPECT_EQ(not_started(path()), path() + ": something else has that name: choose another one");
  }
  EXPECT_FALSE(fs::exists(path()));
  {
    auto dead = PrivateSocket::listen(path());  // a name whose listener has gone
    ASSERT_TRUE(dead);
    fs::rename(path(), path() + "-kept");
  }
  fs::rename(path() + "-kept", path());
  {
    const auto control = started();
  }
  std::ofstream(path()) << "mine";
  EXPECT_EQ(not_started(path()), path() + ": something else has that name: choose another one");
  EXPECT_TRUE(fs::exists(path()));
}

TEST_F(ControlTest, WatchersAreToldOfEachChange) {
  const auto control = started();
  const Client watcher(path());
  watcher.send("{\"op\": \"watch\"}\n");
  EXPECT_EQ(watcher.line(), R"({"watching":true})");
  const Client setter(path());
  setter.send("{\"op\": \"set\", \"key\": \"b\", \"value\": true}\n");
  EXPECT_EQ(setter.line(), R"({"key":"b","value":true,"variant":"on","reason":"STATIC","sites_written":0})");
  EXPECT_EQ(watcher.line(), R"({"flags":[{"key":"b","value":true,"variant":"on","reason":"STATIC"}]})");
  load(document({flag("b", on_off, "off")}));
  EXPECT_EQ(watcher.line(), off);
}

TEST_F(ControlTest, HostileClientsHarmNobody) {
  const auto control = started();
  const Client good(path());
  {
    const Client endless(path());
    endless.send(std::string(200'000, 'x'));  // no line ends: dropped
    EXPECT_EQ(endless.line(), "");
    const Client garbage(path());
    garbage.send(std::string("\0\xff{]\n", 5));
    EXPECT_NE(garbage.line().find("not a JSON object"), std::string::npos);
    garbage.send(list);  // and goes on
    EXPECT_EQ(garbage.line(), off);
    const Client half(path());
    half.send("{\"op\": \"li");
  }
  {
    const Client deaf(path());  // asks much, reads nothing
    std::string many;
    for (int i = 0; i < 1000; ++i) many += list;
    for (int i = 0; i < 200; ++i) deaf.send(many);
  }
  good.send(list.substr(0, 5));
  good.send(list.substr(5) + list);
  EXPECT_EQ(good.line(), off);
  EXPECT_EQ(good.line(), off);
  EXPECT_EQ(set_.value("b"), FlagValue(false));
}

TEST_F(ControlTest, MoreClientsThanItServesWaitForTheirTurn) {
  const auto control = started();
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 16; ++i) {
    clients.push_back(std::make_unique<Client>(path()));
    clients.back()->send(list);
    EXPECT_EQ(clients.back()->line(), off);
  }
  const Client late(path());
  late.send(list);
  clients.pop_back();
  EXPECT_EQ(late.line(), off);
}

}  // namespace
}  // namespace shunt::flags
