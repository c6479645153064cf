// What an engine counts. Any thread may add at any time; a snapshot is no instant, but every count is right.
//
// All atomics here are relaxed: they are counts, and nothing follows from them.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "engine/serialise/core_serialiser.h"
#include "shunt/error.h"
#include "shunt/patch_batch.h"
#include "shunt/stats.h"

namespace shunt::detail {

using Count = std::atomic<std::uint64_t>;

inline void add(Count& count, std::uint64_t value) noexcept {
  count.fetch_add(value, std::memory_order_relaxed);
}

// The same where a lock keeps others from adding: no locked instruction.
inline void add_alone(Count& count, std::uint64_t value) noexcept {
  count.store(count.load(std::memory_order_relaxed) + value, std::memory_order_relaxed);
}

// A counter that many threads add to at the same time: each adds to the cache line of its own shard.
class ShardedCount {
 public:
  void add_one() noexcept { add(shards_[shard()].count, 1); }
  [[nodiscard]] std::uint64_t sum() const noexcept {
    std::uint64_t sum = 0;
    for (const Shard& shard : shards_) sum += shard.count.load(std::memory_order_relaxed);
    return sum;
  }

 private:
  static constexpr std::size_t shard_count = 16;
  struct alignas(64) Shard {
    Count count{0};
  };
  static std::size_t shard() noexcept {
    static std::atomic<std::size_t> next{0};
    thread_local const std::size_t mine = next.fetch_add(1, std::memory_order_relaxed) % shard_count;
    return mine;
  }
  std::array<Shard, shard_count> shards_;
};

class Counters {
 public:
  void no_op_commit() noexcept { no_op_commits_.add_one(); }
  // `batches` batches shared a commit; the report's sites are those of all. Precondition: the engine's commit lock is
  // held.
  void committed(const CommitReport& report, std::uint32_t batches) noexcept;
  template <class Published>
  Result<Published> publication(Result<Published> result) noexcept {
    result ? add(publications_, 1) : failed(result.error().code());
    return result;
  }
  void failed(ErrorCode code) noexcept { add(failures_[static_cast<std::size_t>(code) % failures_.size()], 1); }
  void serialised(std::string_view mechanism) noexcept;  // a string literal, as CoreSerialiser::name() gives it

  void read(EngineStats& stats) const;  // may throw std::bad_alloc

 private:
  ShardedCount no_op_commits_;
  Count commits_{0}, sites_written_{0}, publications_{0};
  Count check_ns_{0}, write_ns_{0}, maintenance_ns_{0}, serialise_ns_{0};
  std::array<Count, 64> failures_{};  // by error code

  // An engine has few mechanisms; each takes a slot with its first serialisation.
  struct Mechanism {
    std::atomic<const char*> name{nullptr};
    Count count{0};
  };
  std::array<Mechanism, 4> mechanisms_{};
};

// Counts what the serialiser in it does.
std::unique_ptr<CoreSerialiser> make_counting_serialiser(std::unique_ptr<CoreSerialiser> counted, Counters& counters);

}  // namespace shunt::detail
