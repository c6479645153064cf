// DualMapping after fork(): an object of one's own.
#include <sys/mman.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "engine/memory/dual_mapping.h"
#include "engine/patch/mutant.h"

namespace shunt::detail {

void DualMapping::after_fork(ForkSide side) noexcept {
  if (side == ForkSide::Child) {
    fork_guard_->adopt();
  } else if (mutated(Mutant::ParentKeepsObject)) {
    return;
  }
  shared_ = backing_ != Backing::Writable;
}

// Nobody writes to a shared object: both processes are marked, and what was being written at the fork was complete,
// because the locks were held. So the copy is exact however long it takes, and an attempt that fails half-way has
// changed no byte.
Status DualMapping::make_own(const std::function<void(const CodeViews& fresh)>& prepare) {
  // 1. A fresh object, mapped elsewhere.
  Result<DualMapping> made = create(size_, backing_ == Backing::Anonymous ? Backing::Anonymous : Backing::Any);
  if (!made) return std::move(made).error();
  DualMapping fresh = std::move(*made);
  if (Status status = fresh.expose(exposed_); !status) return status;
  if (Status status = fresh.take_memory(0, exposed_); !status) return status;

  // 2. The bytes, by the RX view; what was never exposed was never written.
  std::memcpy(fresh.rw_, rx_, exposed_);
  prepare({fresh.rx_, fresh.rw_});

  // 3. Its mappings take the places of the old ones.
  const std::array<Piece, 2> pieces = {Piece{0, exposed_}, Piece{exposed_, size_ - exposed_}};
  if (Status status = fresh.lay_over(rx_, std::span(pieces).first(exposed_ < size_ ? 2 : 1)); !status) return status;
  if (mremap(fresh.rw_, size_, size_, MREMAP_MAYMOVE | MREMAP_FIXED, rw_) == MAP_FAILED) {
    return make_error(ErrorCode::CodeMemoryUnavailable, std::string("mremap of the RW alias: ") + std::strerror(errno));
  }
  fresh.rw_ = nullptr;
  backing_ = fresh.backing_;
  shared_ = false;
  return Ok{};
}

}  // namespace shunt::detail
