// Reading, writing and seeking.
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "fake_guest.h"

namespace shunt::wasi {
namespace {

using FdIo = FakeGuest;

TEST_F(FdIo, WritesGatherAndReadsScatter) {
  Fd file = 0;
  ASSERT_EQ(open("f", oflag_create, file), Errno::Success);
  const Address count = allocate(4);
  const Address out = put_iovs({{put("abc"), 3}, {put(""), 0}, {put("defgh"), 5}});
  ASSERT_EQ(fd_write(call(), file, out, 3, count), Errno::Success);
  EXPECT_EQ(get<std::uint32_t>(count), 8u);
  EXPECT_EQ(read_file(sandbox_ / "f"), "abcdefgh");

  const Address place = allocate(8);
  ASSERT_EQ(fd_seek(call(), file, 1, 0, place), Errno::Success);
  const Address first = allocate(8);
  const Address second = allocate(16);
  const Address in = put_iovs({{first, 2}, {second, 16}});
  ASSERT_EQ(fd_read(call(), file, in, 2, count), Errno::Success);
  EXPECT_EQ(get<std::uint32_t>(count), 7u);
  EXPECT_EQ(text(first, 3), std::string("bc\0", 3));
  EXPECT_EQ(text(second, 6), std::string("defgh\0", 6));
}

TEST_F(FdIo, ReadsOfStreamsGiveWhatIsThereAndZeroAtTheEnd) {
  ASSERT_EQ(::write(outer_[0].get(), "hello", 5), 5);
  std::string got;
  ASSERT_EQ(read(0, 3, got), Errno::Success);
  EXPECT_EQ(got, "hel");
  ASSERT_EQ(read(0, 10, got), Errno::Success);
  EXPECT_EQ(got, "lo");
  outer_[0] = {};
  ASSERT_EQ(read(0, 10, got), Errno::Success);
  EXPECT_EQ(got, "");
}

TEST_F(FdIo, StandardOutputArrivesAtOnce) {
  std::uint32_t count = 0;
  ASSERT_EQ(write(1, "to out", &count), Errno::Success);
  EXPECT_EQ(count, 6u);
  char got[8];
  ASSERT_EQ(::read(outer_[1].get(), got, sizeof(got)), 6);
  EXPECT_EQ(std::string_view(got, 6), "to out");
}

TEST_F(FdIo, ABufferOutsideOfTheMemoryIsAFaultAndWritesNothing) {
  Fd file = 0;
  ASSERT_EQ(open("f", oflag_create, file), Errno::Success);
  const Address count = allocate(4);
  const Address inside = put("abc");
  EXPECT_EQ(fd_write(call(), file, put_iovs({{inside, 3}, {memory_size - 2, 3}}), 2, count), Errno::Fault);
  EXPECT_EQ(fd_write(call(), file, put_iovs({{0xffffffff, 1}}), 1, count), Errno::Fault);
  EXPECT_EQ(fd_write(call(), file, put_iovs({{8, 0xffffffff}}), 1, count), Errno::Fault);
  EXPECT_EQ(fd_write(call(), file, memory_size - 4, 1, count), Errno::Fault);  // the array itself
  EXPECT_EQ(fd_write(call(), file, 0, 0xffffffff, count), Errno::Fault);
  EXPECT_EQ(fd_write(call(), file, 8, 0x20000000, count), Errno::Fault);  // 2^29 entries: 2^32 bytes
  EXPECT_EQ(fd_read(call(), file, put_iovs({{inside, 3}, {outside, 1}}), 2, count), Errno::Fault);
  EXPECT_EQ(read_file(sandbox_ / "f"), "");
}

TEST_F(FdIo, AResultThatCannotBeWrittenIsAFaultBeforeAnyByteMoves) {
  ASSERT_EQ(::write(outer_[0].get(), "x", 1), 1);
  const Address buffer = allocate(8);
  const Address iovs = put_iovs({{buffer, 1}});
  EXPECT_EQ(fd_read(call(), 0, iovs, 1, memory_size - 3), Errno::Fault);
  EXPECT_EQ(fd_write(call(), 1, iovs, 1, outside), Errno::Fault);
  std::string got;
  ASSERT_EQ(read(0, 8, got), Errno::Success);
  EXPECT_EQ(got, "x");
}

TEST_F(FdIo, LengthsWhoseSumExceeds32BitsAreInvalid) {
  // A memory of 4 GiB of which nothing is touched.
  constexpr std::size_t size = std::size_t{1} << 32;
  void* reserved = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  ASSERT_NE(reserved, MAP_FAILED);
  const GuestMemory large(std::span(static_cast<std::uint8_t*>(reserved), size));
  ASSERT_TRUE(large.store(64, IoVector{0, 0x80000000}));
  ASSERT_TRUE(large.store(72, IoVector{0, 0x80000000}));
  EXPECT_EQ(fd_write({system_, large}, 1, 64, 2, 32), Errno::Inval);
  EXPECT_EQ(fd_read({system_, large}, 0, 64, 2, 32), Errno::Inval);
  ::munmap(reserved, size);
}

TEST_F(FdIo, MoreBuffersThanTheHostTakesAreAShortCount) {
  Fd file = 0;
  ASSERT_EQ(open("f", oflag_create, file), Errno::Success);
  const Address byte = put("x");
  constexpr std::uint32_t buffers = 3 * IOV_MAX;
  const Address iovs = allocate(buffers * sizeof(IoVector));
  for (std::uint32_t i = 0; i < buffers; ++i) {
    // Empty buffers do not count, so the first IOV_MAX full ones end at the middle of the array.
    ASSERT_TRUE(memory().store(iovs + i * sizeof(IoVector), IoVector{byte, i % 2}));
  }
  const Address count = allocate(4);
  ASSERT_EQ(fd_write(call(), file, iovs, buffers, count), Errno::Success);
  EXPECT_EQ(get<std::uint32_t>(count), static_cast<std::uint32_t>(IOV_MAX));
  ASSERT_EQ(fd_write(call(), file, iovs, 2 * IOV_MAX, count), Errno::Success);
  EXPECT_EQ(get<std::uint32_t>(count), static_cast<std::uint32_t>(IOV_MAX));
}

TEST_F(FdIo, NoBuffersMoveNothing) {
  const Address count = put_value<std::uint32_t>(77);
  EXPECT_EQ(fd_write(call(), 1, outside, 0, count), Errno::Success);
  EXPECT_EQ(get<std::uint32_t>(count), 0u);
}

TEST_F(FdIo, PositionedAccessLeavesThePosition) {
  write_file(sandbox_ / "f", "0123456789");
  Fd file = 0;
  ASSERT_EQ(open("f", 0, file), Errno::Success);
  const Address buffer = allocate(8);
  const Address iovs = put_iovs({{buffer, 4}});
  const Address count = allocate(4);
  ASSERT_EQ(fd_pread(call(), file, iovs, 1, 8, count), Errno::Success);
  EXPECT_EQ(get<std::uint32_t>(count), 2u);
  EXPECT_EQ(text(buffer, 2), "89");
  ASSERT_EQ(fd_pwrite(call(), file, put_iovs({{put("XY"), 2}}), 1, 3, count), Errno::Success);
  EXPECT_EQ(read_file(sandbox_ / "f"), "012XY56789");
  const Address place = allocate(8);
  ASSERT_EQ(fd_tell(call(), file, place), Errno::Success);
  EXPECT_EQ(get<std::uint64_t>(place), 0u);
  ASSERT_EQ(fd_pread(call(), file, iovs, 1, 100, count), Errno::Success);
  EXPECT_EQ(get<std::uint32_t>(count), 0u);
  EXPECT_EQ(fd_pread(call(), file, iovs, 1, std::uint64_t{1} << 63, count), Errno::Inval);
  EXPECT_EQ(fd_pwrite(call(), file, iovs, 1, UINT64_MAX, count), Errno::Inval);
}

TEST_F(FdIo, SeekKnowsItsOriginsAndLimits) {
  write_file(sandbox_ / "f", "0123456789");
  Fd file = 0;
  ASSERT_EQ(open("f", 0, file), Errno::Success);
  const Address place = allocate(8);
  const auto seek = [&](std::int64_t offset, Whence whence) {
    return fd_seek(call(), file, static_cast<std::uint64_t>(offset), static_cast<std::uint32_t>(whence), place);
  };
  ASSERT_EQ(seek(-3, Whence::End), Errno::Success);
  EXPECT_EQ(get<std::uint64_t>(place), 7u);
  ASSERT_EQ(seek(-2, Whence::Current), Errno::Success);
  EXPECT_EQ(get<std::uint64_t>(place), 5u);
  ASSERT_EQ(seek(std::int64_t{5} << 32, Whence::Set), Errno::Success);
  EXPECT_EQ(get<std::uint64_t>(place), std::uint64_t{5} << 32);
  EXPECT_EQ(seek(-1, Whence::Set), Errno::Inval);
  EXPECT_EQ(fd_seek(call(), file, 0, 3, place), Errno::Inval);
  EXPECT_EQ(fd_seek(call(), file, 0, 256, place), Errno::Inval);  // no truncation to 8 bits
  EXPECT_EQ(fd_seek(call(), file, 0, 0, memory_size - 7), Errno::Fault);
  EXPECT_EQ(fd_seek(call(), 0, 0, 1, place), Errno::NotCapable);  // a pipe
}

TEST_F(FdIo, ClosedAndUnknownDescriptorsAreBad) {
  Fd file = 0;
  ASSERT_EQ(open("f", oflag_create, file), Errno::Success);
  ASSERT_EQ(fd_close(call(), file), Errno::Success);
  const Address place = allocate(16);
  for (const Fd fd : {file, Fd{1000}, Fd{0xffffffff}}) {
    EXPECT_EQ(fd_read(call(), fd, place, 0, place), Errno::BadF);
    EXPECT_EQ(fd_write(call(), fd, place, 0, place), Errno::BadF);
    EXPECT_EQ(fd_pread(call(), fd, place, 0, 0, place), Errno::BadF);
    EXPECT_EQ(fd_pwrite(call(), fd, place, 0, 0, place), Errno::BadF);
    EXPECT_EQ(fd_seek(call(), fd, 0, 0, place), Errno::BadF);
    EXPECT_EQ(fd_tell(call(), fd, place), Errno::BadF);
  }
}

TEST_F(FdIo, AccessFollowsTheRights) {
  write_file(sandbox_ / "f", "text");
  Fd reader = 0;
  Fd writer = 0;
  ASSERT_EQ(open("f", 0, reader, 0, rights::fd_read), Errno::Success);
  ASSERT_EQ(open("f", 0, writer, 0, rights::fd_write), Errno::Success);
  std::string got;
  EXPECT_EQ(read(writer, 4, got), Errno::NotCapable);
  EXPECT_EQ(write(reader, "x"), Errno::NotCapable);
  EXPECT_EQ(read(reader, 4, got), Errno::Success);
  EXPECT_EQ(got, "text");
  EXPECT_EQ(write(writer, "T"), Errno::Success);
  const Address place = allocate(8);
  EXPECT_EQ(fd_seek(call(), reader, 0, 0, place), Errno::NotCapable);
  EXPECT_EQ(read(root, 4, got), Errno::NotCapable);
}

TEST_F(FdIo, TheHostsOwnAccessModeHoldsToo) {
  std::string got;
  EXPECT_EQ(read(1, 4, got), Errno::BadF);  // the writing end of a pipe
  EXPECT_EQ(write(0, "x"), Errno::BadF);
}

TEST_F(FdIo, NonblockingReadOfABorrowedStreamLeavesTheHostsFlagAlone) {
  ASSERT_EQ(fd_fdstat_set_flags(call(), 0, fdflag_nonblock), Errno::Success);
  std::string got;
  EXPECT_EQ(read(0, 4, got), Errno::Again);
  EXPECT_EQ(::fcntl(inner_[0].get(), F_GETFL) & O_NONBLOCK, 0);
  ASSERT_EQ(::write(outer_[0].get(), "ab", 2), 2);
  EXPECT_EQ(read(0, 4, got), Errno::Success);
  EXPECT_EQ(got, "ab");
  outer_[0] = {};
  EXPECT_EQ(read(0, 4, got), Errno::Success);  // the end is no reason to wait
  EXPECT_EQ(got, "");
}

TEST_F(FdIo, AWriteThatNobodyCanReadIsAnErrorAndNoSignal) {
  outer_[1] = {};
  EXPECT_EQ(write(1, "x"), Errno::Pipe);  // SIGPIPE would have ended the test
  sigset_t pending;
  sigpending(&pending);
  EXPECT_EQ(sigismember(&pending, SIGPIPE), 0);
  sigset_t blocked;
  pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
  EXPECT_EQ(sigismember(&blocked, SIGPIPE), 0);
}

TEST_F(FdIo, AFileSizeLimitOfTheHostIsAnErrorAndNoSignal) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit limited = before;
  limited.rlim_cur = 4;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limited), 0);
  Fd file = 0;
  const Errno opened = open("f", oflag_create, file);
  std::uint32_t count = 0;
  const Errno first = write(file, "123456", &count);
  const Errno second = write(file, "7");
  const Errno resized = fd_filestat_set_size(call(), file, 100);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_EQ(opened, Errno::Success);
  EXPECT_EQ(first, Errno::Success);
  EXPECT_EQ(count, 4u);
  EXPECT_EQ(second, Errno::FBig);
  EXPECT_EQ(resized, Errno::FBig);
}

TEST_F(FdIo, AReadGoesOnAfterASignal) {
  struct sigaction action{};
  struct sigaction before{};
  static std::atomic<int> handled{0};
  action.sa_handler = [](int) { handled.fetch_add(1); };  // without SA_RESTART: system calls end with EINTR
  ASSERT_EQ(::sigaction(SIGUSR1, &action, &before), 0);
  std::string got;
  Errno error = Errno::Io;
  std::atomic<bool> started{false};
  std::thread reader([&] {
    started = true;
    error = read(0, 4, got);
  });
  while (!started) std::this_thread::yield();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // into the system call
  ASSERT_EQ(::pthread_kill(reader.native_handle(), SIGUSR1), 0);
  while (handled == 0) std::this_thread::yield();
  ASSERT_EQ(::write(outer_[0].get(), "done", 4), 4);
  reader.join();
  ::sigaction(SIGUSR1, &before, nullptr);
  EXPECT_EQ(error, Errno::Success);
  EXPECT_EQ(got, "done");
}

}  // namespace
}  // namespace shunt::wasi
