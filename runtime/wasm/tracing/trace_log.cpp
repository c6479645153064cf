#include "runtime/wasm/tracing/trace_log.h"

#include <pthread.h>

#include <algorithm>
#include <new>

namespace shunt::wasm {

bool TraceBudget::take() noexcept {
  std::size_t left = left_.load(std::memory_order_relaxed);  // a count: orders nothing
  while (left >= sizeof(TraceChunk)) {
    if (left_.compare_exchange_weak(left, left - sizeof(TraceChunk), std::memory_order_relaxed)) return true;
  }
  return false;
}

// --- a store's stream ---

TraceStream::~TraceStream() {
  for (std::size_t i = 0; i < chunks_.size(); ++i) budget_->give_back();
}

void TraceStream::add_to_next(const TraceEvent& event) noexcept {
  if (!next_chunk()) {
    lost_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  current_->events[0] = event;
  current_->count.store(1, std::memory_order_release);
}

// Where all memory is in use, the stream's oldest chunk makes room.
bool TraceStream::next_chunk() noexcept {
  const std::scoped_lock hold(mutex_);
  if (!budget_->take()) {
    if (chunks_.empty()) return false;
    drop_oldest();
    current_ = nullptr;
    if (!budget_->take()) return false;  // another stream was faster
  }
  try {
    chunks_.push_back(std::make_shared<TraceChunk>());
  } catch (const std::bad_alloc&) {
    budget_->give_back();
    current_ = nullptr;
    return false;
  }
  current_ = chunks_.back().get();
  return true;
}

void TraceStream::drop_oldest() noexcept {
  lost_.fetch_add(chunks_.front()->count.load(std::memory_order_relaxed), std::memory_order_relaxed);
  chunks_.pop_front();
  budget_->give_back();
}

TraceStream::Chunks TraceStream::chunks() const {
  const std::scoped_lock hold(mutex_);
  return {chunks_.begin(), chunks_.end()};
}

std::uint64_t TraceStream::recorded() const {
  std::uint64_t events = lost();
  for (const auto& chunk : chunks()) events += chunk->count.load(std::memory_order_acquire);
  return events;
}

void TraceStream::forget() noexcept {
  const std::scoped_lock hold(mutex_);
  while (chunks_.size() > 1) drop_oldest();
}

// --- the log ---

namespace {

std::uint64_t next_id() {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

}  // namespace

TraceLog::TraceLog(std::size_t max_bytes) : id(next_id()), budget_(std::make_shared<TraceBudget>(max_bytes)) {}

std::uint16_t TraceLog::add_module(std::string name) {
  const std::scoped_lock hold(mutex_);
  modules_.push_back({std::move(name), {}});
  return static_cast<std::uint16_t>(modules_.size() - 1);
}

void TraceLog::name_function(std::uint16_t module, std::uint32_t function, std::string name) {
  const std::scoped_lock hold(mutex_);
  modules_[module].functions.insert_or_assign(function, std::move(name));
}

void TraceLog::add_thread(std::uint32_t thread) noexcept {
  std::array<char, 64> name{};
  pthread_getname_np(pthread_self(), name.data(), name.size());
  try {
    const std::scoped_lock hold(mutex_);
    threads_.insert_or_assign(thread, name.data());
  } catch (const std::bad_alloc&) {
    return;  // it has no name
  }
}

std::shared_ptr<TraceStream> TraceLog::add_stream() {
  auto stream = std::make_shared<TraceStream>(budget_);
  const std::scoped_lock hold(mutex_);
  while (budget_->is_used_up()) {
    // Nobody else has it, so nobody can get it: only this object hands streams out, under its lock.
    const auto ended =
        std::find_if(streams_.begin(), streams_.end(), [](const auto& other) { return other.use_count() == 1; });
    if (ended == streams_.end()) break;
    lost_ += (*ended)->recorded();
    streams_.erase(ended);
  }
  streams_.push_back(stream);
  return stream;
}

void TraceLog::end() noexcept {
  has_ended_.store(true, std::memory_order_relaxed);
  const std::scoped_lock hold(mutex_);
  for (const auto& stream : streams_) stream->forget();
  streams_.clear();
}

TraceLog::Contents TraceLog::contents() const {
  Contents contents;
  {
    const std::scoped_lock hold(mutex_);
    contents.modules = modules_;
    contents.threads = threads_;
    contents.lost = lost_;
    for (const auto& stream : streams_) {
      contents.streams.push_back(stream->chunks());
      contents.lost += stream->lost();
    }
  }
  contents.now_ns =
      static_cast<std::uint64_t>(std::chrono::nanoseconds(std::chrono::steady_clock::now() - begin).count());
  return contents;
}

}  // namespace shunt::wasm
