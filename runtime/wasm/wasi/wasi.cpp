#include "shunt/runtime/wasi.h"

#include <fcntl.h>

#include <cerrno>
#include <string_view>
#include <system_error>
#include <utility>

#include "runtime/wasm/wasi/binding.h"
#include "runtime/wasm/wasi/system.h"

namespace shunt::runtime {

struct Wasi::Impl {
  explicit Impl(std::size_t max_descriptors) : system(max_descriptors, wasi::available_lookup()) {}
  wasi::System system;
};

namespace {

std::string reason(int host_errno) {
  return std::generic_category().message(host_errno);
}

Status check_strings(const std::vector<std::string>& strings, std::string_view what) {
  for (const std::string& text : strings) {
    if (text.find('\0') != std::string::npos) {
      return make_error(ErrorCode::InvalidArgument,
                        std::string(what) + " \"" + text.c_str() + "\" holds a zero byte: guests cannot take it");
    }
  }
  return Ok{};
}

// A descriptor that is closed on the host is closed for the guest too; its number stays taken, as a later open must not
// become the guest's stdin.
Status add_stream(wasi::System& system, int fd) {
  wasi::Descriptor descriptor;
  const wasi::Errno error =
      wasi::describe(wasi::HostFd::borrowed(fd), wasi::file_rights | wasi::directory_rights, 0, descriptor);
  if (error != wasi::Errno::Success) descriptor = {};
  if (!system.descriptors.insert(std::move(descriptor))) {
    return make_error(ErrorCode::InvalidArgument, "max_descriptors is too small for stdin, stdout and stderr");
  }
  return Ok{};
}

Status add_directory(wasi::System& system, const WasiDirectory& directory) {
  const auto fail = [&](const std::string& why) {
    return make_error(ErrorCode::SystemCall,
                      "cannot open directory \"" + directory.host_path + "\" for the guest: " + why);
  };
  const int fd = ::open(directory.host_path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return fail(reason(errno));
  wasi::Descriptor descriptor;
  const wasi::Errno error = wasi::describe(wasi::HostFd::owned(fd), wasi::directory_rights,
                                           wasi::directory_rights | wasi::file_rights, descriptor);
  if (error != wasi::Errno::Success) return fail(reason(errno));
  descriptor.preopen_path = directory.guest_path;
  if (!system.descriptors.insert(std::move(descriptor))) {
    return make_error(ErrorCode::InvalidArgument, "max_descriptors is too small for the directories");
  }
  return Ok{};
}

Status call_bound(wasi::System& system, const wasi::Binding& binding, const Caller& caller,
                  std::span<const Value> arguments, std::span<Value> results) {
  binding.invoke({system, wasi::GuestMemory(caller.memory().bytes())}, arguments, results);
  if (!system.exit_status) return Ok{};
  return make_error(ErrorCode::GuestExit, "the guest ended with status " + std::to_string(*system.exit_status));
}

}  // namespace

Result<Wasi> Wasi::create(WasiOptions options) {
  if (Status status = check_strings(options.arguments, "argument"); !status) return std::move(status).error();
  if (Status status = check_strings(options.environment, "environment variable"); !status) {
    return std::move(status).error();
  }
  auto impl = std::make_unique<Impl>(options.max_descriptors);
  wasi::System& system = impl->system;
  system.arguments = std::move(options.arguments);
  system.environment = std::move(options.environment);
  for (const int fd : {options.stdin_fd, options.stdout_fd, options.stderr_fd}) {
    if (Status status = add_stream(system, fd); !status) return std::move(status).error();
  }
  for (const WasiDirectory& directory : options.directories) {
    if (Status status = add_directory(system, directory); !status) return std::move(status).error();
  }
  return Wasi(std::move(impl));
}

Wasi::Wasi(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Wasi::~Wasi() = default;
Wasi::Wasi(Wasi&&) noexcept = default;
Wasi& Wasi::operator=(Wasi&&) noexcept = default;

void Wasi::add_to(Linker& linker) {
  wasi::System* system = &impl_->system;  // stays in place when the Wasi is moved
  for (const wasi::Binding& binding : wasi::bindings()) {
    linker.define_function(
        "wasi_snapshot_preview1", binding.name, binding.type(),
        [system, &binding](Caller caller, std::span<const Value> arguments, std::span<Value> results) {
          return call_bound(*system, binding, caller, arguments, results);
        });
  }
}

int Wasi::exit_status() const {
  return static_cast<int>(impl_->system.exit_status.value_or(0));
}

}  // namespace shunt::runtime
