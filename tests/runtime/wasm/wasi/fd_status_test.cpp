// What descriptors are and may do: status, rights, sizes, times, numbers.
#include <sys/stat.h>

#include "fake_guest.h"

namespace shunt::wasi {
namespace {

using FdStatus = FakeGuest;

TEST_F(FdStatus, StatusTellsTypeFlagsAndRights) {
  Fd file = 0;
  ASSERT_EQ(open("f", oflag_create, file, 0, all_rights, fdflag_append | fdflag_nonblock), Errno::Success);
  const Address place = allocate(24);
  ASSERT_EQ(fd_fdstat_get(call(), file, place), Errno::Success);
  auto status = get<DescriptorStatus>(place);
  EXPECT_EQ(status.type, FileType::RegularFile);
  EXPECT_EQ(status.flags, fdflag_append | fdflag_nonblock);
  EXPECT_EQ(status.rights_base, file_rights);
  EXPECT_EQ(status.rights_inheriting, 0u);

  ASSERT_EQ(fd_fdstat_get(call(), root, place), Errno::Success);
  status = get<DescriptorStatus>(place);
  EXPECT_EQ(status.type, FileType::Directory);
  EXPECT_EQ(status.rights_base, directory_rights);
  EXPECT_EQ(status.rights_inheriting, all_rights);

  ASSERT_EQ(fd_fdstat_get(call(), 0, place), Errno::Success);
  status = get<DescriptorStatus>(place);
  EXPECT_EQ(status.type, FileType::Unknown);  // a pipe
  EXPECT_EQ(status.rights_base & (rights::fd_seek | rights::fd_tell), 0u);

  EXPECT_EQ(fd_fdstat_get(call(), 99, place), Errno::BadF);
  EXPECT_EQ(fd_fdstat_get(call(), file, memory_size - 23), Errno::Fault);
}

TEST_F(FdStatus, ATerminalCanNotSeekAndADeviceThatIsNoneCan) {
  const int terminal = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  ASSERT_GE(terminal, 0);
  const Fd tty = add(HostFd::owned(terminal), all_rights, 0);
  const Fd null = add(HostFd::owned(::open("/dev/null", O_RDWR | O_CLOEXEC)), all_rights, 0);
  const Address place = allocate(24);
  ASSERT_EQ(fd_fdstat_get(call(), tty, place), Errno::Success);
  auto status = get<DescriptorStatus>(place);
  EXPECT_EQ(status.type, FileType::CharacterDevice);
  EXPECT_EQ(status.rights_base & (rights::fd_seek | rights::fd_tell), 0u);
  ASSERT_EQ(fd_fdstat_get(call(), null, place), Errno::Success);
  status = get<DescriptorStatus>(place);
  EXPECT_EQ(status.type, FileType::CharacterDevice);
  EXPECT_NE(status.rights_base & rights::fd_seek, 0u);
}

TEST_F(FdStatus, FlagsThatLinuxCanChangeAreChanged) {
  Fd file = 0;
  ASSERT_EQ(open("f", oflag_create, file), Errno::Success);
  const int host = system_.descriptors.find(file)->host.get();
  ASSERT_EQ(write(file, "one"), Errno::Success);
  ASSERT_EQ(fd_fdstat_set_flags(call(), file, fdflag_append), Errno::Success);
  EXPECT_NE(::fcntl(host, F_GETFL) & O_APPEND, 0);
  const Address place = allocate(8);
  ASSERT_EQ(fd_seek(call(), file, 0, 0, place), Errno::Success);
  ASSERT_EQ(write(file, "two"), Errno::Success);
  EXPECT_EQ(read_file(sandbox_ / "f"), "onetwo");
  ASSERT_EQ(fd_fdstat_set_flags(call(), file, 0), Errno::Success);
  EXPECT_EQ(::fcntl(host, F_GETFL) & O_APPEND, 0);
  EXPECT_EQ(fd_fdstat_set_flags(call(), file, fdflag_sync), Errno::NotSup);
  EXPECT_EQ(fd_fdstat_set_flags(call(), file, 1u << 5), Errno::Inval);
  EXPECT_EQ(fd_fdstat_set_flags(call(), file, 1u << 16), Errno::Inval);
  EXPECT_EQ(fd_fdstat_set_flags(call(), 1, fdflag_append), Errno::NotSup);  // borrowed: shared with its owner
}

TEST_F(FdStatus, RightsOnlyShrink) {
  Fd file = 0;
  ASSERT_EQ(open("f", oflag_create, file), Errno::Success);
  ASSERT_EQ(fd_fdstat_set_rights(call(), file, rights::fd_read, 0), Errno::Success);
  EXPECT_EQ(write(file, "x"), Errno::NotCapable);
  EXPECT_EQ(fd_fdstat_set_rights(call(), file, rights::fd_read | rights::fd_write, 0), Errno::NotCapable);
  EXPECT_EQ(fd_fdstat_set_rights(call(), file, rights::fd_read, rights::fd_read), Errno::NotCapable);
  EXPECT_EQ(fd_fdstat_set_rights(call(), file, UINT64_MAX, 0), Errno::NotCapable);
  EXPECT_EQ(fd_fdstat_set_rights(call(), 99, 0, 0), Errno::BadF);
}

TEST_F(FdStatus, WhatADirectoryDoesNotPassOnCannotBeOpened) {
  write_file(sandbox_ / "f", "");
  ASSERT_EQ(fd_fdstat_set_rights(call(), root, directory_rights, rights::fd_read), Errno::Success);
  const Address opened = allocate(4);
  const Address path = put("f");
  EXPECT_EQ(path_open(call(), root, 0, path, 1, 0, rights::fd_read | rights::fd_write, 0, 0, opened),
            Errno::NotCapable);
  EXPECT_EQ(path_open(call(), root, 0, path, 1, 0, rights::fd_read, rights::fd_write, 0, opened), Errno::NotCapable);
  EXPECT_EQ(path_open(call(), root, 0, path, 1, 0, rights::fd_read, 0, 0, opened), Errno::Success);
}

TEST_F(FdStatus, FileStatusIsTheHosts) {
  write_file(sandbox_ / "f", "12345");
  Fd file = 0;
  ASSERT_EQ(open("f", 0, file), Errno::Success);
  const Address place = allocate(64);
  ASSERT_EQ(fd_filestat_get(call(), file, place), Errno::Success);
  const auto status = get<FileStatus>(place);
  struct stat host{};
  ASSERT_EQ(::stat((sandbox_ / "f").c_str(), &host), 0);
  EXPECT_EQ(status.inode, host.st_ino);
  EXPECT_EQ(status.device, host.st_dev);
  EXPECT_EQ(status.size, 5u);
  EXPECT_EQ(status.links, 1u);
  EXPECT_EQ(status.type, FileType::RegularFile);
  EXPECT_EQ(status.modification_time, static_cast<std::uint64_t>(host.st_mtim.tv_sec) * 1'000'000'000u +
                                          static_cast<std::uint64_t>(host.st_mtim.tv_nsec));
  EXPECT_EQ(fd_filestat_get(call(), file, memory_size - 63), Errno::Fault);
}

TEST_F(FdStatus, SizeGrowsWithZerosAndShrinks) {
  write_file(sandbox_ / "f", "12345");
  Fd file = 0;
  ASSERT_EQ(open("f", 0, file), Errno::Success);
  ASSERT_EQ(fd_filestat_set_size(call(), file, 7), Errno::Success);
  EXPECT_EQ(read_file(sandbox_ / "f"), std::string("12345\0\0", 7));
  ASSERT_EQ(fd_filestat_set_size(call(), file, 2), Errno::Success);
  EXPECT_EQ(read_file(sandbox_ / "f"), "12");
  EXPECT_EQ(fd_filestat_set_size(call(), file, UINT64_MAX), Errno::FBig);
  Fd reader = 0;
  ASSERT_EQ(open_to_read("f", reader), Errno::Success);
  EXPECT_EQ(fd_filestat_set_size(call(), reader, 0), Errno::NotCapable);
}

TEST_F(FdStatus, AllocateReservesAndRefusesNonsense) {
  Fd file = 0;
  ASSERT_EQ(open("f", oflag_create, file), Errno::Success);
  ASSERT_EQ(fd_allocate(call(), file, 0, 4096), Errno::Success);
  EXPECT_EQ(std::filesystem::file_size(sandbox_ / "f"), 4096u);
  EXPECT_EQ(fd_allocate(call(), file, 0, 0), Errno::Inval);
  EXPECT_EQ(fd_allocate(call(), file, UINT64_MAX, 1), Errno::FBig);
  EXPECT_EQ(fd_allocate(call(), file, INT64_MAX, INT64_MAX), Errno::FBig);
}

TEST_F(FdStatus, AdviceIsTakenForFiles) {
  Fd file = 0;
  ASSERT_EQ(open("f", oflag_create, file), Errno::Success);
  for (std::uint32_t advice = 0; advice < 6; ++advice) EXPECT_EQ(fd_advise(call(), file, 0, 0, advice), Errno::Success);
  EXPECT_EQ(fd_advise(call(), file, 0, 0, 6), Errno::Inval);
  EXPECT_EQ(fd_advise(call(), file, UINT64_MAX, 0, 0), Errno::Inval);
  EXPECT_EQ(fd_advise(call(), 0, 0, 0, 0), Errno::NotCapable);
}

TEST_F(FdStatus, TimesAreSetAsGivenAndAsNow) {
  write_file(sandbox_ / "f", "");
  Fd file = 0;
  ASSERT_EQ(open("f", 0, file), Errno::Success);
  constexpr std::uint64_t given = 1'234'567'890'123'456'789u;
  ASSERT_EQ(fd_filestat_set_times(call(), file, given, given + 5, set_access_time | set_modification_time),
            Errno::Success);
  struct stat host{};
  ASSERT_EQ(::stat((sandbox_ / "f").c_str(), &host), 0);
  EXPECT_EQ(host.st_atim.tv_sec, 1'234'567'890);
  EXPECT_EQ(host.st_atim.tv_nsec, 123'456'789);
  EXPECT_EQ(host.st_mtim.tv_nsec, 123'456'794);
  ASSERT_EQ(fd_filestat_set_times(call(), file, 0, 0, set_modification_time_now), Errno::Success);
  ASSERT_EQ(::stat((sandbox_ / "f").c_str(), &host), 0);
  EXPECT_EQ(host.st_atim.tv_sec, 1'234'567'890);  // left alone
  EXPECT_NEAR(static_cast<double>(host.st_mtim.tv_sec), static_cast<double>(::time(nullptr)), 2.0);
  EXPECT_EQ(fd_filestat_set_times(call(), file, 0, 0, set_access_time | set_access_time_now), Errno::Inval);
  EXPECT_EQ(fd_filestat_set_times(call(), file, 0, 0, set_modification_time | set_modification_time_now), Errno::Inval);
  EXPECT_EQ(fd_filestat_set_times(call(), file, 0, 0, 1u << 4), Errno::Inval);
}

TEST_F(FdStatus, SyncSucceedsOnFiles) {
  Fd file = 0;
  ASSERT_EQ(open("f", oflag_create, file), Errno::Success);
  EXPECT_EQ(fd_sync(call(), file), Errno::Success);
  EXPECT_EQ(fd_datasync(call(), file), Errno::Success);
  EXPECT_EQ(fd_sync(call(), 99), Errno::BadF);
  EXPECT_EQ(fd_datasync(call(), 99), Errno::BadF);
}

TEST_F(FdStatus, OpenedDirectoriesTellTheirNames) {
  const Address place = allocate(8);
  ASSERT_EQ(fd_prestat_get(call(), root, place), Errno::Success);
  const auto prestat = get<Prestat>(place);
  EXPECT_EQ(prestat.tag, 0);
  ASSERT_EQ(prestat.name_length, 6u);
  const Address name = allocate(8);
  ASSERT_EQ(fd_prestat_dir_name(call(), root, name, 6), Errno::Success);
  EXPECT_EQ(text(name, 7), std::string("/guest\0", 7));
  EXPECT_EQ(fd_prestat_dir_name(call(), root, name, 5), Errno::NameTooLong);
  EXPECT_EQ(fd_prestat_dir_name(call(), root, memory_size - 5, 6), Errno::Fault);
  EXPECT_EQ(fd_prestat_get(call(), root, memory_size - 7), Errno::Fault);
}

TEST_F(FdStatus, OtherDescriptorsAreNoPreopens) {
  // wasi-libc asks from 3 upwards and stops at BadF.
  const Address place = allocate(8);
  EXPECT_EQ(fd_prestat_get(call(), 0, place), Errno::BadF);
  EXPECT_EQ(fd_prestat_get(call(), root + 1, place), Errno::BadF);
  EXPECT_EQ(fd_prestat_dir_name(call(), 0, place, 8), Errno::BadF);
}

TEST_F(FdStatus, NumbersAreTheLowestFree) {
  Fd first = 0;
  Fd second = 0;
  ASSERT_EQ(open("a", oflag_create, first), Errno::Success);
  ASSERT_EQ(open("b", oflag_create, second), Errno::Success);
  EXPECT_EQ(first, root + 1);
  EXPECT_EQ(second, root + 2);
  ASSERT_EQ(fd_close(call(), first), Errno::Success);
  Fd third = 0;
  ASSERT_EQ(open("c", oflag_create, third), Errno::Success);
  EXPECT_EQ(third, first);
}

TEST_F(FdStatus, AGuestCanNotUseUpTheHostsDescriptors) {
  Fd fd = 0;
  for (int i = 4; i < 16; ++i) ASSERT_EQ(open("f", oflag_create, fd), Errno::Success);
  EXPECT_EQ(open("g", oflag_create, fd), Errno::MFile);
  EXPECT_FALSE(std::filesystem::exists(sandbox_ / "g"));
  ASSERT_EQ(fd_close(call(), fd), Errno::Success);
  EXPECT_EQ(open("g", oflag_create, fd), Errno::Success);
}

TEST_F(FdStatus, RenumberMovesAndCloses) {
  Fd first = 0;
  Fd second = 0;
  ASSERT_EQ(open("a", oflag_create, first), Errno::Success);
  ASSERT_EQ(open("b", oflag_create, second), Errno::Success);
  ASSERT_EQ(fd_renumber(call(), first, second), Errno::Success);
  EXPECT_EQ(fd_close(call(), first), Errno::BadF);
  ASSERT_EQ(write(second, "x"), Errno::Success);
  EXPECT_EQ(read_file(sandbox_ / "a"), "x");
  EXPECT_EQ(fd_renumber(call(), second, second), Errno::Success);
  EXPECT_EQ(fd_renumber(call(), second, 0xffffffff), Errno::BadF);
  EXPECT_EQ(fd_renumber(call(), 99, second), Errno::BadF);
  EXPECT_EQ(write(second, "y"), Errno::Success);
}

TEST_F(FdStatus, ClosingAStreamLeavesTheHostsOpen) {
  const int host = inner_[1].get();
  ASSERT_EQ(fd_close(call(), 1), Errno::Success);
  EXPECT_EQ(write(1, "x"), Errno::BadF);
  EXPECT_GE(::fcntl(host, F_GETFD), 0);
}

TEST_F(FdStatus, DescriptorsAreClosedWithTheirTable) {
  int host = -1;
  {
    DescriptorTable table(4);
    Descriptor descriptor;
    host = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    ASSERT_EQ(describe(HostFd::owned(host), all_rights, 0, descriptor), Errno::Success);
    ASSERT_TRUE(table.insert(std::move(descriptor)).has_value());
    EXPECT_GE(::fcntl(host, F_GETFD), 0);
  }
  EXPECT_EQ(::fcntl(host, F_GETFD), -1);
}

}  // namespace
}  // namespace shunt::wasi
