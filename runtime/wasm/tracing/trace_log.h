// What one tracer has recorded. Each store writes to a stream of its own, whose chunks only it fills; so recording
// takes no lock but when a chunk is full.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace shunt::wasm {

struct TraceEvent {
  enum class Kind : std::uint8_t {
    Enter,
    Leave,
    EnterHost,  // a function of the host was called
    LeaveHost,
    Unwind,  // the frames below `frame` are gone, for a reason (UnwindReason, or a TrapCode) in `function`
  };

  std::uint64_t time_ns;   // since the log began
  std::uint32_t function;  // of the module's index space
  std::uint32_t frame;     // words from the stack's top to the frame's stack pointer
  std::uint32_t thread;    // kernel's id
  std::uint16_t module;    // of the log
  Kind kind;
};
static_assert(sizeof(TraceEvent) == 24);

// An Unwind's `function` where it is no TrapCode.
inline constexpr std::uint32_t unwound_by_exit = ~std::uint32_t{0};

struct TraceChunk {
  static constexpr std::uint32_t capacity = 682;
  // Release by the store's thread when an event is complete, acquire by who reads it. A chunk is never used again.
  std::atomic<std::uint32_t> count{0};
  std::array<TraceEvent, capacity> events;
};
static_assert(sizeof(TraceChunk) <= 16 * 1024);

// How many bytes all streams may still take.
class TraceBudget {
 public:
  explicit TraceBudget(std::size_t bytes) : left_(bytes), all_(bytes) {}
  bool take() noexcept;
  void give_back() noexcept { left_.fetch_add(sizeof(TraceChunk), std::memory_order_relaxed); }  // a count
  [[nodiscard]] bool is_used_up() const noexcept { return left_.load(std::memory_order_relaxed) < sizeof(TraceChunk); }
  [[nodiscard]] std::size_t used() const noexcept { return all_ - left_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::size_t> left_;
  std::size_t all_;
};

class TraceStream {
 public:
  using Chunks = std::vector<std::shared_ptr<const TraceChunk>>;

  explicit TraceStream(std::shared_ptr<TraceBudget> budget) : budget_(std::move(budget)) {}
  ~TraceStream();
  TraceStream(const TraceStream&) = delete;
  TraceStream& operator=(const TraceStream&) = delete;

  // The store's thread only. Where there is no room for it, the event is counted as lost.
  void add(const TraceEvent& event) noexcept {
    const std::uint32_t count =
        current_ == nullptr ? TraceChunk::capacity : current_->count.load(std::memory_order_relaxed);
    if (count == TraceChunk::capacity) return add_to_next(event);
    current_->events[count] = event;
    current_->count.store(count + 1, std::memory_order_release);
  }

  // Any thread.
  [[nodiscard]] Chunks chunks() const;
  [[nodiscard]] std::uint64_t recorded() const;  // events, those that were lost among them
  [[nodiscard]] std::uint64_t lost() const noexcept { return lost_.load(std::memory_order_relaxed); }
  void forget() noexcept;  // the tracer has ended: gives up what the store's thread does not write to

  // The thread that the store's events came from last; the store's thread only.
  std::uint32_t thread = 0;

 private:
  void add_to_next(const TraceEvent& event) noexcept;
  bool next_chunk() noexcept;
  void drop_oldest() noexcept;

  const std::shared_ptr<TraceBudget> budget_;
  TraceChunk* current_ = nullptr;       // the last of chunks_; the store's thread only
  std::atomic<std::uint64_t> lost_{0};  // relaxed: a count
  mutable std::mutex mutex_;            // protects what follows; a leaf
  std::deque<std::shared_ptr<TraceChunk>> chunks_;
};

class TraceLog {
 public:
  // What a module's functions are called, of those that were ever traced.
  struct Module {
    std::string name;
    std::map<std::uint32_t, std::string> functions;
  };

  explicit TraceLog(std::size_t max_bytes);

  const std::uint64_t id;  // of no other log of the process; not 0
  const std::chrono::steady_clock::time_point begin = std::chrono::steady_clock::now();

  // The module's number in the log: a new one each time. May throw std::bad_alloc.
  std::uint16_t add_module(std::string name);
  void name_function(std::uint16_t module, std::uint32_t function, std::string name);
  // The calling thread writes events. Errors: none; a thread whose name finds no room has none.
  void add_thread(std::uint32_t thread) noexcept;
  // Of a store that has none yet. Where all memory is in use, the streams of stores that have ended make room, the
  // oldest first. May throw std::bad_alloc.
  std::shared_ptr<TraceStream> add_stream();
  // The tracer has ended: nobody asks for the contents any more.
  void end() noexcept;
  [[nodiscard]] bool has_ended() const noexcept { return has_ended_.load(std::memory_order_relaxed); }  // a hint

  struct Contents {
    std::vector<Module> modules;  // by number
    std::map<std::uint32_t, std::string> threads;
    std::vector<TraceStream::Chunks> streams;
    std::uint64_t lost = 0;
    std::uint64_t now_ns = 0;  // since the log began
  };
  [[nodiscard]] Contents contents() const;
  [[nodiscard]] std::size_t bytes() const noexcept { return budget_->used(); }

 private:
  const std::shared_ptr<TraceBudget> budget_;
  std::atomic<bool> has_ended_{false};
  mutable std::mutex mutex_;  // protects what follows; streams' locks come after it
  std::vector<Module> modules_;
  std::map<std::uint32_t, std::string> threads_;
  std::vector<std::shared_ptr<TraceStream>> streams_;
  std::uint64_t lost_ = 0;  // of streams that made room
};

}  // namespace shunt::wasm
