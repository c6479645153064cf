#include "engine/observe/jitdump.h"

#include <elf.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <map>
#include <mutex>
#include <type_traits>
#include <utility>

#include "engine/observe/output_file.h"

namespace shunt::detail {
namespace {

// Natural alignment gives these the layout of the specification: no padding but what is named.
struct Header {
  std::uint32_t magic = 0x4A695444;  // "JiTD" in the byte order of the machine
  std::uint32_t version = 1;
  std::uint32_t size = 40;
  std::uint32_t machine;
  std::uint32_t reserved = 0;
  std::uint32_t pid;
  std::uint64_t time;
  std::uint64_t flags = 0;
};
static_assert(sizeof(Header) == 40);

struct CodeLoad {
  std::uint32_t id = 0;  // JIT_CODE_LOAD
  std::uint32_t size;    // of the whole record
  std::uint64_t time;
  std::uint32_t pid, tid;
  std::uint64_t virtual_address, code_address, code_size;
  std::uint64_t index;  // unique: perf makes a file for each
};
static_assert(sizeof(CodeLoad) == 56);

std::uint64_t monotonic_ns() {
  // steady_clock is CLOCK_MONOTONIC on Linux.
  return static_cast<std::uint64_t>(
      std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count());
}

template <class T>
void put(std::vector<std::uint8_t>& out, const T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(&value);
  out.insert(out.end(), bytes, bytes + sizeof value);
}

// One file of the process. Thread-safe.
class DumpFile {
 public:
  static Result<std::shared_ptr<DumpFile>> open(const std::string& path, std::uint32_t machine) {
    Result<OutputFile> file = OutputFile::open(path, OutputMode::Replace);
    if (!file) return file.error();
    auto dump = std::make_shared<DumpFile>(std::move(*file));
    std::vector<std::uint8_t> bytes;
    put(bytes, Header{.machine = machine, .pid = static_cast<std::uint32_t>(getpid()), .time = monotonic_ns()});
    if (Status status = dump->file_.append(bytes); !status) return status.error();
    dump->marker_size_ = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    void* const marker =
        mmap(nullptr, dump->marker_size_, PROT_READ | PROT_EXEC, MAP_PRIVATE, dump->file_.descriptor(), 0);
    if (marker == MAP_FAILED) {
      return make_error(ErrorCode::SystemCall, path + ": mmap of the marker: " + std::strerror(errno) +
                                                   " (a file system mounted noexec? choose another directory)");
    }
    dump->marker_ = marker;
    return dump;
  }

  explicit DumpFile(OutputFile file) : file_(std::move(file)) {}
  ~DumpFile() {
    if (marker_ != nullptr) munmap(marker_, marker_size_);
  }
  DumpFile(const DumpFile&) = delete;
  DumpFile& operator=(const DumpFile&) = delete;

  // The bytes as they are now.
  Status load(const std::uint8_t* code, const NamedSymbol& symbol) {
    const std::lock_guard hold(lock_);
    const auto address = reinterpret_cast<std::uintptr_t>(code + symbol.offset);
    const std::size_t size = sizeof(CodeLoad) + symbol.name.size() + 1 + symbol.size;
    record_.clear();
    put(record_, CodeLoad{.size = static_cast<std::uint32_t>(size),
                          .time = monotonic_ns(),
                          .pid = static_cast<std::uint32_t>(getpid()),
                          .tid = static_cast<std::uint32_t>(syscall(SYS_gettid)),
                          .virtual_address = address,
                          .code_address = address,
                          .code_size = symbol.size,
                          .index = next_index_++});
    record_.insert(record_.end(), symbol.name.begin(), symbol.name.end());
    record_.push_back(0);
    record_.insert(record_.end(), code + symbol.offset, code + symbol.offset + symbol.size);
    return file_.append(record_);
  }

 private:
  std::mutex lock_;  // protects all of it; a leaf
  OutputFile file_;
  std::uint64_t next_index_ = 0;
  std::vector<std::uint8_t> record_;
  void* marker_ = nullptr;
  std::size_t marker_size_ = 0;
};

// The process's file at `path`, opened by the first who asks.
Result<std::shared_ptr<DumpFile>> shared_file(const std::string& path, std::uint32_t machine) {
  static std::mutex lock;  // protects `files`; a leaf but for the file's making
  static auto* const files = new std::map<std::string, std::weak_ptr<DumpFile>>;
  const std::lock_guard hold(lock);
  if (std::shared_ptr<DumpFile> open = (*files)[path].lock()) return open;
  Result<std::shared_ptr<DumpFile>> file = DumpFile::open(path, machine);
  if (file) (*files)[path] = *file;
  return file;
}

class Jitdump final : public CodeObserver {
 public:
  Jitdump(std::shared_ptr<DumpFile> file, bool follows_flips) : file_(std::move(file)), follows_flips_(follows_flips) {}

  Status named(const NamedCode& code) override {
    for (const NamedSymbol& symbol : code.symbols) {
      if (Status status = file_->load(code.begin, symbol); !status) return status;
    }
    return Ok{};
  }

  // A record that cannot be written leaves the earlier one in force; there is nobody to tell.
  void rewritten(const NamedCode& code, std::span<const std::size_t> symbols) override {
    if (!follows_flips_) return;
    for (std::size_t symbol : symbols) (void)file_->load(code.begin, code.symbols[symbol]);
  }

  // The format has no record for it; code that takes the place takes the name too.
  void ended(const NamedCode&) override {}

  [[nodiscard]] bool follows_flips() const noexcept override { return follows_flips_; }

 private:
  std::shared_ptr<DumpFile> file_;
  bool follows_flips_;
};

}  // namespace

Result<std::unique_ptr<CodeObserver>> make_jitdump(const std::string& directory, InstructionSet instruction_set,
                                                   bool follows_flips) {
  const std::uint32_t machine = instruction_set == InstructionSet::X86_64 ? EM_X86_64 : EM_AARCH64;
  Result<std::shared_ptr<DumpFile>> file =
      shared_file(directory + "/jit-" + std::to_string(getpid()) + ".dump", machine);
  if (!file) return file.error();
  return std::unique_ptr<CodeObserver>(std::make_unique<Jitdump>(std::move(*file), follows_flips));
}

}  // namespace shunt::detail
