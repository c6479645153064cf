// WASI preview 1 for guests: arguments, environment, files below opened directories, clocks, random.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "shunt/error.h"
#include "shunt/runtime/instance.h"

namespace shunt::runtime {

struct WasiDirectory {
  std::string host_path;
  std::string guest_path;
};

struct WasiOptions {
  std::vector<std::string> arguments;    // argv, the program's name first
  std::vector<std::string> environment;  // "NAME=value"
  std::vector<WasiDirectory> directories;
  int stdin_fd = 0, stdout_fd = 1, stderr_fd = 2;  // borrowed, never closed
  std::size_t max_descriptors = 1000;  // that the guest can have open at once, these three and the directories included
};

// One guest's view of the system. Must outlive the linker that it was added to and that linker's instances. One thread
// at a time.
class Wasi {
 public:
  // Opens the directories. Errors: SystemCall (names the directory and the reason), InvalidArgument (a string with a
  // zero byte).
  static Result<Wasi> create(WasiOptions options);
  ~Wasi();
  Wasi(Wasi&&) noexcept;
  Wasi& operator=(Wasi&&) noexcept;

  // Defines every function of wasi_snapshot_preview1. proc_exit ends the guest with ErrorCode::GuestExit.
  void add_to(Linker& linker);

  // The status given to proc_exit, or 0 if it was not called.
  [[nodiscard]] int exit_status() const;

 private:
  struct Impl;
  explicit Wasi(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace shunt::runtime
