// Opening files below a directory and nowhere else: what keeps a guest inside the directories that the user opened.
//
// A path is refused with NotCapable if it is absolute or if it leads out of the directory at any point: by "..", or by
// a symbolic link, also one that would lead back inside. A magic link of /proc is never jumped through (Loop,
// NotCapable or NoEnt). What a path leads through may be renamed by others while it is looked up; that cannot lead out
// either.
#pragma once

#include <fcntl.h>

#include <string>
#include <string_view>

#include "runtime/wasm/wasi/abi.h"
#include "runtime/wasm/wasi/host_fd.h"

namespace shunt::wasi {

// How a path is looked up. Both give the same results.
//   Kernel   openat2(2) with RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS (Linux 5.6): one system call
//   Walk     component by component, each opened with O_NOFOLLOW, links expanded by hand; for kernels, and sandboxes
//   around us,
//            without openat2. Refuses paths that stand more than 256 directories deep (NameTooLong)
enum class Lookup { Kernel, Walk };

// Kernel if openat2 works here, else Walk. Asked once for the process; thread-safe.
[[nodiscard]] Lookup available_lookup();

// A directory and the way to look up paths in it.
struct Scope {
  int directory;
  Lookup lookup;
};

// Opens `path` with the flags of openat(2); `mode` counts with O_CREAT. O_NOFOLLOW refuses a final symbolic link with
// Loop, or with O_PATH opens the link itself. The result is close-on-exec. Errors: NotCapable as above, NoEnt for an
// empty path, and openat's.
Errno open_beneath(const Scope& scope, std::string_view path, int flags, mode_t mode, HostFd& out);

// The directory that holds a path's last component, for the *at(2) calls that create, remove or rename an entry. `name`
// has no slash but perhaps one at its end, and is never ".."; a path that ends in "." or ".." has the name "." in that
// directory itself.
struct ParentEntry {
  HostFd directory;
  std::string name;
};
Errno open_parent(const Scope& scope, std::string_view path, ParentEntry& out);

}  // namespace shunt::wasi
