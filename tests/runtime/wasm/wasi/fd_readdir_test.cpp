#include <map>
#include <set>

#include "fake_guest.h"

namespace shunt::wasi {
namespace {

class FdReaddir : public FakeGuest {
 protected:
  struct Listing {
    std::map<std::string, DirectoryEntry> entries;
    std::vector<std::string> order;
    int calls = 0;
  };

  // Reads a directory the way wasi-libc does: what a buffer holds only in part is asked for again from the last whole
  // entry.
  Listing list(Fd fd, std::uint32_t buffer_size, std::uint64_t cookie = 0) {
    Listing result;
    const Address buffer = allocate(buffer_size);
    const Address used_out = allocate(4);
    for (;;) {
      ++result.calls;
      EXPECT_EQ(fd_readdir(call(), fd, buffer, buffer_size, cookie, used_out), Errno::Success);
      const auto used = get<std::uint32_t>(used_out);
      EXPECT_LE(used, buffer_size);
      std::uint32_t place = 0;
      while (place + sizeof(DirectoryEntry) <= used) {
        const auto entry = get<DirectoryEntry>(buffer + place);
        if (place + sizeof(DirectoryEntry) + entry.name_length > used) break;
        const std::string name = text(buffer + place + sizeof(DirectoryEntry), entry.name_length);
        EXPECT_TRUE(result.entries.emplace(name, entry).second) << name << " came twice";
        result.order.push_back(name);
        cookie = entry.next;
        place += static_cast<std::uint32_t>(sizeof(DirectoryEntry)) + entry.name_length;
      }
      if (used < buffer_size) return result;
      if (place == 0) {
        ADD_FAILURE() << "the buffer holds no entry at all";
        return result;
      }
    }
  }
};

TEST_F(FdReaddir, GivesEveryEntryWithItsType) {
  write_file(sandbox_ / "file", "");
  std::filesystem::create_directory(sandbox_ / "directory");
  std::filesystem::create_symlink("file", sandbox_ / "link");
  const Listing listing = list(root, 4096);
  ASSERT_EQ(listing.entries.size(), 5u);
  EXPECT_EQ(listing.entries.at("file").type, FileType::RegularFile);
  EXPECT_EQ(listing.entries.at("directory").type, FileType::Directory);
  EXPECT_EQ(listing.entries.at("link").type, FileType::SymbolicLink);
  EXPECT_EQ(listing.entries.at(".").type, FileType::Directory);
  EXPECT_EQ(listing.entries.at("..").type, FileType::Directory);
  EXPECT_NE(listing.entries.at("file").inode, 0u);
  EXPECT_EQ(listing.calls, 1);
}

TEST_F(FdReaddir, ContinuesInSmallBuffersWithoutLossOrRepetition) {
  std::set<std::string> expected{".", ".."};
  for (int i = 0; i < 500; ++i) {
    const std::string name = "file-" + std::string(static_cast<std::size_t>(i % 40), 'x') + std::to_string(i);
    write_file(sandbox_ / name, "");
    expected.insert(name);
  }
  for (const std::uint32_t size : {100u, 333u, 4096u}) {
    const Listing listing = list(root, size);
    std::set<std::string> names;
    for (const auto& [name, entry] : listing.entries) names.insert(name);
    EXPECT_EQ(names, expected) << "with a buffer of " << size;
    EXPECT_GT(listing.calls, 5);
  }
}

TEST_F(FdReaddir, AnyCookieContinuesBehindItsEntry) {
  for (int i = 0; i < 300; ++i) write_file(sandbox_ / ("some-longer-name-" + std::to_string(i)), "");
  const Listing all = list(root, 8192);
  ASSERT_EQ(all.order.size(), 302u);
  for (const std::size_t index : {std::size_t{250}, std::size_t{3}, std::size_t{0}, std::size_t{300}}) {
    const Listing rest = list(root, 1024, all.entries.at(all.order[index]).next);
    EXPECT_EQ(rest.order,
              std::vector<std::string>(all.order.begin() + static_cast<std::ptrdiff_t>(index) + 1, all.order.end()));
  }
}

TEST_F(FdReaddir, CookiesFitIntoAGuestsLong) {
  for (int i = 0; i < 50; ++i) write_file(sandbox_ / std::to_string(i), "");
  for (const auto& [name, entry] : list(root, 4096).entries) EXPECT_LE(entry.next, 52u) << name;
}

TEST_F(FdReaddir, CookiesSurviveChangesOfTheDirectory) {
  for (int i = 0; i < 300; ++i) write_file(sandbox_ / ("some-longer-name-" + std::to_string(i)), "");
  const Listing all = list(root, 8192);
  // What stands in front of the cookie goes, except its own entry.
  for (std::size_t i = 0; i < 100; ++i) {
    if (all.order[i][0] != '.') std::filesystem::remove(sandbox_ / all.order[i]);
  }
  const Listing rest = list(root, 8192, all.entries.at(all.order[150]).next);
  EXPECT_EQ(rest.order, std::vector<std::string>(all.order.begin() + 151, all.order.end()));
}

TEST_F(FdReaddir, CookieZeroReadsAnew) {
  EXPECT_EQ(list(root, 4096).entries.size(), 2u);
  write_file(sandbox_ / "new", "");
  EXPECT_EQ(list(root, 4096).entries.size(), 3u);
}

TEST_F(FdReaddir, TheEndStaysTheEnd) {
  const Listing all = list(root, 4096);
  const std::uint64_t last = all.entries.at(all.order.back()).next;
  EXPECT_TRUE(list(root, 4096, last).order.empty());
  EXPECT_TRUE(list(root, 4096, last).order.empty());
}

TEST_F(FdReaddir, AnEntryThatDoesNotFitFillsTheBuffer) {
  write_file(sandbox_ / std::string(200, 'n'), "");
  const Address buffer = allocate(32);
  const Address used = allocate(4);
  ASSERT_EQ(fd_readdir(call(), root, buffer, 10, 0, used), Errno::Success);
  EXPECT_EQ(get<std::uint32_t>(used), 10u);
  ASSERT_EQ(fd_readdir(call(), root, buffer, 0, 0, used), Errno::Success);
  EXPECT_EQ(get<std::uint32_t>(used), 0u);
}

TEST_F(FdReaddir, ChecksItsArguments) {
  const Address place = allocate(64);
  EXPECT_EQ(fd_readdir(call(), root, memory_size - 63, 64, 0, place), Errno::Fault);
  EXPECT_EQ(fd_readdir(call(), root, place, 64, 0, memory_size - 3), Errno::Fault);
  EXPECT_EQ(fd_readdir(call(), root, place, 64, UINT64_MAX, place), Errno::Inval);
  EXPECT_EQ(fd_readdir(call(), root, place, 64, 1, place), Errno::Inval);  // nothing has been read yet
  EXPECT_EQ(fd_readdir(call(), 0, place, 64, 0, place), Errno::NotCapable);
  EXPECT_EQ(fd_readdir(call(), 99, place, 64, 0, place), Errno::BadF);
}

}  // namespace
}  // namespace shunt::wasi
