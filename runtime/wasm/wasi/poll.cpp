// Waiting for times and descriptors.
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <vector>

#include "runtime/wasm/wasi/clock.h"
#include "runtime/wasm/wasi/errno.h"
#include "runtime/wasm/wasi/functions.h"
#include "runtime/wasm/wasi/host_file.h"

namespace shunt::wasi {
namespace {

constexpr std::uint32_t max_subscriptions = 4096;

// Bytes that can be read now, as far as the host tells.
std::uint64_t readable_bytes(const Descriptor& descriptor) {
  const int fd = descriptor.host.get();
  if (descriptor.type == FileType::RegularFile) {
    struct stat status{};
    const off_t place = ::lseek(fd, 0, SEEK_CUR);
    if (place < 0 || ::fstat(fd, &status) != 0 || place > status.st_size) return 0;
    return static_cast<std::uint64_t>(status.st_size - place);
  }
  int bytes = 0;
  return ::ioctl(fd, FIONREAD, &bytes) == 0 && bytes > 0 ? static_cast<std::uint64_t>(bytes) : 0;
}

// One call of poll_oneoff: sorts the subscriptions, waits, and collects what happened.
class Poll {
 public:
  explicit Poll(DescriptorTable& descriptors) : descriptors_(descriptors) {}

  void add(const Subscription& subscription) {
    switch (subscription.type) {
      case EventType::Clock:
        return add_clock(subscription);
      case EventType::FdRead:
        return add_descriptor(subscription, rights::fd_read, POLLIN);
      case EventType::FdWrite:
        return add_descriptor(subscription, rights::fd_write, POLLOUT);
    }
    fail(subscription, Errno::Inval);
  }

  // Returns when at least one event has happened.
  Errno wait() {
    for (;;) {
      const std::optional<timespec> timeout = next_timeout();
      const int ready = ::ppoll(requests_.data(), requests_.size(), timeout ? &*timeout : nullptr, nullptr);
      if (ready < 0 && errno != EINTR) return last_errno();
      if (ready > 0) collect_descriptors();
      collect_clocks();
      if (!events_.empty()) return Errno::Success;
    }
  }

  [[nodiscard]] const std::vector<Event>& events() const { return events_; }

 private:
  struct Deadline {
    Subscription subscription;
    clockid_t clock;
    std::uint64_t time;
  };

  static Event event_for(const Subscription& subscription) {
    Event event{};
    event.userdata = subscription.userdata;
    event.type = subscription.type;
    return event;
  }

  void fail(const Subscription& subscription, Errno error) {
    Event event = event_for(subscription);
    event.error = error;
    events_.push_back(event);
  }

  void add_clock(const Subscription& subscription) {
    const std::optional<clockid_t> clock = host_clock(static_cast<std::uint32_t>(subscription.clock.id));
    if (!clock || (subscription.clock.flags & ~subscription_absolute_time) != 0)
      return fail(subscription, Errno::Inval);
    if (*clock != CLOCK_REALTIME && *clock != CLOCK_MONOTONIC) return fail(subscription, Errno::NotSup);
    std::uint64_t time = subscription.clock.timeout;
    if ((subscription.clock.flags & subscription_absolute_time) == 0 &&
        __builtin_add_overflow(now(*clock), subscription.clock.timeout, &time)) {
      time = std::numeric_limits<std::uint64_t>::max();
    }
    deadlines_.push_back({subscription, *clock, time});
  }

  void add_descriptor(const Subscription& subscription, Rights needed, short interest) {
    Descriptor* descriptor = nullptr;
    const Errno error = descriptors_.find(subscription.fd, needed | rights::poll_fd_readwrite, descriptor);
    if (error != Errno::Success) return fail(subscription, error);
    requests_.push_back({.fd = descriptor->host.get(), .events = interest, .revents = 0});
    subscriptions_.push_back(subscription);
  }

  // How long to wait for descriptors: until the first deadline; not at all if there are events already; nothing: for
  // ever.
  [[nodiscard]] std::optional<timespec> next_timeout() const {
    if (!events_.empty()) return timespec{};
    std::uint64_t shortest = std::numeric_limits<std::uint64_t>::max();
    for (const Deadline& deadline : deadlines_) {
      const std::uint64_t present = now(deadline.clock);
      std::uint64_t left = deadline.time > present ? deadline.time - present : 0;
      // The wall clock may be set while we wait, so it is looked at every second.
      if (deadline.clock == CLOCK_REALTIME) left = std::min(left, ns_per_second);
      shortest = std::min(shortest, left);
    }
    if (deadlines_.empty()) return std::nullopt;
    return to_timespec(shortest);
  }

  void collect_clocks() {
    for (const Deadline& deadline : deadlines_) {
      if (now(deadline.clock) >= deadline.time) events_.push_back(event_for(deadline.subscription));
    }
  }

  void collect_descriptors() {
    for (std::size_t i = 0; i < requests_.size(); ++i) {
      const short happened = requests_[i].revents;
      if (happened == 0) continue;
      Event event = event_for(subscriptions_[i]);
      if ((happened & POLLNVAL) != 0) event.error = Errno::BadF;
      if ((happened & (POLLHUP | POLLERR)) != 0) event.flags = event_hangup;
      if ((happened & POLLIN) != 0) event.bytes = readable_bytes(*descriptors_.find(subscriptions_[i].fd));
      if ((happened & POLLOUT) != 0) event.bytes = 1;  // at least
      events_.push_back(event);
    }
  }

  DescriptorTable& descriptors_;
  std::vector<pollfd> requests_;
  std::vector<Subscription> subscriptions_;  // of requests_
  std::vector<Deadline> deadlines_;
  std::vector<Event> events_;
};

}  // namespace

Errno poll_oneoff(Call call, Address in, Address out, std::uint32_t subscriptions, Address events) {
  const GuestResult<std::uint32_t> count(call.memory, events);
  if (!count.valid() || !call.memory.contains(in, std::uint64_t{subscriptions} * sizeof(Subscription)) ||
      !call.memory.contains(out, std::uint64_t{subscriptions} * sizeof(Event))) {
    return Errno::Fault;
  }
  if (subscriptions == 0 || subscriptions > max_subscriptions) return Errno::Inval;
  Poll poll(call.system.descriptors);
  for (std::uint32_t i = 0; i < subscriptions; ++i) {
    Subscription subscription{};
    static_cast<void>(call.memory.load(in + std::uint64_t{i} * sizeof(Subscription), subscription));
    poll.add(subscription);
  }
  if (const Errno error = poll.wait(); error != Errno::Success) return error;
  std::uint64_t place = out;
  for (const Event& event : poll.events()) {
    static_cast<void>(call.memory.store(place, event));
    place += sizeof(Event);
  }
  count.set(static_cast<std::uint32_t>(poll.events().size()));
  return Errno::Success;
}

}  // namespace shunt::wasi
