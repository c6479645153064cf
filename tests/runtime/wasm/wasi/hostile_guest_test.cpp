// A guest that calls everything with anything: no call may leave its memory or its directory, whatever it returns.
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <iostream>
#include <random>

#include "fake_guest.h"
#include "runtime/wasm/wasi/binding.h"

namespace shunt::wasi {
namespace {

using runtime::Value;
using runtime::ValueType;

class HostileGuest : public FakeGuest {
 protected:
  HostileGuest() {
    // What it allocates stays small: the limit holds for files that are opened from now on.
    EXPECT_EQ(::getrlimit(RLIMIT_FSIZE, &before_), 0);
    rlimit limited = before_;
    limited.rlim_cur = 1 << 20;
    EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &limited), 0);
    write_file(temporary_.path() / "secret", "secret");
    for (HostFd& end : outer_) end = {};  // reading ends at once, writing fails
  }
  ~HostileGuest() override { ::setrlimit(RLIMIT_FSIZE, &before_); }

  // What it closed or gave up is there again.
  void reopen() {
    system_.descriptors = DescriptorTable(16);
    for (const HostFd& stream : inner_) add(HostFd::borrowed(stream.get()), all_rights, 0);
    ASSERT_EQ(add_directory(sandbox_, "/guest"), root);
  }

  // Bytes that are often paths, small numbers and pointers into the memory.
  void fill_memory() {
    static constexpr std::string_view alphabet("abc/..\0\0\1\2\3\4", 12);
    const std::span<std::uint8_t> bytes = memory().view(0, memory_size).value();
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(alphabet[random_() % alphabet.size()]);
  }

  std::uint64_t argument(ValueType type) {
    static constexpr std::array<std::uint64_t, 12> limits = {
        0, 1, 3, 4, memory_size - 1, memory_size, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff, 1u << 16, UINT64_MAX};
    std::uint64_t value = 0;
    switch (random_() % 4) {
      case 0:
        value = limits[random_() % limits.size()];
        break;
      case 1:
        value = random_() % memory_size;
        break;
      default:
        value = random_() % 20;
    }
    return type == ValueType::I32 ? static_cast<std::uint32_t>(value) : value;
  }

  void call_one() {
    const Binding& binding = bindings()[random_() % bindings().size()];
    // It may ask to wait for ever.
    if (binding.name == "poll_oneoff") return;
    const runtime::FunctionType type = binding.type();
    std::vector<Value> arguments;
    for (const ValueType parameter : type.params) arguments.push_back({parameter, argument(parameter)});
    // Opened with rights, descriptors are worth more.
    if (binding.name == "path_open") {
      arguments[0] = Value::i32(root);
      arguments[5].bits = arguments[6].bits = random_() % 2 == 0 ? all_rights : rights::fd_read;
    }
    std::vector<Value> results(type.results.size());
    binding.invoke(call(), arguments, results);
    for (const Value& result : results)
      EXPECT_LE(result.bits, static_cast<std::uint64_t>(Errno::NotCapable)) << binding.name;
    ++calls_;
  }

  static constexpr std::uint32_t seed = 20;
  std::mt19937 random_{seed};
  rlimit before_{};
  int calls_ = 0;
};

TEST_F(HostileGuest, StaysInItsMemoryAndItsDirectory) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  while (std::chrono::steady_clock::now() < end) {
    fill_memory();
    for (int i = 0; i < 2000; ++i) call_one();
    reopen();
  }
  std::cout << calls_ << " calls, seed " << seed << '\n';
  EXPECT_GT(calls_, 10000);
  EXPECT_EQ(read_file(temporary_.path() / "secret"), "secret");
  EXPECT_EQ(
      std::distance(std::filesystem::directory_iterator(temporary_.path()), std::filesystem::directory_iterator()), 2);
}

}  // namespace
}  // namespace shunt::wasi
