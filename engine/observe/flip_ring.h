// The ring of the flip log (shunt/flip_log.h).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/sites/site_table.h"
#include "shunt/flip_log.h"

namespace shunt::detail {

// Not thread-safe: the engine's commit lock protects it.
class FlipRing {
 public:
  // Empties it. Precondition: capacity > 0. May throw std::bad_alloc; nothing has changed then.
  void start(std::size_t capacity);
  void stop() noexcept { active_ = false; }  // what it holds stays readable
  [[nodiscard]] bool active() const noexcept { return active_; }

  // A batch begins to write: time and generation of what follows.
  void begin_batch(std::uint64_t time_ns, std::uint64_t generation) noexcept;

  // A site is about to be written: its bytes before. Then, once for each in the same order: its bytes after.
  void before(const KeySites& key, const std::uint8_t* site, unsigned length) noexcept;
  void after(const std::uint8_t* site, unsigned length) noexcept;

  [[nodiscard]] FlipLog read() const;  // may throw std::bad_alloc

 private:
  [[nodiscard]] FlipRecord& at(std::uint64_t number) noexcept { return ring_[number % ring_.size()]; }

  std::vector<FlipRecord> ring_;
  std::uint64_t next_ = 0;       // number of the next record
  std::uint64_t completed_ = 0;  // number of the next one to get its bytes after
  std::uint64_t time_ns_ = 0;
  std::uint64_t generation_ = 0;
  bool active_ = false;
};

}  // namespace shunt::detail
