// DualMapping::lay_over(): memory that is already mapped, and executed, gets another backing.
#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "engine/memory/dual_mapping.h"
#include "engine/patch/mutant.h"

namespace shunt::detail {
namespace {

void unmap(const std::uint8_t* at, std::size_t size) noexcept {
  if (size != 0) munmap(const_cast<std::uint8_t*>(at), size);
}

}  // namespace

// mremap() and not mmap(): the kernel takes the old mapping away and puts the new one there under one hold of the
// address space's lock, which a thread that faults there waits for; the pages come along, so nobody has to fault them
// in; and a profiler that runs gets no event, so it goes on naming the code by the file that it came from.
Status DualMapping::lay_over(const std::uint8_t* base, std::span<const Piece> pieces) {
  if (mutated(Mutant::LayOverWritable)) mprotect(rx_, size_, PROT_READ | PROT_WRITE | PROT_EXEC);
  std::size_t done = 0;
  int error = 0;
  for (const Piece& piece : pieces) {
    auto* const to = const_cast<std::uint8_t*>(base) + piece.offset;
    if (mutated(Mutant::UnmapBeforeLaying)) munmap(to, piece.size);
    if (mremap(rx_ + piece.offset, piece.size, piece.size, MREMAP_MAYMOVE | MREMAP_FIXED, to) == MAP_FAILED) {
      error = errno;
      break;
    }
    unmap(rx_ + done, piece.offset - done);
    done = piece.offset + piece.size;
  }
  // What a piece left behind is not mapped any more, and may be somebody else's by now; the rest still is ours.
  unmap(rx_ + done, size_ - done);
  rx_ = nullptr;
  if (backing_ == Backing::Writable) rw_ = const_cast<std::uint8_t*>(base);
  if (error == 0) return Ok{};
  return make_error(ErrorCode::CodeMemoryUnavailable,
                    std::string("mremap over code that is executed: ") + std::strerror(error) +
                        (error == EPERM ? " (the code is sealed: mseal(2), or the loader's memory sealing)" : ""));
}

}  // namespace shunt::detail
