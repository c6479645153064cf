// The functions of wasi_snapshot_preview1, over a guest's memory and its view of the system.
//
// Names, parameters and results are those of WebAssembly/WASI phases/snapshot/docs.md, where each is described; what
// follows a rule of this file is not repeated there:
//   - Every pointer and length is checked: Fault if it leaves the memory. Places for results (GuestResult) are checked
//   before
//     anything happens.
//   - A descriptor that is not open gives BadF, one without the right NotCapable, unknown flag bits Inval.
//   - Paths are bytes without a zero; they never lead out of their directory (beneath.h). An absolute one is refused.
//   - Functions block as long as the host's system call does; a host's signal handlers do not end them.
// One thread at a time for each System.
#pragma once

#include <cstdint>

#include "runtime/wasm/wasi/abi.h"
#include "runtime/wasm/wasi/guest_memory.h"
#include "runtime/wasm/wasi/system.h"

namespace shunt::wasi {

using Address = std::uint32_t;
using Fd = std::uint32_t;

// What a function is called with beside the guest's arguments.
struct Call {
  System& system;
  GuestMemory memory;
};

// --- Arguments and environment (arguments.cpp)
Errno args_get(Call call, Address argv, Address argv_buf);
Errno args_sizes_get(Call call, Address count, Address buf_size);
Errno environ_get(Call call, Address variables, Address variables_buf);
Errno environ_sizes_get(Call call, Address count, Address buf_size);

// --- Clocks (clock.cpp) and waiting (poll.cpp)
Errno clock_res_get(Call call, std::uint32_t id, Address resolution);
Errno clock_time_get(Call call, std::uint32_t id, std::uint64_t precision, Address time);
// At most 4096 subscriptions (Inval beyond).
Errno poll_oneoff(Call call, Address in, Address out, std::uint32_t subscriptions, Address events);

// --- The process (process.cpp)
void proc_exit(Call call, std::uint32_t status);
// Signals whose default is to end a process end the guest with status 128 + signal; those whose default is to be
// ignored do nothing; those that stop give NotSup.
Errno proc_raise(Call call, std::uint32_t signal);
Errno random_get(Call call, Address buf, std::uint32_t buf_len);
Errno sched_yield(Call call);

// --- Reading and writing (fd_io.cpp). Short counts are possible, as with readv(2).
Errno fd_read(Call call, Fd fd, Address iovs, std::uint32_t iovs_len, Address nread);
Errno fd_write(Call call, Fd fd, Address iovs, std::uint32_t iovs_len, Address nwritten);
Errno fd_pread(Call call, Fd fd, Address iovs, std::uint32_t iovs_len, std::uint64_t offset, Address nread);
Errno fd_pwrite(Call call, Fd fd, Address iovs, std::uint32_t iovs_len, std::uint64_t offset, Address nwritten);
Errno fd_seek(Call call, Fd fd, std::uint64_t offset, std::uint32_t whence, Address new_offset);
Errno fd_tell(Call call, Fd fd, Address offset);

// --- Descriptors (fd_status.cpp)
Errno fd_advise(Call call, Fd fd, std::uint64_t offset, std::uint64_t len, std::uint32_t advice);
Errno fd_allocate(Call call, Fd fd, std::uint64_t offset, std::uint64_t len);
Errno fd_close(Call call, Fd fd);
Errno fd_datasync(Call call, Fd fd);
Errno fd_fdstat_get(Call call, Fd fd, Address stat);
// Append and nonblock can be changed (of borrowed descriptors only nonblock, and only reading obeys it); others give
// NotSup.
Errno fd_fdstat_set_flags(Call call, Fd fd, std::uint32_t flags);
Errno fd_fdstat_set_rights(Call call, Fd fd, std::uint64_t base, std::uint64_t inheriting);
Errno fd_filestat_get(Call call, Fd fd, Address stat);
Errno fd_filestat_set_size(Call call, Fd fd, std::uint64_t size);
Errno fd_filestat_set_times(Call call, Fd fd, std::uint64_t atim, std::uint64_t mtim, std::uint32_t fst_flags);
Errno fd_prestat_get(Call call, Fd fd, Address prestat);
Errno fd_prestat_dir_name(Call call, Fd fd, Address path, std::uint32_t path_len);
Errno fd_renumber(Call call, Fd fd, Fd to);
Errno fd_sync(Call call, Fd fd);

// --- Directories and paths (fd_readdir.cpp, path_open.cpp, path.cpp)
Errno fd_readdir(Call call, Fd fd, Address buf, std::uint32_t buf_len, std::uint64_t cookie, Address bufused);
Errno path_create_directory(Call call, Fd fd, Address path, std::uint32_t path_len);
Errno path_filestat_get(Call call, Fd fd, std::uint32_t flags, Address path, std::uint32_t path_len, Address stat);
Errno path_filestat_set_times(Call call, Fd fd, std::uint32_t flags, Address path, std::uint32_t path_len,
                              std::uint64_t atim, std::uint64_t mtim, std::uint32_t fst_flags);
Errno path_link(Call call, Fd old_fd, std::uint32_t old_flags, Address old_path, std::uint32_t old_path_len, Fd new_fd,
                Address new_path, std::uint32_t new_path_len);
Errno path_open(Call call, Fd fd, std::uint32_t dirflags, Address path, std::uint32_t path_len, std::uint32_t oflags,
                std::uint64_t rights_base, std::uint64_t rights_inheriting, std::uint32_t fdflags, Address opened);
Errno path_readlink(Call call, Fd fd, Address path, std::uint32_t path_len, Address buf, std::uint32_t buf_len,
                    Address bufused);
Errno path_remove_directory(Call call, Fd fd, Address path, std::uint32_t path_len);
Errno path_rename(Call call, Fd fd, Address old_path, std::uint32_t old_path_len, Fd new_fd, Address new_path,
                  std::uint32_t new_path_len);
// A link to an absolute path is refused with NotCapable: it could only lead out.
Errno path_symlink(Call call, Address old_path, std::uint32_t old_path_len, Fd fd, Address new_path,
                   std::uint32_t new_path_len);
Errno path_unlink_file(Call call, Fd fd, Address path, std::uint32_t path_len);

// --- Sockets (socket.cpp). NotSock for descriptors of other types; sockets that a host handed in can be read and
// written, but these give NotSup.
Errno sock_accept(Call call, Fd fd, std::uint32_t flags, Address accepted);
Errno sock_recv(Call call, Fd fd, Address iovs, std::uint32_t iovs_len, std::uint32_t flags, Address nread,
                Address roflags);
Errno sock_send(Call call, Fd fd, Address iovs, std::uint32_t iovs_len, std::uint32_t flags, Address nwritten);
Errno sock_shutdown(Call call, Fd fd, std::uint32_t how);

}  // namespace shunt::wasi
