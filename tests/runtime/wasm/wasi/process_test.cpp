// Arguments, environment, clocks, random, exit, sockets.
#include <sys/socket.h>
#include <time.h>

#include <set>

#include "fake_guest.h"

namespace shunt::wasi {
namespace {

using Process = FakeGuest;

TEST_F(Process, ArgumentsArriveInOrderWithTheirZeros) {
  system_.arguments = {"program", "", "two words"};
  const Address count = allocate(4);
  const Address size = allocate(4);
  ASSERT_EQ(args_sizes_get(call(), count, size), Errno::Success);
  EXPECT_EQ(get<std::uint32_t>(count), 3u);
  ASSERT_EQ(get<std::uint32_t>(size), 8u + 1u + 10u);

  const Address pointers = allocate(12);
  const Address strings = allocate(19);
  ASSERT_EQ(args_get(call(), pointers, strings), Errno::Success);
  EXPECT_EQ(get<Address>(pointers), strings);
  EXPECT_EQ(get<Address>(pointers + 4), strings + 8);
  EXPECT_EQ(get<Address>(pointers + 8), strings + 9);
  EXPECT_EQ(text(strings, 19), std::string("program\0\0two words\0", 19));
}

TEST_F(Process, EnvironmentIsItsOwnList) {
  system_.arguments = {"a"};
  system_.environment = {"HOME=/", "X="};
  const Address count = allocate(4);
  const Address size = allocate(4);
  ASSERT_EQ(environ_sizes_get(call(), count, size), Errno::Success);
  EXPECT_EQ(get<std::uint32_t>(count), 2u);
  EXPECT_EQ(get<std::uint32_t>(size), 7u + 3u);
  const Address pointers = allocate(8);
  const Address strings = allocate(10);
  ASSERT_EQ(environ_get(call(), pointers, strings), Errno::Success);
  EXPECT_EQ(text(strings, 10), std::string("HOME=/\0X=\0", 10));
}

TEST_F(Process, NoArgumentsNeedNoRoom) {
  EXPECT_EQ(args_get(call(), outside, outside), Errno::Success);
}

TEST_F(Process, ArgumentsThatDoNotFitInTheMemoryAreAFault) {
  system_.arguments = {"12345678"};
  const Address place = allocate(16);
  EXPECT_EQ(args_sizes_get(call(), place, straddling), Errno::Fault);
  EXPECT_EQ(args_sizes_get(call(), straddling, place), Errno::Fault);
  EXPECT_EQ(args_get(call(), straddling, place), Errno::Fault);
  EXPECT_EQ(args_get(call(), place, memory_size - 8), Errno::Fault);
  EXPECT_EQ(args_get(call(), place, 0xffffffff), Errno::Fault);
  EXPECT_EQ(args_get(call(), place, memory_size - 9), Errno::Success);
}

TEST_F(Process, ClocksRunForward) {
  const Address time = allocate(8);
  for (const ClockId id : {ClockId::Realtime, ClockId::Monotonic, ClockId::ProcessCpuTime, ClockId::ThreadCpuTime}) {
    const auto number = static_cast<std::uint32_t>(id);
    ASSERT_EQ(clock_time_get(call(), number, 1, time), Errno::Success);
    const auto first = get<std::uint64_t>(time);
    ASSERT_EQ(clock_time_get(call(), number, 1, time), Errno::Success);
    EXPECT_GE(get<std::uint64_t>(time), first) << number;
    EXPECT_GT(first, 0u) << number;
    ASSERT_EQ(clock_res_get(call(), number, time), Errno::Success);
    EXPECT_GT(get<std::uint64_t>(time), 0u) << number;
  }
}

TEST_F(Process, RealtimeCountsNanosecondsSince1970) {
  const Address time = allocate(8);
  ASSERT_EQ(clock_time_get(call(), 0, 0, time), Errno::Success);
  EXPECT_NEAR(static_cast<double>(get<std::uint64_t>(time)) / 1e9, static_cast<double>(::time(nullptr)), 2.0);
}

TEST_F(Process, ClocksCheckTheirArguments) {
  const Address time = allocate(8);
  EXPECT_EQ(clock_time_get(call(), 4, 0, time), Errno::Inval);
  EXPECT_EQ(clock_res_get(call(), 0xffffffff, time), Errno::Inval);
  EXPECT_EQ(clock_time_get(call(), 0, 0, memory_size - 7), Errno::Fault);
  EXPECT_EQ(clock_res_get(call(), 0, outside), Errno::Fault);
}

TEST_F(Process, RandomFillsExactlyTheBuffer) {
  const Address buffer = allocate(1024);
  const Address behind = put_value<std::uint64_t>(0);
  ASSERT_EQ(random_get(call(), buffer, 1024), Errno::Success);
  std::set<std::uint64_t> words;
  for (Address place = buffer; place < buffer + 1024; place += 8) words.insert(get<std::uint64_t>(place));
  EXPECT_EQ(words.size(), 128u) << "128 random words of 64 bits, two of them equal";
  EXPECT_EQ(get<std::uint64_t>(behind), 0u);
}

TEST_F(Process, RandomChecksItsBuffer) {
  EXPECT_EQ(random_get(call(), memory_size - 4, 5), Errno::Fault);
  EXPECT_EQ(random_get(call(), 0, 0xffffffff), Errno::Fault);
  EXPECT_EQ(random_get(call(), outside, 0), Errno::Success);
}

TEST_F(Process, ExitKeepsTheStatus) {
  EXPECT_FALSE(system_.exit_status.has_value());
  proc_exit(call(), 42);
  EXPECT_EQ(system_.exit_status, 42u);
}

TEST_F(Process, SignalsDoWhatTheirDefaultIs) {
  EXPECT_EQ(proc_raise(call(), 0), Errno::Success);
  EXPECT_EQ(proc_raise(call(), 16), Errno::Success);  // chld
  EXPECT_EQ(proc_raise(call(), 18), Errno::NotSup);   // stop
  EXPECT_EQ(proc_raise(call(), 31), Errno::Inval);
  EXPECT_FALSE(system_.exit_status.has_value());
  EXPECT_EQ(proc_raise(call(), 6), Errno::Success);  // abrt
  EXPECT_EQ(system_.exit_status, 134u);
}

TEST_F(Process, YieldSucceeds) {
  EXPECT_EQ(sched_yield(call()), Errno::Success);
}

TEST_F(Process, SocketFunctionsSayWhatIsMissing) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const HostFd other = HostFd::owned(ends[1]);
  const Fd socket = add(HostFd::owned(ends[0]), all_rights, 0);
  const Address place = allocate(16);
  EXPECT_EQ(sock_accept(call(), socket, 0, place), Errno::NotSup);
  EXPECT_EQ(sock_recv(call(), socket, place, 0, 0, place, place), Errno::NotSup);
  EXPECT_EQ(sock_send(call(), socket, place, 0, 0, place), Errno::NotSup);
  EXPECT_EQ(sock_shutdown(call(), socket, 1), Errno::NotSup);
  EXPECT_EQ(sock_shutdown(call(), root, 1), Errno::NotSock);
  EXPECT_EQ(sock_accept(call(), 99, 0, place), Errno::BadF);
}

}  // namespace
}  // namespace shunt::wasi
