#include "engine/observe/flip_ring.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace shunt::detail {
namespace {

void copy_bytes(std::array<std::uint8_t, 15>& to, const std::uint8_t* from, unsigned length) noexcept {
  std::memcpy(to.data(), from, std::min<std::size_t>(length, to.size()));
}

}  // namespace

void FlipRing::start(std::size_t capacity) {
  ring_ = std::vector<FlipRecord>(capacity);
  next_ = 0;
  completed_ = 0;
  active_ = true;
}

void FlipRing::begin_batch(std::uint64_t time_ns, std::uint64_t generation) noexcept {
  time_ns_ = time_ns;
  generation_ = generation;
  completed_ = next_;
}

void FlipRing::before(const KeySites& key, const std::uint8_t* site, unsigned length) noexcept {
  FlipRecord& record = at(next_);
  record = FlipRecord{.number = next_,
                      .time_ns = time_ns_,
                      .generation = generation_,
                      .site = site,
                      .length = static_cast<std::uint8_t>(length)};
  copy_bytes(record.before, site, length);
  const char* const name = key.key->name();
  std::memcpy(record.key.data(), name, std::min(std::strlen(name), record.key.size() - 1));
  ++next_;
}

// A batch larger than the ring has lost its first records by now.
void FlipRing::after(const std::uint8_t* site, unsigned length) noexcept {
  const std::uint64_t number = completed_++;
  if (next_ - number <= ring_.size()) copy_bytes(at(number).after, site, length);
}

FlipLog FlipRing::read() const {
  FlipLog log;
  const std::uint64_t first = next_ > ring_.size() ? next_ - ring_.size() : 0;
  log.dropped = first;
  log.records.reserve(static_cast<std::size_t>(next_ - first));
  for (std::uint64_t number = first; number < next_; ++number) log.records.push_back(ring_[number % ring_.size()]);
  return log;
}

}  // namespace shunt::detail
