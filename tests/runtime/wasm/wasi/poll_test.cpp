#include <chrono>
#include <initializer_list>

#include "fake_guest.h"

namespace shunt::wasi {
namespace {

using std::chrono::steady_clock;

class PollOneoff : public FakeGuest {
 protected:
  static Subscription clock(std::uint64_t userdata, std::uint64_t timeout, ClockId id = ClockId::Monotonic,
                            std::uint16_t flags = 0) {
    Subscription result{};
    result.userdata = userdata;
    result.type = EventType::Clock;
    result.clock = {.id = id, .padding = 0, .timeout = timeout, .precision = 0, .flags = flags};
    return result;
  }
  static Subscription descriptor(std::uint64_t userdata, EventType type, Fd fd) {
    Subscription result{};
    result.userdata = userdata;
    result.type = type;
    result.fd = fd;
    return result;
  }

  std::vector<Event> poll(std::initializer_list<Subscription> subscriptions) {
    const auto count = static_cast<std::uint32_t>(subscriptions.size());
    const Address in = allocate(count * sizeof(Subscription));
    const Address out = allocate(count * sizeof(Event));
    const Address events = allocate(4);
    std::uint64_t place = in;
    for (const Subscription& subscription : subscriptions) {
      EXPECT_TRUE(memory().store(place, subscription));
      place += sizeof(Subscription);
    }
    EXPECT_EQ(poll_oneoff(call(), in, out, count, events), Errno::Success);
    std::vector<Event> result;
    for (std::uint32_t i = 0; i < get<std::uint32_t>(events); ++i) {
      result.push_back(get<Event>(out + i * static_cast<std::uint32_t>(sizeof(Event))));
    }
    return result;
  }
};

constexpr std::uint64_t millisecond = 1'000'000;
constexpr std::uint64_t hour = std::uint64_t{3600} * 1'000'000'000;

TEST_F(PollOneoff, ATimeoutComesNotBeforeItsTime) {
  const auto start = steady_clock::now();
  const std::vector<Event> events = poll({clock(7, 20 * millisecond)});
  EXPECT_GE(steady_clock::now() - start, std::chrono::milliseconds(20));
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].userdata, 7u);
  EXPECT_EQ(events[0].type, EventType::Clock);
  EXPECT_EQ(events[0].error, Errno::Success);
}

TEST_F(PollOneoff, TheEarliestOfSeveralComesAlone) {
  const std::vector<Event> events =
      poll({clock(1, hour), clock(2, 5 * millisecond, ClockId::Realtime), clock(3, UINT64_MAX)});
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].userdata, 2u);
}

TEST_F(PollOneoff, AbsoluteTimesOfThePastAreDueAtOnce) {
  const auto start = steady_clock::now();
  const std::vector<Event> events = poll({clock(1, 5, ClockId::Realtime, subscription_absolute_time),
                                          clock(2, 5, ClockId::Monotonic, subscription_absolute_time)});
  EXPECT_LT(steady_clock::now() - start, std::chrono::seconds(1));
  EXPECT_EQ(events.size(), 2u);
}

TEST_F(PollOneoff, AnAbsoluteTimeIsWaitedFor) {
  const Address time = allocate(8);
  ASSERT_EQ(clock_time_get(call(), 1, 0, time), Errno::Success);
  const auto start = steady_clock::now();
  const std::vector<Event> events =
      poll({clock(1, get<std::uint64_t>(time) + 20 * millisecond, ClockId::Monotonic, subscription_absolute_time)});
  EXPECT_GE(steady_clock::now() - start, std::chrono::milliseconds(15));
  EXPECT_LT(steady_clock::now() - start, std::chrono::seconds(5));
  EXPECT_EQ(events.size(), 1u);
}

TEST_F(PollOneoff, InputThatIsThereComesBeforeTheTimeout) {
  ASSERT_EQ(::write(outer_[0].get(), "abc", 3), 3);
  const std::vector<Event> events = poll({descriptor(1, EventType::FdRead, 0), clock(2, hour)});
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].userdata, 1u);
  EXPECT_EQ(events[0].type, EventType::FdRead);
  EXPECT_EQ(events[0].bytes, 3u);
  EXPECT_EQ(events[0].flags, 0u);
}

TEST_F(PollOneoff, TheTimeoutComesWhenThereIsNoInput) {
  const std::vector<Event> events = poll({descriptor(1, EventType::FdRead, 0), clock(2, millisecond)});
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].userdata, 2u);
}

TEST_F(PollOneoff, TheOtherEndsCloseIsAHangup) {
  outer_[0] = {};
  const std::vector<Event> events = poll({descriptor(1, EventType::FdRead, 0)});
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].flags, event_hangup);
  EXPECT_EQ(events[0].bytes, 0u);
}

TEST_F(PollOneoff, FilesAreAlwaysReadyAndTellWhatIsLeft) {
  write_file(sandbox_ / "f", "0123456789");
  Fd file = 0;
  ASSERT_EQ(open("f", 0, file), Errno::Success);
  std::string got;
  ASSERT_EQ(read(file, 4, got), Errno::Success);
  const std::vector<Event> events =
      poll({descriptor(1, EventType::FdRead, file), descriptor(2, EventType::FdWrite, file)});
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].bytes, 6u);
  EXPECT_EQ(events[1].type, EventType::FdWrite);
  EXPECT_GT(events[1].bytes, 0u);
}

TEST_F(PollOneoff, WhatIsWrongWithASubscriptionIsItsEvent) {
  const std::vector<Event> events =
      poll({descriptor(1, EventType::FdRead, 99), descriptor(2, EventType::FdRead, root), clock(3, 0, ClockId{9}),
            clock(4, 0, ClockId::ProcessCpuTime), clock(5, 0, ClockId::Monotonic, 2), descriptor(6, EventType{3}, 0),
            clock(7, hour)});
  ASSERT_EQ(events.size(), 6u);  // and no waiting for the last
  EXPECT_EQ(events[0].error, Errno::BadF);
  EXPECT_EQ(events[1].error, Errno::NotCapable);
  EXPECT_EQ(events[2].error, Errno::Inval);
  EXPECT_EQ(events[3].error, Errno::NotSup);
  EXPECT_EQ(events[4].error, Errno::Inval);
  EXPECT_EQ(events[5].error, Errno::Inval);
}

TEST_F(PollOneoff, ChecksItsArguments) {
  const Address place = allocate(64);
  EXPECT_EQ(poll_oneoff(call(), place, place, 0, place), Errno::Inval);
  EXPECT_EQ(poll_oneoff(call(), memory_size - 47, place, 1, place), Errno::Fault);
  EXPECT_EQ(poll_oneoff(call(), place, memory_size - 31, 1, place), Errno::Fault);
  EXPECT_EQ(poll_oneoff(call(), place, place, 1, memory_size - 3), Errno::Fault);
  EXPECT_EQ(poll_oneoff(call(), place, place, 0xffffffff, place), Errno::Fault);
  EXPECT_EQ(poll_oneoff(call(), 64, 64, 4097, place), Errno::Inval);
}

}  // namespace
}  // namespace shunt::wasi
