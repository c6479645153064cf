#include "engine/memory/fork_guard.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>

#include "engine/memory/page.h"

namespace shunt::detail {
ForkGuard::ForkGuard() : maker_(getpid()) {
  const std::size_t page = page_size();
  void* const mapped = mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return;
  if (madvise(mapped, page, MADV_WIPEONFORK) != 0) {
    munmap(mapped, page);
    return;
  }
  auto* const marker = static_cast<unsigned char*>(mapped);
  *marker = 1;
  marker_ = marker;
}

ForkGuard::~ForkGuard() {
  if (marker_ != nullptr) munmap(const_cast<unsigned char*>(marker_), page_size());
}

void ForkGuard::adopt() noexcept {
  maker_ = getpid();
  if (marker_ != nullptr) *marker_ = 1;
}

bool ForkGuard::in_child() const noexcept {
  return marker_ != nullptr ? *marker_ == 0 : getpid() != maker_;
}

}  // namespace shunt::detail
