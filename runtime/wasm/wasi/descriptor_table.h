// The guest's file descriptors: small numbers that stand for host descriptors, with what they may be used for.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/wasm/wasi/abi.h"
#include "runtime/wasm/wasi/directory_cursor.h"
#include "runtime/wasm/wasi/host_fd.h"

namespace shunt::wasi {

// Rights that an object of a type can have at all.
inline constexpr Rights file_rights =
    rights::fd_datasync | rights::fd_read | rights::fd_seek | rights::fd_fdstat_set_flags | rights::fd_sync |
    rights::fd_tell | rights::fd_write | rights::fd_advise | rights::fd_allocate | rights::fd_filestat_get |
    rights::fd_filestat_set_size | rights::fd_filestat_set_times | rights::poll_fd_readwrite;
inline constexpr Rights stream_rights = rights::fd_datasync | rights::fd_read | rights::fd_fdstat_set_flags |
                                        rights::fd_sync | rights::fd_write | rights::fd_filestat_get |
                                        rights::fd_filestat_set_times | rights::poll_fd_readwrite;
inline constexpr Rights directory_rights =
    rights::fd_fdstat_set_flags | rights::fd_sync | rights::fd_readdir | rights::fd_filestat_get |
    rights::fd_filestat_set_times | rights::path_create_directory | rights::path_create_file |
    rights::path_link_source | rights::path_link_target | rights::path_open | rights::path_readlink |
    rights::path_rename_source | rights::path_rename_target | rights::path_filestat_get |
    rights::path_filestat_set_size | rights::path_filestat_set_times | rights::path_symlink |
    rights::path_remove_directory | rights::path_unlink_file;

// An open file, directory or stream.
struct Descriptor {
  HostFd host;
  FileType type = FileType::Unknown;
  Rights base = 0;                          // what this descriptor may be used for
  Rights inheriting = 0;                    // what descriptors opened through it may be used for
  std::optional<std::string> preopen_path;  // the guest's name of a directory that the user opened
  // Nonblocking mode of a borrowed host descriptor: kept here, because the host's flag would change it for its owner
  // too.
  bool nonblocking = false;
  // Writing may raise SIGPIPE (no reader left) or SIGXFSZ (a file size limit).
  bool write_may_signal = false;
  std::unique_ptr<DirectoryCursor> cursor;  // of directories that have been read
};

// Looks at a host descriptor and fills in its type and the rights that fit it, out of `base`. Errors: those of fstat.
Errno describe(HostFd host, Rights base, Rights inheriting, Descriptor& out);

// Not thread-safe, like the guest that it belongs to.
class DescriptorTable {
 public:
  // At most `limit` descriptors may be open, so that a guest cannot use up the host's.
  explicit DescriptorTable(std::size_t limit) : limit_(limit) {}

  // Takes the lowest free number. Nothing: the table is full; the descriptor is closed.
  [[nodiscard]] std::optional<std::uint32_t> insert(Descriptor descriptor);
  [[nodiscard]] bool is_full() const noexcept { return open_ >= limit_; }

  // Null if not open. The pointer ends with the next change of the table.
  [[nodiscard]] Descriptor* find(std::uint32_t fd) noexcept;
  // The same, or BadF if not open, NotCapable if it lacks one of `needed`.
  Errno find(std::uint32_t fd, Rights needed, Descriptor*& out) noexcept;

  Errno close(std::uint32_t fd) noexcept;
  // Moves `from` to the number `to`, which must be open and is closed. Errors: BadF.
  Errno renumber(std::uint32_t from, std::uint32_t to) noexcept;

 private:
  std::vector<std::optional<Descriptor>> slots_;
  std::size_t open_ = 0;
  std::size_t limit_;
};

}  // namespace shunt::wasi
