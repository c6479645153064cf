// One shared memory object, mapped twice: an RX view that is executed, and an RW alias that is written. No page is ever
// writable and executable in one mapping (W^X).
//
//   offset         0                    exposed                    size
//   RX view        [ read, execute      | no access               ]
//   RW alias       [ read, write                                  ]
//
// Memory is taken from the system page by page as the RW alias is first touched.
//
// Backing::Writable gives W^X up, for machines that execute no writes through an alias (alias_probe.h): one private
// mapping, rx() == rw(), writable all over and executable up to `exposed`. It is never shared after fork().
//
// After fork(), parent and child have the same object, so neither may write to it any more. Each is marked
// (after_fork()), and before it writes next it takes an object of its own, with the same bytes (make_own()).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "engine/fork.h"
#include "engine/memory/fork_guard.h"
#include "engine/memory/region.h"
#include "shunt/error.h"

namespace shunt::detail {

// How the memory object is made.
enum class Backing : std::uint8_t {
  Any,         // a sealed memory file, else doubled anonymous memory
  MemoryFile,  // memfd_create(2), sealed against growing and shrinking
  Anonymous,   // an anonymous shared mapping, doubled by mremap(2) with old size 0; works under RLIMIT_FSIZE = 0
  Writable,    // an anonymous private mapping, once; never chosen by Any
};

// Not thread-safe, except that the views may be used by any number of threads.
class DualMapping {
 public:
  // `size` in bytes, rounded up to whole pages. Errors: CodeMemoryUnavailable (names what was tried and why it failed).
  // `name` is what /proc/self/maps shows of a memory file.
  static Result<DualMapping> create(std::size_t size, Backing backing = Backing::Any, const char* name = "shunt-code");
  ~DualMapping();
  DualMapping(DualMapping&& other) noexcept;
  DualMapping& operator=(DualMapping&& other) noexcept;

  [[nodiscard]] const std::uint8_t* rx() const noexcept { return rx_; }
  [[nodiscard]] std::uint8_t* rw() const noexcept { return rw_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] Backing backing() const noexcept { return backing_; }

  // Whether this is a child that after_fork() was not called in, because it was made by a raw clone(2) or _Fork(): then
  // nothing may be written, ever.
  [[nodiscard]] bool in_foreign_child() const noexcept { return fork_guard_->in_child(); }

  // In both processes, after each fork(): from here on the object is shared.
  void after_fork(ForkSide side) noexcept;
  [[nodiscard]] bool shared() const noexcept { return shared_; }

  // Replaces a shared object by a fresh one, under both mappings: they stay where they are, and the RX view is executed
  // all the while, by threads that find the old page or the new one, never none. The old object is freed when the last
  // process leaves it. `prepare` completes the copy, before anybody can execute it; it sees mappings of it at other
  // addresses. Afterwards, before the first write, the cores must be serialised: they may go on executing what they
  // fetched from the old object. Errors: CodeMemoryUnavailable; then the object is still shared, no byte has changed,
  // and this may be tried again. May throw std::bad_alloc, with the same effect.
  Status make_own(const std::function<void(const CodeViews& fresh)>& prepare);

  // Takes the memory of a part of the object from the system now: where there is none, this is an error, while the
  // first write to it would raise SIGBUS. (Linux 5.14; on an older kernel this does nothing.) Errors:
  // CodeMemoryUnavailable.
  Status take_memory(std::size_t begin, std::size_t end);

  // Bytes of the RX view, from its beginning, that can be executed.
  [[nodiscard]] std::size_t exposed() const noexcept { return exposed_; }

  // Makes the RX view executable up to `end` bytes, rounded up to whole pages. Never takes back. Errors:
  // CodeMemoryUnavailable.
  Status expose(std::size_t end);

  // Lays pieces of the RX view over what is mapped at `base`, each atomically: a thread that executes there finds the
  // old page or the new one, never none. Pieces are whole pages, in order of offset from `base`, apart from each other,
  // and exposed. The rest of the RX view is unmapped; rx() is null afterwards, and the pieces belong to the owner of
  // what they cover, who unmaps them. With Backing::Writable the pieces are their own RW alias, and rw() is `base`.
  // Errors: CodeMemoryUnavailable; then some pieces are in place, and the others are as they were.
  struct Piece {
    std::size_t offset, size;  // bytes
  };
  Status lay_over(const std::uint8_t* base, std::span<const Piece> pieces);

 private:
  DualMapping(std::uint8_t* rx, std::uint8_t* rw, std::size_t size, Backing backing);
  static Result<DualMapping> from_memory_file(std::size_t size, const char* name);
  static Result<DualMapping> from_anonymous(std::size_t size);
  static Result<DualMapping> writable(std::size_t size);

  std::uint8_t* rx_ = nullptr;
  std::uint8_t* rw_ = nullptr;
  std::size_t size_ = 0;
  std::size_t exposed_ = 0;
  bool shared_ = false;
  Backing backing_ = Backing::Any;
  std::unique_ptr<ForkGuard> fork_guard_;
};

}  // namespace shunt::detail
