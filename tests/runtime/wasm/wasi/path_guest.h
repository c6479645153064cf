// A fake guest that runs every test with both ways of looking up paths.
#pragma once

#include <ostream>

#include "fake_guest.h"
#include "tests/support/skip.h"

namespace shunt::wasi {

class PathGuest : public FakeGuest, public ::testing::WithParamInterface<Lookup> {
 protected:
  PathGuest() : FakeGuest(GetParam()) {}

  void SetUp() override {
    if (GetParam() == Lookup::Kernel && available_lookup() != Lookup::Kernel) {
      SHUNT_SKIP_OR_FAIL("openat2 (Linux 5.6, and a container that permits it)");
    }
  }

  // A path in guest memory and its length, as every path function takes them.
  struct Path {
    Address address;
    std::uint32_t length;
  };
  Path path(std::string_view text) { return {put(text), length(text)}; }

  Errno make_directory(std::string_view text) {
    const Path p = path(text);
    return path_create_directory(call(), root, p.address, p.length);
  }
  Errno remove_directory(std::string_view text) {
    const Path p = path(text);
    return path_remove_directory(call(), root, p.address, p.length);
  }
  Errno unlink(std::string_view text) {
    const Path p = path(text);
    return path_unlink_file(call(), root, p.address, p.length);
  }
  Errno status(std::string_view text, FileStatus& out, std::uint32_t flags = lookup_symlink_follow) {
    const Path p = path(text);
    const Address place = allocate(sizeof(FileStatus));
    const Errno error = path_filestat_get(call(), root, flags, p.address, p.length, place);
    if (error == Errno::Success) out = get<FileStatus>(place);
    return error;
  }
  Errno set_times(std::string_view text, std::uint64_t access, std::uint64_t modification,
                  std::uint32_t flags = lookup_symlink_follow) {
    const Path p = path(text);
    return path_filestat_set_times(call(), root, flags, p.address, p.length, access, modification,
                                   set_access_time | set_modification_time);
  }
  Errno read_link(std::string_view text, std::string& out, std::uint32_t size = 4096) {
    const Path p = path(text);
    const Address buffer = allocate(size);
    const Address used = allocate(4);
    const Errno error = path_readlink(call(), root, p.address, p.length, buffer, size, used);
    out = error == Errno::Success ? FakeGuest::text(buffer, get<std::uint32_t>(used)) : "";
    return error;
  }
  Errno symlink(std::string_view target, std::string_view text) {
    const Path from = path(target);
    const Path to = path(text);
    return path_symlink(call(), from.address, from.length, root, to.address, to.length);
  }
  Errno rename(std::string_view from_text, std::string_view to_text, Fd to_fd = root) {
    const Path from = path(from_text);
    const Path to = path(to_text);
    return path_rename(call(), root, from.address, from.length, to_fd, to.address, to.length);
  }
  Errno link(std::string_view from_text, std::string_view to_text, Fd to_fd = root, std::uint32_t flags = 0) {
    const Path from = path(from_text);
    const Path to = path(to_text);
    return path_link(call(), root, flags, from.address, from.length, to_fd, to.address, to.length);
  }
};

inline std::string lookup_name(const ::testing::TestParamInfo<Lookup>& info) {
  return info.param == Lookup::Kernel ? "Kernel" : "Walk";
}

}  // namespace shunt::wasi
