// What the path functions do inside of a directory.
#include <sys/stat.h>

#include "path_guest.h"

namespace shunt::wasi {
namespace {

using Paths = PathGuest;
namespace fs = std::filesystem;

TEST_P(Paths, DirectoriesAreMadeAndRemoved) {
  EXPECT_EQ(make_directory("d"), Errno::Success);
  EXPECT_TRUE(fs::is_directory(sandbox_ / "d"));
  EXPECT_EQ(make_directory("d"), Errno::Exist);
  EXPECT_EQ(make_directory("d/e/"), Errno::Success);
  EXPECT_EQ(make_directory("missing/e"), Errno::NoEnt);
  EXPECT_EQ(make_directory("."), Errno::Exist);
  EXPECT_EQ(make_directory("d/.."), Errno::Exist);
  EXPECT_EQ(remove_directory("d"), Errno::NotEmpty);
  EXPECT_EQ(remove_directory("d/e"), Errno::Success);
  EXPECT_EQ(remove_directory("d/"), Errno::Success);
  EXPECT_EQ(remove_directory("d"), Errno::NoEnt);
  EXPECT_NE(remove_directory("."), Errno::Success);
  write_file(sandbox_ / "f", "");
  EXPECT_EQ(remove_directory("f"), Errno::NotDir);
}

TEST_P(Paths, FilesAreCreatedOpenedAndUnlinked) {
  Fd fd = 0;
  EXPECT_EQ(open("f", 0, fd), Errno::NoEnt);
  EXPECT_EQ(open("f", oflag_create, fd), Errno::Success);
  EXPECT_EQ(open("f", oflag_create | oflag_exclusive, fd), Errno::Exist);
  EXPECT_EQ(open("f", oflag_directory, fd), Errno::NotDir);
  EXPECT_EQ(open("f/", 0, fd), Errno::NotDir);
  EXPECT_EQ(open("f/x", 0, fd), Errno::NotDir);
  EXPECT_EQ(open("g/", oflag_create, fd), Errno::IsDir);
  EXPECT_EQ(unlink("f"), Errno::Success);
  EXPECT_EQ(unlink("f"), Errno::NoEnt);
  EXPECT_FALSE(fs::exists(sandbox_ / "f"));
}

TEST_P(Paths, TruncateAndAppend) {
  write_file(sandbox_ / "f", "old text");
  Fd fd = 0;
  ASSERT_EQ(open("f", 0, fd, 0, all_rights, fdflag_append), Errno::Success);
  ASSERT_EQ(write(fd, "!"), Errno::Success);
  EXPECT_EQ(read_file(sandbox_ / "f"), "old text!");
  ASSERT_EQ(open("f", oflag_truncate, fd), Errno::Success);
  EXPECT_EQ(read_file(sandbox_ / "f"), "");
}

TEST_P(Paths, OpenedDirectoriesOpenWhatIsBelowThem) {
  fs::create_directories(sandbox_ / "a/b");
  write_file(sandbox_ / "a/b/f", "deep");
  Fd directory = 0;
  ASSERT_EQ(open("a/b", oflag_directory, directory), Errno::Success);  // all rights asked: a directory is still opened
  Fd file = 0;
  ASSERT_EQ(open("f", 0, file, 0, all_rights, 0, directory), Errno::Success);
  std::string got;
  EXPECT_EQ(read(file, 10, got), Errno::Success);
  EXPECT_EQ(got, "deep");
  // Its own scope: what is above it is outside, though its parent is open too.
  EXPECT_EQ(open("../../a/b/f", 0, file, 0, all_rights, 0, directory), Errno::NotCapable);
  EXPECT_EQ(open("f", 0, file, 0, all_rights, 0, file), Errno::NotDir);
}

TEST_P(Paths, DirectoriesCanNotBeOpenedForWriting) {
  fs::create_directory(sandbox_ / "d");
  Fd fd = 0;
  EXPECT_EQ(open("d", 0, fd), Errno::IsDir);
  EXPECT_EQ(open_to_read("d", fd), Errno::Success);
  EXPECT_EQ(open_to_read("d/", fd), Errno::Success);
  EXPECT_EQ(open_to_read(".", fd), Errno::Success);
  EXPECT_EQ(open_to_read("d/..", fd), Errno::Success);
}

TEST_P(Paths, UnknownFlagsAndImpossibleCombinationsAreInvalid) {
  Fd fd = 0;
  EXPECT_EQ(open("f", 1u << 4, fd), Errno::Inval);
  EXPECT_EQ(open("f", oflag_create | (1u << 16), fd), Errno::Inval);
  EXPECT_EQ(open("f", oflag_create, fd, 2), Errno::Inval);
  EXPECT_EQ(open("f", oflag_create, fd, 0, all_rights, 1u << 5), Errno::Inval);
  EXPECT_EQ(open("f", oflag_create | oflag_directory, fd), Errno::Inval);
  EXPECT_TRUE(fs::is_empty(sandbox_));
}

TEST_P(Paths, PathsThatAreNoneAreRefused) {
  Fd fd = 0;
  FileStatus ignored;
  EXPECT_EQ(open("", oflag_create, fd), Errno::NoEnt);
  EXPECT_EQ(make_directory(""), Errno::NoEnt);
  EXPECT_EQ(status("", ignored), Errno::NoEnt);
  EXPECT_EQ(open(std::string_view("a\0b", 3), oflag_create, fd), Errno::Inval);
  EXPECT_EQ(make_directory(std::string_view("\0", 1)), Errno::Inval);
  EXPECT_EQ(open(std::string(5000, 'a'), oflag_create, fd), Errno::NameTooLong);
  EXPECT_EQ(open(std::string(256, 'a'), oflag_create, fd), Errno::NameTooLong);
  std::string deep;
  while (deep.size() < 4090) deep += "./";
  EXPECT_EQ(open(deep + "f", oflag_create, fd), Errno::Success);
}

TEST_P(Paths, PathsOutsideOfTheMemoryAreFaults) {
  const Address out = allocate(64);
  EXPECT_EQ(path_create_directory(call(), root, memory_size - 2, 3), Errno::Fault);
  EXPECT_EQ(path_remove_directory(call(), root, 8, 0xffffffff), Errno::Fault);
  EXPECT_EQ(path_unlink_file(call(), root, outside, 1), Errno::Fault);
  EXPECT_EQ(path_open(call(), root, 0, outside, 1, 0, 0, 0, 0, out), Errno::Fault);
  EXPECT_EQ(path_open(call(), root, 0, put("f"), 1, oflag_create, all_rights, 0, 0, memory_size - 3), Errno::Fault);
  EXPECT_EQ(path_filestat_get(call(), root, 0, outside, 1, out), Errno::Fault);
  EXPECT_EQ(path_filestat_get(call(), root, 0, put("."), 1, memory_size - 63), Errno::Fault);
  EXPECT_EQ(path_filestat_set_times(call(), root, 0, outside, 1, 0, 0, 0), Errno::Fault);
  EXPECT_EQ(path_readlink(call(), root, outside, 1, out, 1, out), Errno::Fault);
  EXPECT_EQ(path_readlink(call(), root, put("f"), 1, memory_size - 1, 2, out), Errno::Fault);
  EXPECT_EQ(path_readlink(call(), root, put("f"), 1, out, 2, memory_size - 3), Errno::Fault);
  EXPECT_EQ(path_rename(call(), root, outside, 1, root, put("f"), 1), Errno::Fault);
  EXPECT_EQ(path_rename(call(), root, put("f"), 1, root, outside, 1), Errno::Fault);
  EXPECT_EQ(path_link(call(), root, 0, outside, 1, root, put("f"), 1), Errno::Fault);
  EXPECT_EQ(path_symlink(call(), outside, 1, root, put("f"), 1), Errno::Fault);
  EXPECT_EQ(path_symlink(call(), put("f"), 1, root, outside, 1), Errno::Fault);
  EXPECT_TRUE(fs::is_empty(sandbox_));
}

TEST_P(Paths, DescriptorsThatAreNoDirectoriesAreRefused) {
  const Address p = put("f");
  const Address out = allocate(64);
  for (const auto& [fd, expected] : {std::pair{Fd{0}, Errno::NotDir}, std::pair{Fd{99}, Errno::BadF}}) {
    EXPECT_EQ(path_create_directory(call(), fd, p, 1), expected);
    EXPECT_EQ(path_remove_directory(call(), fd, p, 1), expected);
    EXPECT_EQ(path_unlink_file(call(), fd, p, 1), expected);
    EXPECT_EQ(path_open(call(), fd, 0, p, 1, 0, 0, 0, 0, out), expected);
    EXPECT_EQ(path_filestat_get(call(), fd, 0, p, 1, out), expected);
    EXPECT_EQ(path_filestat_set_times(call(), fd, 0, p, 1, 0, 0, 0), expected);
    EXPECT_EQ(path_readlink(call(), fd, p, 1, out, 4, out), expected);
    EXPECT_EQ(path_symlink(call(), p, 1, fd, p, 1), expected);
    EXPECT_EQ(path_rename(call(), fd, p, 1, root, p, 1), expected);
    EXPECT_EQ(path_rename(call(), root, p, 1, fd, p, 1), expected);
  }
}

TEST_P(Paths, EveryFunctionNeedsItsRight) {
  write_file(sandbox_ / "f", "");
  fs::create_symlink("f", sandbox_ / "l");
  ASSERT_EQ(fd_fdstat_set_rights(call(), root, 0, all_rights), Errno::Success);
  Fd fd = 0;
  FileStatus ignored;
  std::string text;
  EXPECT_EQ(open("f", 0, fd), Errno::NotCapable);
  EXPECT_EQ(make_directory("d"), Errno::NotCapable);
  EXPECT_EQ(remove_directory("d"), Errno::NotCapable);
  EXPECT_EQ(unlink("f"), Errno::NotCapable);
  EXPECT_EQ(status("f", ignored), Errno::NotCapable);
  EXPECT_EQ(set_times("f", 0, 0), Errno::NotCapable);
  EXPECT_EQ(read_link("l", text), Errno::NotCapable);
  EXPECT_EQ(symlink("f", "m"), Errno::NotCapable);
  EXPECT_EQ(rename("f", "g"), Errno::NotCapable);
  EXPECT_EQ(link("f", "g"), Errno::NotCapable);
}

TEST_P(Paths, CreatingAndTruncatingNeedMoreThanOpening) {
  write_file(sandbox_ / "f", "text");
  ASSERT_EQ(fd_fdstat_set_rights(call(), root, rights::path_open, all_rights), Errno::Success);
  Fd fd = 0;
  EXPECT_EQ(open("f", 0, fd), Errno::Success);
  EXPECT_EQ(open("f", oflag_truncate, fd), Errno::NotCapable);
  EXPECT_EQ(open("g", oflag_create, fd), Errno::NotCapable);
  EXPECT_EQ(read_file(sandbox_ / "f"), "text");
}

TEST_P(Paths, StatusOfTheLinkOrOfWhatItLeadsTo) {
  write_file(sandbox_ / "f", "12345");
  fs::create_symlink("f", sandbox_ / "l");
  fs::create_symlink("missing", sandbox_ / "dangling");
  FileStatus found;
  ASSERT_EQ(status("l", found), Errno::Success);
  EXPECT_EQ(found.type, FileType::RegularFile);
  EXPECT_EQ(found.size, 5u);
  ASSERT_EQ(status("l", found, 0), Errno::Success);
  EXPECT_EQ(found.type, FileType::SymbolicLink);
  EXPECT_EQ(status("dangling", found), Errno::NoEnt);
  EXPECT_EQ(status("dangling", found, 0), Errno::Success);
  EXPECT_EQ(status("f", found, 2), Errno::Inval);
  EXPECT_EQ(status("f/", found), Errno::NotDir);
  ASSERT_EQ(status(".", found), Errno::Success);
  EXPECT_EQ(found.type, FileType::Directory);
}

TEST_P(Paths, TimesOfTheLinkOrOfWhatItLeadsTo) {
  write_file(sandbox_ / "f", "");
  fs::create_symlink("f", sandbox_ / "l");
  constexpr std::uint64_t second = 1'000'000'000;
  ASSERT_EQ(set_times("l", 5 * second, 6 * second), Errno::Success);
  ASSERT_EQ(set_times("l", 7 * second, 8 * second, 0), Errno::Success);
  struct stat host{};
  ASSERT_EQ(::lstat((sandbox_ / "f").c_str(), &host), 0);
  EXPECT_EQ(host.st_atim.tv_sec, 5);
  EXPECT_EQ(host.st_mtim.tv_sec, 6);
  ASSERT_EQ(::lstat((sandbox_ / "l").c_str(), &host), 0);
  EXPECT_EQ(host.st_mtim.tv_sec, 8);
  EXPECT_EQ(set_times("missing", 0, 0), Errno::NoEnt);
}

TEST_P(Paths, LinksAreFollowedInsideOfTheDirectory) {
  fs::create_directories(sandbox_ / "a/b");
  write_file(sandbox_ / "a/b/f", "found");
  fs::create_symlink("a/b", sandbox_ / "to_b");
  fs::create_symlink("../f", sandbox_ / "a/b/g");
  fs::create_symlink("..", sandbox_ / "a/up");
  fs::create_symlink("to_b/f", sandbox_ / "chain");
  fs::create_symlink("new", sandbox_ / "to_new");
  Fd fd = 0;
  std::string got;
  for (const char* name :
       {"to_b/f", "a/up/to_b/f", "a/up/a/up/a/b/f", "a/b/../b/f", "chain", "./a//b///f", "to_b/../b/f"}) {
    ASSERT_EQ(open_to_read(name, fd), Errno::Success) << name;
    EXPECT_EQ(read(fd, 10, got), Errno::Success);
    EXPECT_EQ(got, "found") << name;
    fd_close(call(), fd);
  }
  EXPECT_EQ(open_to_read("a/b/g", fd), Errno::NoEnt);
  ASSERT_EQ(open("to_new", oflag_create, fd), Errno::Success);
  EXPECT_TRUE(fs::is_regular_file(sandbox_ / "new"));
  EXPECT_EQ(open("to_new", oflag_create | oflag_exclusive, fd), Errno::Exist);
}

TEST_P(Paths, AFinalLinkIsNotFollowedUnlessAsked) {
  write_file(sandbox_ / "f", "");
  fs::create_directory(sandbox_ / "d");
  fs::create_symlink("f", sandbox_ / "l");
  fs::create_symlink("d", sandbox_ / "m");
  Fd fd = 0;
  EXPECT_EQ(open("l", 0, fd, 0), Errno::Loop);
  EXPECT_EQ(open("m/", oflag_directory, fd, 0), Errno::Success);  // a slash behind it: what the link leads to
}

TEST_P(Paths, LinksThatTurnInCirclesAreALoop) {
  fs::create_symlink("loop", sandbox_ / "loop");
  fs::create_symlink("ping", sandbox_ / "pong");
  fs::create_symlink("pong", sandbox_ / "ping");
  Fd fd = 0;
  EXPECT_EQ(open("loop", oflag_create, fd), Errno::Loop);
  EXPECT_EQ(open("ping/x", oflag_create, fd), Errno::Loop);
}

TEST_P(Paths, LinksAreMadeAndRead) {
  ASSERT_EQ(symlink("some/../target", "l"), Errno::Success);
  EXPECT_EQ(fs::read_symlink(sandbox_ / "l"), "some/../target");
  std::string text;
  ASSERT_EQ(read_link("l", text), Errno::Success);
  EXPECT_EQ(text, "some/../target");
  ASSERT_EQ(read_link("l", text, 4), Errno::Success);
  EXPECT_EQ(text, "some");
  EXPECT_EQ(symlink("x", "l"), Errno::Exist);
  EXPECT_EQ(symlink("", "m"), Errno::NoEnt);
  write_file(sandbox_ / "f", "");
  EXPECT_EQ(read_link("f", text), Errno::Inval);
  EXPECT_EQ(read_link("missing", text), Errno::NoEnt);
}

TEST_P(Paths, RenameMovesAndReplaces) {
  fs::create_directory(sandbox_ / "d");
  write_file(sandbox_ / "f", "new");
  write_file(sandbox_ / "d/g", "old");
  ASSERT_EQ(rename("f", "d/g"), Errno::Success);
  EXPECT_EQ(read_file(sandbox_ / "d/g"), "new");
  EXPECT_FALSE(fs::exists(sandbox_ / "f"));
  EXPECT_EQ(rename("missing", "x"), Errno::NoEnt);
  EXPECT_EQ(rename("d", "d/x"), Errno::Inval);
  EXPECT_EQ(rename("d/g/", "x"), Errno::NotDir);
  EXPECT_EQ(rename("d/", "e/"), Errno::Success);
  EXPECT_TRUE(fs::exists(sandbox_ / "e/g"));
}

TEST_P(Paths, RenameAndLinkReachAcrossOpenedDirectories) {
  fs::create_directory(temporary_.path() / "second");
  const Fd second = add_directory(temporary_.path() / "second", "/second");
  write_file(sandbox_ / "f", "text");
  ASSERT_EQ(link("f", "g", second), Errno::Success);
  ASSERT_EQ(rename("f", "h", second), Errno::Success);
  EXPECT_EQ(read_file(temporary_.path() / "second/g"), "text");
  EXPECT_EQ(read_file(temporary_.path() / "second/h"), "text");
  ASSERT_EQ(fd_fdstat_set_rights(call(), second, 0, 0), Errno::Success);
  write_file(sandbox_ / "f", "text");
  EXPECT_EQ(link("f", "i", second), Errno::NotCapable);
  EXPECT_EQ(rename("f", "i", second), Errno::NotCapable);
}

TEST_P(Paths, LinkNamesTheSameFileAgain) {
  write_file(sandbox_ / "f", "text");
  fs::create_symlink("f", sandbox_ / "l");
  ASSERT_EQ(link("f", "g"), Errno::Success);
  EXPECT_EQ(fs::hard_link_count(sandbox_ / "f"), 2u);
  EXPECT_EQ(link("f", "g"), Errno::Exist);
  ASSERT_EQ(link("l", "m"), Errno::Success);  // the link itself
  EXPECT_TRUE(fs::is_symlink(sandbox_ / "m"));
  ASSERT_EQ(link("l", "n", root, lookup_symlink_follow), Errno::Success);  // what it leads to
  EXPECT_EQ(fs::hard_link_count(sandbox_ / "f"), 3u);
  fs::create_directory(sandbox_ / "d");
  EXPECT_EQ(link("d", "e"), Errno::Perm);
  EXPECT_EQ(link("missing", "e"), Errno::NoEnt);
}

TEST_P(Paths, UnlinkTakesNoDirectoriesAndNoLinksTargets) {
  fs::create_directory(sandbox_ / "d");
  write_file(sandbox_ / "f", "");
  fs::create_symlink("f", sandbox_ / "l");
  EXPECT_EQ(unlink("d"), Errno::IsDir);
  EXPECT_EQ(unlink("l"), Errno::Success);
  EXPECT_TRUE(fs::exists(sandbox_ / "f"));
  EXPECT_NE(unlink("f/"), Errno::Success);
  EXPECT_TRUE(fs::exists(sandbox_ / "f"));
}

INSTANTIATE_TEST_SUITE_P(BothLookups, Paths, ::testing::Values(Lookup::Kernel, Lookup::Walk), lookup_name);

}  // namespace
}  // namespace shunt::wasi
