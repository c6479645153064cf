#include "runtime/wasm/instance/guest_stack.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

namespace shunt::wasm {
namespace {

constexpr std::size_t most_bytes = std::size_t{1} << 40;

}  // namespace

Result<GuestStack> GuestStack::create(std::size_t bytes) {
  if (bytes < least_bytes || bytes > most_bytes) {
    return make_error(ErrorCode::InvalidArgument,
                      "a guest stack of " + std::to_string(bytes) + " bytes: StoreOptions::stack_bytes is from " +
                          std::to_string(least_bytes) + " to " + std::to_string(most_bytes));
  }
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const std::size_t usable = (bytes + page - 1) / page * page;
  void* const base = mmap(nullptr, guard_bytes + usable, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) {
    return make_error(ErrorCode::OutOfMemory,
                      std::string("cannot reserve a guest stack: mmap: ") + std::strerror(errno));
  }
  GuestStack stack(static_cast<std::uint8_t*>(base), guard_bytes + usable);
  if (mprotect(stack.limit(), usable, PROT_READ | PROT_WRITE) != 0) {
    return make_error(ErrorCode::OutOfMemory,
                      std::string("cannot allocate a guest stack: mprotect: ") + std::strerror(errno));
  }
  return stack;
}

GuestStack::GuestStack(GuestStack&& other) noexcept
    : base_(std::exchange(other.base_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

GuestStack::~GuestStack() {
  if (base_ != nullptr) munmap(base_, bytes_);
}

}  // namespace shunt::wasm
