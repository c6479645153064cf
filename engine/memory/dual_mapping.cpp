#include "engine/memory/dual_mapping.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "engine/memory/page.h"
#include "engine/patch/mutant.h"

namespace shunt::detail {
namespace {

constexpr unsigned memfd_exec =
    0x10;  // MFD_EXEC (Linux 6.3): execution stays allowed where the system's default forbids it

Error unavailable(const char* call, int error) {
  std::string message = std::string(call) + ": " + std::strerror(error);
  if (error == ENOMEM) message += " (a smaller EngineOptions::code_reservation needs less address space)";
  return make_error(ErrorCode::CodeMemoryUnavailable, std::move(message));
}

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) noexcept : fd_(fd) {}
  ~FileDescriptor() {
    if (fd_ >= 0) close(fd_);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  [[nodiscard]] int get() const noexcept { return fd_; }

 private:
  int fd_;
};

int open_memory_file(const char* name) noexcept {
  const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  const int fd = memfd_create(name, flags | memfd_exec);
  return fd < 0 && errno == EINVAL ? memfd_create(name, flags) : fd;  // EINVAL: a kernel that does not know MFD_EXEC
}

// Growing a file beyond this limit would not fail but raise SIGXFSZ, whose default ends the process.
bool beyond_file_size_limit(std::size_t size) noexcept {
  rlimit limit{};
  return getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < size;
}

}  // namespace

Result<DualMapping> DualMapping::create(std::size_t size, Backing backing, const char* name) {
  size = round_up_to_page(size);
  if (backing == Backing::MemoryFile) return from_memory_file(size, name);
  if (backing == Backing::Anonymous) return from_anonymous(size);
  if (backing == Backing::Writable) return writable(size);
  Result<DualMapping> file = from_memory_file(size, name);
  if (file) return file;
  Result<DualMapping> anonymous = from_anonymous(size);
  if (anonymous) return anonymous;
  return make_error(ErrorCode::CodeMemoryUnavailable,
                    "code cannot be mapped twice: by memory file: " + file.error().message() +
                        "; by doubled anonymous memory: " + anonymous.error().message());
}

Result<DualMapping> DualMapping::from_memory_file(std::size_t size, const char* name) {
  if (beyond_file_size_limit(size)) return unavailable("ftruncate (RLIMIT_FSIZE)", EFBIG);
  const FileDescriptor file(open_memory_file(name));
  if (file.get() < 0) return unavailable("memfd_create", errno);
  if (ftruncate(file.get(), static_cast<off_t>(size)) != 0) return unavailable("ftruncate", errno);
  // Nobody who is handed the descriptor can take pages away under running code.
  if (fcntl(file.get(), F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0)
    return unavailable("F_ADD_SEALS", errno);

  void* rw = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (rw == MAP_FAILED) return unavailable("mmap of the RW alias", errno);
  void* rx = mmap(nullptr, size, PROT_NONE, MAP_SHARED, file.get(), 0);
  if (rx == MAP_FAILED) {
    const int error = errno;
    munmap(rw, size);
    return unavailable("mmap of the RX view", error);
  }
  DualMapping mapping(static_cast<std::uint8_t*>(rx), static_cast<std::uint8_t*>(rw), size, Backing::MemoryFile);
  // The first page now: where execution of memory files is forbidden, the other backing shall get its chance.
  if (Status status = mapping.expose(1); !status) return status.error();
  if (Status status = mapping.take_memory(0, 1); !status) return status.error();
  return mapping;
}

Result<DualMapping> DualMapping::from_anonymous(std::size_t size) {
  void* rw = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (rw == MAP_FAILED) return unavailable("mmap of shared anonymous memory", errno);
  void* rx = mremap(rw, 0, size, MREMAP_MAYMOVE);  // old size 0 of a shared mapping: a second mapping of the same pages
  if (rx == MAP_FAILED) {
    const int error = errno;
    munmap(rw, size);
    return unavailable("mremap of shared anonymous memory", error);
  }
  DualMapping mapping(static_cast<std::uint8_t*>(rx), static_cast<std::uint8_t*>(rw), size, Backing::Anonymous);
  if (mprotect(rx, size, PROT_NONE) != 0) return unavailable("mprotect of the RX view", errno);
  if (Status status = mapping.expose(1); !status) return status.error();
  if (Status status = mapping.take_memory(0, 1); !status) return status.error();
  return mapping;
}

Result<DualMapping> DualMapping::writable(std::size_t size) {
  void* both = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (both == MAP_FAILED) return unavailable("mmap of writable code", errno);
  DualMapping mapping(static_cast<std::uint8_t*>(both), static_cast<std::uint8_t*>(both), size, Backing::Writable);
  if (Status status = mapping.expose(1); !status) return status.error();
  if (Status status = mapping.take_memory(0, 1); !status) return status.error();
  return mapping;
}

Status DualMapping::expose(std::size_t end) {
  end = round_up_to_page(end);
  if (end > size_) return make_error(ErrorCode::InvalidArgument, "expose: beyond the reservation");
  if (end <= exposed_) return Ok{};
  const int writable = backing_ == Backing::Writable ? PROT_WRITE : 0;
  if (mprotect(rx_ + exposed_, end - exposed_, PROT_READ | PROT_EXEC | writable) != 0)
    return unavailable("mprotect of the RX view", errno);
  exposed_ = end;
  return Ok{};
}

Status DualMapping::take_memory(std::size_t begin, std::size_t end) {
  begin = begin / page_size() * page_size();
  if (begin >= end || madvise(rw_ + begin, round_up_to_page(end) - begin, MADV_POPULATE_WRITE) == 0) return Ok{};
  if (errno == EINVAL || mutated(Mutant::IgnoreLackOfMemory)) return Ok{};  // a kernel that does not know it
  // EFAULT: the memory file got no page.
  return unavailable("no memory for code: madvise(MADV_POPULATE_WRITE)", errno == EFAULT ? ENOMEM : errno);
}

DualMapping::DualMapping(std::uint8_t* rx, std::uint8_t* rw, std::size_t size, Backing backing)
    : rx_(rx), rw_(rw), size_(size), backing_(backing), fork_guard_(std::make_unique<ForkGuard>()) {}

DualMapping::~DualMapping() {
  if (rx_ != nullptr) munmap(rx_, size_);
  if (rw_ != nullptr && backing_ != Backing::Writable) munmap(rw_, size_);
}

DualMapping::DualMapping(DualMapping&& other) noexcept
    : rx_(std::exchange(other.rx_, nullptr)),
      rw_(std::exchange(other.rw_, nullptr)),
      size_(other.size_),
      exposed_(other.exposed_),
      shared_(other.shared_),
      backing_(other.backing_),
      fork_guard_(std::move(other.fork_guard_)) {}

DualMapping& DualMapping::operator=(DualMapping&& other) noexcept {
  std::swap(rx_, other.rx_);
  std::swap(rw_, other.rw_);
  std::swap(size_, other.size_);
  std::swap(exposed_, other.exposed_);
  std::swap(shared_, other.shared_);
  std::swap(backing_, other.backing_);
  std::swap(fork_guard_, other.fork_guard_);
  return *this;
}

}  // namespace shunt::detail
