#include "runtime/wasm/instance/linear_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

namespace shunt::wasm {
namespace {

constexpr std::uint64_t most_pages = 65536;

}  // namespace

LinearMemory::LinearMemory(const runtime::MemoryType& type, std::uint64_t max_pages, std::uint8_t* base)
    : declared_(type), max_pages_(max_pages), view_{base, 0} {}

LinearMemory::~LinearMemory() {
  munmap(view_.base, reservation_bytes);
}

Result<std::unique_ptr<LinearMemory>> LinearMemory::create(const runtime::MemoryType& type, std::uint64_t max_bytes) {
  const std::uint64_t allowed = std::min(most_pages, max_bytes / wasm_page_bytes);
  if (type.limits.min > allowed) {
    return make_error(ErrorCode::Uninstantiable, "a memory of " + std::to_string(type.limits.min) +
                                                     " pages: this store allows " + std::to_string(allowed) +
                                                     " (StoreOptions::max_memory_bytes)");
  }
  void* const base = mmap(nullptr, reservation_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) {
    return make_error(ErrorCode::OutOfMemory,
                      std::string("cannot reserve 8 GiB of address space for a linear memory: mmap: ") +
                          std::strerror(errno) + "; raise the limit (ulimit -v) or hold fewer memories");
  }
  const std::uint64_t max_pages = type.limits.has_max ? std::min(allowed, type.limits.max) : allowed;
  std::unique_ptr<LinearMemory> memory(new LinearMemory(type, max_pages, static_cast<std::uint8_t*>(base)));
  if (!memory->grow(type.limits.min)) {
    return make_error(ErrorCode::OutOfMemory, "cannot allocate a linear memory of " + std::to_string(type.limits.min) +
                                                  " pages: mprotect: " + std::strerror(errno));
  }
  return memory;
}

runtime::MemoryType LinearMemory::type() const {
  runtime::MemoryType now = declared_;
  now.limits.min = pages();
  return now;
}

std::optional<std::uint64_t> LinearMemory::grow(std::uint64_t pages) {
  const std::uint64_t before = this->pages();
  if (pages > max_pages_ - before) return std::nullopt;
  if (pages != 0 && mprotect(view_.base + view_.bytes, pages * wasm_page_bytes, PROT_READ | PROT_WRITE) != 0)
    return std::nullopt;
  view_.bytes += pages * wasm_page_bytes;
  return before;
}

}  // namespace shunt::wasm
