// Attempts to get out of the directory that the user opened.
//
// These tests must do no harm where what they test is broken: whatever may change something is tried only with paths
// that, if they were followed, end in the test's own temporary directory. Paths to the rest of the machine are only
// looked at.
#include <stdio.h>

#include <chrono>
#include <functional>
#include <map>
#include <stop_token>
#include <thread>

#include "path_guest.h"

namespace shunt::wasi {
namespace {

namespace fs = std::filesystem;

// temporary/
//   secret          must never be read, changed or removed
//   outer/          must stay empty but for `kept`
//   sandbox/        opened for the guest
class Escape : public PathGuest {
 protected:
  Escape() {
    write_file(temporary_.path() / "secret", "secret");
    fs::create_directory(temporary_.path() / "outer");
    write_file(temporary_.path() / "outer/kept", "kept");
    fs::create_directories(sandbox_ / "d/e");
    write_file(sandbox_ / "f", "inside");
    fs::create_symlink("../secret", sandbox_ / "to_secret");
    fs::create_symlink("../outer", sandbox_ / "to_outer");
    fs::create_symlink("..", sandbox_ / "to_parent");
    fs::create_symlink(temporary_.path(), sandbox_ / "to_top_absolute");
    fs::create_symlink(temporary_.path() / "outer", sandbox_ / "to_outer_absolute");
    fs::create_symlink("../sandbox/f", sandbox_ / "out_and_in");
    fs::create_symlink(sandbox_ / "f", sandbox_ / "to_f_absolute");
    fs::create_symlink("../..", sandbox_ / "d/two_up");
    fs::create_symlink("d/two_up/secret", sandbox_ / "chain");
    fs::create_symlink("../new_outside", sandbox_ / "to_new_outside");
    before_ = snapshot();
  }

  // For paths that lead to the machine's own files: nothing here could change them.
  void expect_not_readable(const std::string& path) {
    SCOPED_TRACE(path);
    Fd fd = 0;
    FileStatus found;
    EXPECT_EQ(open_to_read(path, fd), Errno::NotCapable);
    EXPECT_EQ(status(path, found), Errno::NotCapable);
    EXPECT_EQ(status(path, found, 0), Errno::NotCapable);
  }

  // Names and contents of everything outside of the sandbox.
  std::map<std::string, std::string> snapshot() {
    std::map<std::string, std::string> result;
    for (auto entry = fs::recursive_directory_iterator(temporary_.path()); entry != fs::recursive_directory_iterator();
         ++entry) {
      if (entry->path() == sandbox_) {
        entry.disable_recursion_pending();
        continue;
      }
      result[entry->path()] = entry->is_regular_file() ? read_file(entry->path()) : "";
    }
    return result;
  }

  // Every way to name something with a path; `path` is where the name of an object goes.
  void expect_all_refused(const std::string& path) {
    SCOPED_TRACE(path);
    Fd fd = 0;
    FileStatus found;
    std::string got;
    EXPECT_EQ(open_to_read(path, fd), Errno::NotCapable);
    EXPECT_EQ(open(path, 0, fd), Errno::NotCapable);
    const Errno created =
        open(path, oflag_create, fd);  // a file whose name ends in a slash is refused before any link is followed
    EXPECT_TRUE(created == Errno::NotCapable || (created == Errno::IsDir && path.back() == '/')) << created;
    EXPECT_EQ(open(path, oflag_truncate, fd), Errno::NotCapable);
    EXPECT_EQ(open_to_read(path, fd, oflag_directory), Errno::NotCapable);
    EXPECT_EQ(status(path, found), Errno::NotCapable);
    EXPECT_EQ(set_times(path, 0, 0), Errno::NotCapable);
    EXPECT_EQ(link(path, "stolen", root, lookup_symlink_follow), Errno::NotCapable);
    EXPECT_EQ(snapshot(), before_);
  }

  // The same where not only the last component leads out: then its parent does too, and nothing may happen to an entry
  // there.
  void expect_entry_refused(const std::string& path) {
    SCOPED_TRACE(path);
    expect_all_refused(path);
    FileStatus found;
    std::string got;
    Fd fd = 0;
    EXPECT_EQ(open(path, oflag_create | oflag_exclusive, fd, 0), Errno::NotCapable);
    EXPECT_EQ(status(path, found, 0), Errno::NotCapable);
    EXPECT_EQ(set_times(path, 0, 0, 0), Errno::NotCapable);
    EXPECT_EQ(read_link(path, got), Errno::NotCapable);
    EXPECT_EQ(make_directory(path), Errno::NotCapable);
    EXPECT_EQ(remove_directory(path), Errno::NotCapable);
    EXPECT_EQ(unlink(path), Errno::NotCapable);
    EXPECT_EQ(symlink("f", path), Errno::NotCapable);
    EXPECT_EQ(rename("f", path), Errno::NotCapable);
    EXPECT_EQ(rename(path, "stolen"), Errno::NotCapable);
    EXPECT_EQ(link("f", path), Errno::NotCapable);
    EXPECT_EQ(link(path, "stolen"), Errno::NotCapable);
    EXPECT_EQ(snapshot(), before_);
    EXPECT_FALSE(fs::exists(fs::symlink_status(sandbox_ / "stolen")));
  }

  std::map<std::string, std::string> before_;
};

TEST_P(Escape, DotDot) {
  for (const char* path : {"..", "../", "../secret", "../new", "../outer", "../outer/kept", "d/../../secret",
                           "d/e/../../../secret", "./../secret", "../sandbox/f", "d/e/../../../outer/new"}) {
    expect_entry_refused(path);
  }
}

TEST_P(Escape, DotDotUpToTheRoot) {
  for (const char* path :
       {"..//..//..//..//..//..//etc/passwd", "../../../../../../..", "d/e/../../../../../../../../etc"}) {
    expect_not_readable(path);
  }
}

TEST_P(Escape, AbsolutePaths) {
  for (const char* path : {"/", "//", "/.", "/etc/passwd", "//etc/passwd"}) expect_not_readable(path);
  expect_entry_refused((temporary_.path() / "secret").string());
  expect_entry_refused((sandbox_ / "f").string());  // also into the directory: guests do not know host paths
}

TEST_P(Escape, LinksOnTheWay) {
  for (const char* path :
       {"to_outer/kept", "to_outer/new", "to_parent/secret", "to_top_absolute/secret", "to_outer_absolute/kept",
        "to_parent/sandbox/f", "d/two_up/secret", "d/two_up/new", "d/two_up/sandbox/f", "to_top_absolute/."}) {
    expect_entry_refused(path);
  }
}

TEST_P(Escape, LinksAtTheEnd) {
  for (const char* path :
       {"to_secret", "to_outer", "to_parent", "to_top_absolute", "to_outer_absolute", "out_and_in", "to_f_absolute",
        "d/two_up", "chain", "to_new_outside", "to_outer/", "to_top_absolute/", "d/../to_secret"}) {
    expect_all_refused(path);
  }
}

TEST_P(Escape, ALinkThatLeadsOutIsStillAnEntryOfItsDirectory) {
  FileStatus found;
  std::string got;
  EXPECT_EQ(status("to_secret", found, 0), Errno::Success);
  EXPECT_EQ(found.type, FileType::SymbolicLink);
  EXPECT_EQ(read_link("to_secret", got), Errno::Success);
  EXPECT_EQ(got, "../secret");
  EXPECT_EQ(rename("to_secret", "d/renamed"), Errno::Success);
  EXPECT_EQ(unlink("d/renamed"), Errno::Success);
  EXPECT_EQ(unlink("to_top_absolute"), Errno::Success);
  EXPECT_EQ(snapshot(), before_);
}

TEST_P(Escape, ASlashBehindALinkLeadsNoFurther) {
  std::string got;
  EXPECT_EQ(read_link("to_outer/", got), Errno::NotCapable);
  FileStatus found;
  EXPECT_EQ(status("to_outer/", found, 0), Errno::NotCapable);
  EXPECT_EQ(link("to_outer/", "x"), Errno::NotCapable);
  EXPECT_NE(remove_directory("to_outer/"), Errno::Success);
  EXPECT_NE(unlink("to_secret/"), Errno::Success);
  EXPECT_NE(make_directory("to_new_outside/"), Errno::Success);
  EXPECT_NE(rename("d", "to_new_outside/"), Errno::Success);
  EXPECT_NE(rename("to_outer/", "x"), Errno::Success);
  EXPECT_EQ(snapshot(), before_);
}

TEST_P(Escape, ADirectoryThatWasMovedOutStaysTheLimit) {
  Fd directory = 0;
  ASSERT_EQ(open("d", oflag_directory, directory), Errno::Success);
  fs::rename(sandbox_ / "d", temporary_.path() / "outer/d");
  Fd fd = 0;
  EXPECT_EQ(open("../kept", 0, fd, 0, all_rights, 0, directory), Errno::NotCapable);
  EXPECT_EQ(open("two_up/secret", 0, fd, 0, all_rights, 0, directory), Errno::NotCapable);
}

TEST_P(Escape, ALinkToTheRootLeadsNowhere) {
  fs::create_symlink("/", sandbox_ / "to_root");
  for (const char* path : {"to_root/etc/passwd", "to_root/.", "to_root/"}) expect_not_readable(path);
}

TEST_P(Escape, AbsoluteLinksCanNotBeMade) {
  EXPECT_EQ(symlink((temporary_.path() / "secret").string(), "l"), Errno::NotCapable);
  EXPECT_EQ(symlink("/", "l"), Errno::NotCapable);
  EXPECT_FALSE(fs::exists(fs::symlink_status(sandbox_ / "l")));
}

TEST_P(Escape, ALinkThatTheGuestMadeItselfLeadsNoFurther) {
  ASSERT_EQ(symlink("../secret", "own"), Errno::Success);
  ASSERT_EQ(symlink("../../outer", "d/own"), Errno::Success);
  expect_all_refused("own");
  expect_entry_refused("d/own/kept");
}

TEST_P(Escape, RenamingALinkDeeperOrHigherDoesNotHelp) {
  // A link that stays inside where it is leads out when it is moved up.
  ASSERT_EQ(symlink("..", "d/e/up"), Errno::Success);
  ASSERT_EQ(symlink("../..", "d/e/top"), Errno::Success);
  FileStatus found;
  ASSERT_EQ(status("d/e/top/f", found), Errno::Success);
  ASSERT_EQ(rename("d/e/top", "top"), Errno::Success);
  expect_entry_refused("top/secret");
  ASSERT_EQ(rename("d/e/up", "up"), Errno::Success);
  expect_entry_refused("up/secret");
}

TEST_P(Escape, MagicLinksOfProcLeadNowhere) {
  const Fd proc = add_directory("/proc/self", "/proc");
  const int open_file = ::open((temporary_.path() / "secret").c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_GE(open_file, 0);
  const HostFd closer = HostFd::owned(open_file);
  for (const std::string& path : {std::string("root/etc/passwd"), std::string("root"), std::string("cwd"),
                                  std::string("cwd/x"), std::string("exe"), "fd/" + std::to_string(open_file),
                                  "task/../fd/" + std::to_string(open_file), "fd/" + std::to_string(inner_[0].get())}) {
    Fd fd = 0;
    const Errno error = open(path, 0, fd, lookup_symlink_follow, rights::fd_read, 0, proc);
    EXPECT_TRUE(error == Errno::Loop || error == Errno::NotCapable || error == Errno::NoEnt) << path << ": " << error;
  }
}

TEST_P(Escape, ADirectoryThatTurnsIntoALinkMeanwhileLeadsNowhere) {
  // Another process exchanges a directory and a link to the outside all the time.
  fs::create_directory(sandbox_ / "swap");
  write_file(sandbox_ / "swap/kept", "inside");
  fs::create_symlink("../outer", sandbox_ / "other");
  const std::jthread swapper([this](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      ::renameat2(AT_FDCWD, (sandbox_ / "swap").c_str(), AT_FDCWD, (sandbox_ / "other").c_str(), RENAME_EXCHANGE);
    }
  });
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(300);
  const Address p = put("swap/kept");
  const Address out = allocate(4);
  const Address buffer = allocate(16);
  const Address iovs = put_iovs({{buffer, 16}});
  int inside = 0;
  int refused = 0;
  while (std::chrono::steady_clock::now() < end) {
    const Errno error = path_open(call(), root, lookup_symlink_follow, p, 9, 0, rights::fd_read, 0, 0, out);
    if (error != Errno::Success) {
      ++refused;
      continue;
    }
    const Fd fd = get<Fd>(out);
    ASSERT_EQ(fd_read(call(), fd, iovs, 1, out), Errno::Success);
    ASSERT_EQ(text(buffer, get<std::uint32_t>(out)), "inside");
    fd_close(call(), fd);
    ++inside;
  }
  EXPECT_GT(inside, 0);
  EXPECT_GT(refused, 0);
}

TEST_P(Escape, DepthIsBoundedWithoutOpenat2) {
  std::string deep;
  fs::path host = sandbox_;
  for (int i = 0; i < 300; ++i) {
    deep += "x/";
    host /= "x";
  }
  fs::create_directories(host);
  Fd fd = 0;
  EXPECT_EQ(open_to_read(deep, fd), GetParam() == Lookup::Walk ? Errno::NameTooLong : Errno::Success);
  EXPECT_EQ(open_to_read(deep.substr(0, 400), fd), Errno::Success);
}

INSTANTIATE_TEST_SUITE_P(BothLookups, Escape, ::testing::Values(Lookup::Kernel, Lookup::Walk), lookup_name);

}  // namespace
}  // namespace shunt::wasi
