// A guest without code: a memory, a view of the system with one opened directory, and helpers to call WASI functions
// with them.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/wasm/wasi/functions.h"
#include "tests/runtime/wasm/wasi/temporary_directory.h"

namespace shunt::wasi {

inline std::ostream& operator<<(std::ostream& out, Errno error) {
  return out << "errno " << static_cast<int>(error);
}

// The guest's memory is a heap block of exactly its size, so that a sanitizer sees what leaves it.
class FakeGuest : public ::testing::Test {
 protected:
  static constexpr std::uint32_t memory_size = 0x80000;
  static constexpr Fd root = 3;  // the opened directory
  static constexpr Rights all_rights = file_rights | directory_rights;
  static constexpr Address outside = memory_size;         // the first byte behind the memory
  static constexpr Address straddling = memory_size - 1;  // the last byte inside

  explicit FakeGuest(Lookup lookup = available_lookup()) : system_(16, lookup), memory_(memory_size) {
    // Standard streams: a pipe each, whose other ends the tests hold.
    for (int stream = 0; stream < 3; ++stream) {
      int ends[2];
      if (::pipe2(ends, O_CLOEXEC) != 0) ADD_FAILURE() << "pipe2: " << std::strerror(errno);
      const bool input = stream == 0;
      inner_[stream] = HostFd::owned(ends[input ? 0 : 1]);
      outer_[stream] = HostFd::owned(ends[input ? 1 : 0]);
      add(HostFd::borrowed(inner_[stream].get()), all_rights, 0);
    }
    sandbox_ = temporary_.path() / "sandbox";
    std::filesystem::create_directory(sandbox_);
    const Fd opened = add_directory(sandbox_, "/guest");
    EXPECT_EQ(opened, root);
  }

  Fd add(HostFd host, Rights base, Rights inheriting) {
    Descriptor descriptor;
    EXPECT_EQ(describe(std::move(host), base, inheriting, descriptor), Errno::Success);
    return system_.descriptors.insert(std::move(descriptor)).value();
  }

  Fd add_directory(const std::filesystem::path& path, std::string_view guest_path) {
    const int host = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    EXPECT_GE(host, 0) << path;
    const Fd fd = add(HostFd::owned(host), directory_rights, all_rights);
    system_.descriptors.find(fd)->preopen_path = guest_path;
    return fd;
  }

  [[nodiscard]] GuestMemory memory() { return GuestMemory(memory_); }
  [[nodiscard]] Call call() { return {system_, memory()}; }

  // A fresh place in guest memory.
  Address allocate(std::uint32_t size) {
    const Address place = next_;
    next_ += (size + 7) / 8 * 8;
    EXPECT_LE(next_, memory_size) << "the test needs a larger guest memory";
    return place;
  }
  Address put(std::string_view text) {
    const Address place = allocate(static_cast<std::uint32_t>(text.size()) + 1);
    std::memcpy(memory_.data() + place, text.data(), text.size());
    return place;
  }
  template <class T>
  Address put_value(const T& value) {
    const Address place = allocate(sizeof(T));
    EXPECT_TRUE(memory().store(place, value));
    return place;
  }
  template <class T>
  T get(Address place) {
    T value{};
    EXPECT_TRUE(memory().load(place, value));
    return value;
  }
  std::string text(Address place, std::uint32_t length) { return std::string(memory().text(place, length).value()); }

  // An array of buffers.
  Address put_iovs(std::initializer_list<IoVector> vectors) {
    const Address place = allocate(static_cast<std::uint32_t>(vectors.size() * sizeof(IoVector)));
    std::uint64_t next = place;
    for (const IoVector& vector : vectors) {
      EXPECT_TRUE(memory().store(next, vector));
      next += sizeof(IoVector);
    }
    return place;
  }

  // Writes all of `bytes`; gives the count.
  Errno write(Fd fd, std::string_view bytes, std::uint32_t* count = nullptr) {
    const Address iovs = put_iovs({{put(bytes), static_cast<std::uint32_t>(bytes.size())}});
    const Address result = allocate(4);
    const Errno error = fd_write(call(), fd, iovs, 1, result);
    if (count != nullptr) *count = get<std::uint32_t>(result);
    return error;
  }

  // Reads at most `size` bytes with one call.
  Errno read(Fd fd, std::uint32_t size, std::string& bytes) {
    const Address buffer = allocate(size);
    const Address iovs = put_iovs({{buffer, size}});
    const Address result = allocate(4);
    const Errno error = fd_read(call(), fd, iovs, 1, result);
    bytes = error == Errno::Success ? text(buffer, get<std::uint32_t>(result)) : "";
    return error;
  }

  // path_open with all rights that the directory gives on.
  Errno open(std::string_view path, std::uint32_t oflags, Fd& opened, std::uint32_t dirflags = lookup_symlink_follow,
             Rights base = all_rights, std::uint32_t fdflags = 0, Fd directory = root) {
    const Address result = allocate(4);
    const Errno error =
        path_open(call(), directory, dirflags, put(path), length(path), oflags, base, all_rights, fdflags, result);
    if (error == Errno::Success) opened = get<Fd>(result);
    return error;
  }
  // The same for reading only, as open(path, O_RDONLY) does it.
  Errno open_to_read(std::string_view path, Fd& opened, std::uint32_t oflags = 0) {
    return open(path, oflags, opened, lookup_symlink_follow, rights::fd_read | rights::fd_readdir | rights::path_open);
  }

  static std::uint32_t length(std::string_view text) { return static_cast<std::uint32_t>(text.size()); }

  TemporaryDirectory temporary_;
  std::filesystem::path sandbox_;  // inside temporary_, opened for the guest
  System system_;
  std::array<HostFd, 3> inner_, outer_;  // ends of the standard streams' pipes: the guest's, the test's

 private:
  std::vector<std::uint8_t> memory_;
  Address next_ = 64;
};

}  // namespace shunt::wasi
