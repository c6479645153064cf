// Threads that stand where a test puts them, with frames that the test makes up.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "shunt/engine.h"
#include "tests/engine/host_code.h"
#include "tests/engine/test_code.h"

namespace shunt::test {

using namespace std::chrono_literals;

// Long enough to be sure that a wait does not end by itself before the test is over; nothing waits for it to pass.
inline constexpr auto never = std::chrono::minutes(10);
// What a wait that cannot succeed is given.
inline constexpr auto moment = std::chrono::milliseconds(20);

// A thread that does what the test tells it, one thing after the other, and stays where it is in between.
class Actor {
 public:
  Actor() : thread_([this] { run(); }) {}
  ~Actor() {
    if (!thread_.joinable()) return;
    start([this] { stop_ = true; });
    thread_.join();
  }
  Actor(const Actor&) = delete;

  // Begins; the future is ready when it is done.
  std::future<void> start(std::function<void()> step) {
    std::packaged_task<void()> task(std::move(step));
    std::future<void> done = task.get_future();
    const std::lock_guard hold(lock_);
    steps_.push_back(std::move(task));
    changed_.notify_one();
    return done;
  }
  void act(std::function<void()> step) { start(std::move(step)).get(); }

  void attach(Engine& engine, ThreadOptions options) {
    act([&] {
      auto attached = Thread::attach(engine, std::move(options));
      ASSERT_TRUE(attached) << attached.error().message();
      attached_.emplace(std::move(*attached));
    });
  }
  void detach() {
    act([&] { attached_.reset(); });
  }
  // Ends the thread as it is.
  void end() {
    start([this] { stop_ = true; });
    thread_.join();
  }
  void enter() {
    act([&] { guest_.emplace(*attached_, nullptr); });
  }
  void leave() {
    act([&] { guest_.reset(); });
  }
  void host(GuestFrame frame = {}) {
    act([&] { host_.emplace(*attached_, frame); });
  }
  void back() {
    act([&] { host_.reset(); });
  }
  void safepoint(GuestFrame frame = {}) {
    act([&] { attached_->safepoint_at(frame); });
  }
  Thread& attached() { return *attached_; }
  void forget_attachment() { attached_.reset(); }

 private:
  void run() {
    while (!stop_) {
      std::unique_lock hold(lock_);
      changed_.wait(hold, [&] { return !steps_.empty(); });
      std::packaged_task<void()> step = std::move(steps_.front());
      steps_.erase(steps_.begin());
      hold.unlock();
      step();
    }
  }

  bool stop_ = false;
  std::mutex lock_;
  std::condition_variable changed_;
  std::vector<std::packaged_task<void()>> steps_;
  std::optional<Thread> attached_;
  std::optional<GuestScope> guest_;
  std::optional<HostScope> host_;
  std::thread thread_;
};

class Quiescence : public testing::Test {
 protected:
  void SetUp() override {
    auto engine = Engine::create();
    ASSERT_TRUE(engine) << engine.error().message();
    engine_ = std::move(*engine);
    old_ = published(*engine_, 128, {});
  }

  // Its frames are what the test says: the "frame pointer" is a list of return addresses.
  void attach(Actor& actor, const std::string& name) {
    actor.attach(*engine_, {name, [](const GuestFrame& innermost, const void*, AddressVisitor& visit) {
                              if (innermost.resume_point != nullptr) visit(innermost.resume_point);
                              if (innermost.frame_pointer == nullptr) return;
                              for (const void* address : *static_cast<const Addresses*>(innermost.frame_pointer))
                                visit(address);
                            }});
  }
  using Addresses = std::vector<const void*>;
  static GuestFrame frame(const void* resume_point, const Addresses* frames = nullptr) {
    return {resume_point, nullptr, frames};
  }
  [[nodiscard]] CodeExtent old_path() const { return {old_.data(), old_.size()}; }
  [[nodiscard]] const void* in_old(std::size_t offset = 5) const { return old_.data() + offset; }

  std::future<Result<QuiescenceReport>> draining(const WaitLimit& limit = never) {
    return std::async(std::launch::async, [this, limit] {
      const std::array extents = {old_path()};
      return engine_->drain(extents, limit);
    });
  }
  std::future<Result<QuiescenceReport>> settling(const WaitLimit& limit = never) {
    return std::async(std::launch::async, [this, limit] { return engine_->settle(limit); });
  }
  [[nodiscard]] Result<QuiescenceReport> drain(const WaitLimit& limit) {
    const std::array extents = {old_path()};
    return engine_->drain(extents, limit);
  }

  // Passes safepoints with these frames until `waiting` is over, or has seen so many.
  template <class Waiting>
  static bool pass_safepoints(Actor& actor, const Waiting& waiting, GuestFrame frame = {}, int at_most = 10'000) {
    for (int i = 0; i < at_most; ++i) {
      actor.safepoint(frame);
      if (waiting.wait_for(1ms) == std::future_status::ready) return true;
    }
    return false;
  }
  // Passes safepoints with these frames until the thread was looked at three times, or `waiting` is over: true. However
  // slow the machine, a wait that one look ends does not get away with it.
  template <class Waiting>
  bool ends_by_looks(Actor& actor, const Waiting& waiting, GuestFrame frame = {}) {
    const std::uint64_t enough = engine_->quiescence_counts().looks + 3;
    while (engine_->quiescence_counts().looks < enough) {
      if (pass_safepoints(actor, waiting, frame, 1)) return true;
    }
    return false;
  }
  static void expect_error(const Result<QuiescenceReport>& result, ErrorCode code, const std::string& text) {
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code(), code) << result.error().message();
    EXPECT_NE(result.error().message().find(text), std::string::npos) << result.error().message();
  }

  std::unique_ptr<Engine> engine_;
  Code old_;
};

}  // namespace shunt::test
