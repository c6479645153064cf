// The binary interface of WASI preview 1 (wasi_snapshot_preview1): the numbers and memory layouts that guests and hosts
// share. Source: the WebAssembly/WASI repository, phases/snapshot/docs.md.
//
// All records are little-endian with natural alignment, and guest pointers are 32 bits wide, so a record here has the
// same layout as in a guest's memory; hosts are little-endian too. Bytes between members are written as zero.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace shunt::wasi {

static_assert(std::endian::native == std::endian::little, "records are copied to guest memory as they are");

// What every function but proc_exit returns.
enum class Errno : std::uint16_t {
  Success = 0,
  TooBig = 1,
  Acces = 2,
  AddrInUse = 3,
  AddrNotAvail = 4,
  AfNoSupport = 5,
  Again = 6,
  Already = 7,
  BadF = 8,
  BadMsg = 9,
  Busy = 10,
  Canceled = 11,
  Child = 12,
  ConnAborted = 13,
  ConnRefused = 14,
  ConnReset = 15,
  DeadLk = 16,
  DestAddrReq = 17,
  Dom = 18,
  DQuot = 19,
  Exist = 20,
  Fault = 21,
  FBig = 22,
  HostUnreach = 23,
  IdRm = 24,
  IlSeq = 25,
  InProgress = 26,
  Intr = 27,
  Inval = 28,
  Io = 29,
  IsConn = 30,
  IsDir = 31,
  Loop = 32,
  MFile = 33,
  MLink = 34,
  MsgSize = 35,
  MultiHop = 36,
  NameTooLong = 37,
  NetDown = 38,
  NetReset = 39,
  NetUnreach = 40,
  NFile = 41,
  NoBufs = 42,
  NoDev = 43,
  NoEnt = 44,
  NoExec = 45,
  NoLck = 46,
  NoLink = 47,
  NoMem = 48,
  NoMsg = 49,
  NoProtoOpt = 50,
  NoSpc = 51,
  NoSys = 52,
  NotConn = 53,
  NotDir = 54,
  NotEmpty = 55,
  NotRecoverable = 56,
  NotSock = 57,
  NotSup = 58,
  NotTy = 59,
  NxIo = 60,
  Overflow = 61,
  OwnerDead = 62,
  Perm = 63,
  Pipe = 64,
  Proto = 65,
  ProtoNoSupport = 66,
  Prototype = 67,
  Range = 68,
  RoFs = 69,
  SPipe = 70,
  Srch = 71,
  Stale = 72,
  TimedOut = 73,
  TxtBsy = 74,
  XDev = 75,
  NotCapable = 76,  // a right is missing, or a path leads out of its directory
};

// What a descriptor may be used for; a set of bits.
using Rights = std::uint64_t;
namespace rights {
inline constexpr Rights fd_datasync = 1u << 0;
inline constexpr Rights fd_read = 1u << 1;
inline constexpr Rights fd_seek = 1u << 2;
inline constexpr Rights fd_fdstat_set_flags = 1u << 3;
inline constexpr Rights fd_sync = 1u << 4;
inline constexpr Rights fd_tell = 1u << 5;
inline constexpr Rights fd_write = 1u << 6;
inline constexpr Rights fd_advise = 1u << 7;
inline constexpr Rights fd_allocate = 1u << 8;
inline constexpr Rights path_create_directory = 1u << 9;
inline constexpr Rights path_create_file = 1u << 10;
inline constexpr Rights path_link_source = 1u << 11;
inline constexpr Rights path_link_target = 1u << 12;
inline constexpr Rights path_open = 1u << 13;
inline constexpr Rights fd_readdir = 1u << 14;
inline constexpr Rights path_readlink = 1u << 15;
inline constexpr Rights path_rename_source = 1u << 16;
inline constexpr Rights path_rename_target = 1u << 17;
inline constexpr Rights path_filestat_get = 1u << 18;
inline constexpr Rights path_filestat_set_size = 1u << 19;
inline constexpr Rights path_filestat_set_times = 1u << 20;
inline constexpr Rights fd_filestat_get = 1u << 21;
inline constexpr Rights fd_filestat_set_size = 1u << 22;
inline constexpr Rights fd_filestat_set_times = 1u << 23;
inline constexpr Rights path_symlink = 1u << 24;
inline constexpr Rights path_remove_directory = 1u << 25;
inline constexpr Rights path_unlink_file = 1u << 26;
inline constexpr Rights poll_fd_readwrite = 1u << 27;
}  // namespace rights

enum class FileType : std::uint8_t {
  Unknown,
  BlockDevice,
  CharacterDevice,
  Directory,
  RegularFile,
  SocketDatagram,
  SocketStream,
  SymbolicLink,
};

// fdflags
inline constexpr std::uint16_t fdflag_append = 1u << 0;
inline constexpr std::uint16_t fdflag_dsync = 1u << 1;
inline constexpr std::uint16_t fdflag_nonblock = 1u << 2;
inline constexpr std::uint16_t fdflag_rsync = 1u << 3;
inline constexpr std::uint16_t fdflag_sync = 1u << 4;
inline constexpr std::uint16_t all_fdflags = (1u << 5) - 1;

// oflags
inline constexpr std::uint16_t oflag_create = 1u << 0;
inline constexpr std::uint16_t oflag_directory = 1u << 1;
inline constexpr std::uint16_t oflag_exclusive = 1u << 2;
inline constexpr std::uint16_t oflag_truncate = 1u << 3;
inline constexpr std::uint16_t all_oflags = (1u << 4) - 1;

// lookupflags
inline constexpr std::uint32_t lookup_symlink_follow = 1u << 0;
inline constexpr std::uint32_t all_lookup_flags = lookup_symlink_follow;

// fstflags
inline constexpr std::uint16_t set_access_time = 1u << 0;
inline constexpr std::uint16_t set_access_time_now = 1u << 1;
inline constexpr std::uint16_t set_modification_time = 1u << 2;
inline constexpr std::uint16_t set_modification_time_now = 1u << 3;
inline constexpr std::uint16_t all_fstflags = (1u << 4) - 1;

enum class ClockId : std::uint32_t { Realtime, Monotonic, ProcessCpuTime, ThreadCpuTime };
enum class Whence : std::uint8_t { Set, Current, End };
enum class EventType : std::uint8_t { Clock, FdRead, FdWrite };
inline constexpr std::uint16_t subscription_absolute_time = 1u << 0;
inline constexpr std::uint16_t event_hangup = 1u << 0;

struct IoVector {
  std::uint32_t address, length;
};
static_assert(sizeof(IoVector) == 8);

struct DirectoryEntry {  // followed by name_length bytes of name
  std::uint64_t next;    // cookie of the entry behind it
  std::uint64_t inode;
  std::uint32_t name_length;
  FileType type;
  std::uint8_t padding[3];
};
static_assert(sizeof(DirectoryEntry) == 24 && offsetof(DirectoryEntry, type) == 20);

struct DescriptorStatus {
  FileType type;
  std::uint8_t padding0;
  std::uint16_t flags;
  std::uint32_t padding1;
  Rights rights_base, rights_inheriting;
};
static_assert(sizeof(DescriptorStatus) == 24 && offsetof(DescriptorStatus, rights_base) == 8);

struct FileStatus {
  std::uint64_t device, inode;
  FileType type;
  std::uint8_t padding[7];
  std::uint64_t links, size;
  std::uint64_t access_time, modification_time, change_time;  // nanoseconds since 1970
};
static_assert(sizeof(FileStatus) == 64 && offsetof(FileStatus, links) == 24);

struct Prestat {
  std::uint8_t tag;  // 0: a directory
  std::uint8_t padding[3];
  std::uint32_t name_length;
};
static_assert(sizeof(Prestat) == 8);

struct SubscriptionClock {
  ClockId id;
  std::uint32_t padding;
  std::uint64_t timeout, precision;  // nanoseconds
  std::uint16_t flags;
};
struct Subscription {
  std::uint64_t userdata;
  EventType type;
  std::uint8_t padding0[7];
  union {
    SubscriptionClock clock;
    std::uint32_t fd;
  };
};
static_assert(sizeof(Subscription) == 48 && offsetof(Subscription, clock) == 16);

struct Event {
  std::uint64_t userdata;
  Errno error;
  EventType type;
  std::uint8_t padding0[5];
  std::uint64_t bytes;
  std::uint16_t flags;
  std::uint8_t padding1[6];
};
static_assert(sizeof(Event) == 32 && offsetof(Event, bytes) == 16);

}  // namespace shunt::wasi
