#include "tests/faults/sweep.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

#include "tests/engine/child.h"

namespace shunt::faults {
namespace {

// Where a message need not use the C library's name: what it says instead.
struct Instead {
  std::string_view call, said;
};
constexpr std::array kInstead = {
    Instead{"fcntl", "F_ADD_SEALS"},
    Instead{"pthread_create", "thread"},
    Instead{"pthread_atfork", "fork"},
    Instead{"getdents64", "/proc/self/task"},
    Instead{"open", "/proc/self/task"},
    Instead{"fstatat", "/proc/self/task"},
    Instead{"fopen", "cannot read"},
    Instead{"fstat", "examine"},
    Instead{"fstat", "cannot open directory"},
    Instead{"clone", "the child that would try it cannot be made"},
    Instead{"waitpid", "waiting for the child"},
    Instead{"fchmodat", "chmod"},
};

struct Fault {
  std::size_t nth;
  std::string_view name;
  int error;
  Length length;
};

std::string text_of(const Fault& fault) {
  return std::string(fault.name) + " (call " + std::to_string(fault.nth) + ") fails " +
         (fault.length == Length::Once ? "once" : "for good") + ": " + std::strerror(fault.error);
}

std::string resources(const Operation& operation) {
  return "mappings " + (operation.may_keep_mappings ? "not looked at" : live_mappings()) + "; descriptors " +
         open_descriptors() + "; state " + operation.state();
}

Status attempted(const Operation& operation) {
  try {
    return operation.attempt();
  } catch (const std::exception& error) {
    ADD_FAILURE() << "an exception left the operation: " << error.what();
    return make_error(ErrorCode::InvalidArgument, std::string("exception: ") + error.what());
  }
}

void expect_works(const Operation& operation, const Status& status, const char* when) {
  EXPECT_TRUE(status) << when << ": " << (status ? "" : status.error().message());
  if (status) operation.works();
}

// One round. True: the attempt was refused.
bool round(const Operation& operation, const Fault& fault) {
  const std::string at_start = live_mappings();
  operation.prepare();
  const std::string before = resources(operation);
  Injection injection(fault.nth, fault.error, fault.length);
  const Status status = attempted(operation);
  injection.end();
  EXPECT_TRUE(injection.struck()) << "the operation makes other calls than it did before";
  if (status) {
    operation.works();
  } else {
    EXPECT_TRUE(names(status.error().message(), fault.name, fault.error)) << status.error().message();
    if (!operation.leaves(status.error())) {
      EXPECT_EQ(resources(operation), before) << status.error().message();
    }
    expect_works(operation, attempted(operation), "without the fault");
  }
  operation.finish();
  if (!operation.in_children) {
    EXPECT_EQ(live_mappings(), at_start) << "left behind";
  }
  return !status;
}

// What has failed in this test, as a number: in a child, what failed before it is none of its business.
int parts_so_far() {
  return testing::UnitTest::GetInstance()->current_test_info()->result()->total_part_count();
}

// Of the operation, done without a fault; in a child they come by a pipe.
std::vector<std::string> calls_of(const Operation& operation) {
  std::vector<std::string> names;
  const auto record = [&] {
    operation.prepare();
    Injection none;
    const Status status = attempted(operation);
    none.end();
    expect_works(operation, status, "without a fault");
    operation.finish();
    for (const Call& call : none.calls()) names.emplace_back(call.name);
  };
  if (!operation.in_children) {
    record();
    return names;
  }
  std::FILE* const passed = std::tmpfile();
  const int result = test::in_child([&] {
    const int parts = parts_so_far();
    record();
    for (const std::string& name : names) std::fprintf(passed, "%s\n", name.c_str());
    std::fflush(passed);
    return parts_so_far() != parts ? 1 : 0;
  });
  EXPECT_EQ(result, 0);
  std::rewind(passed);
  names.clear();
  for (std::array<char, 64> line; std::fgets(line.data(), line.size(), passed) != nullptr;)
    names.emplace_back(line.data(), std::strcspn(line.data(), "\n"));
  std::fclose(passed);
  return names;
}

}  // namespace

bool names(std::string_view message, std::string_view call, int error) {
  const auto says = [&](std::string_view text) { return message.find(text) != std::string_view::npos; };
  const auto instead = [&](const Instead& other) { return other.call == call && says(other.said); };
  if (call == "madvise" && error == EFAULT) error = ENOMEM;  // the system's way to say it of a memory file's pages
  return says(std::strerror(error)) && (says(call) || std::any_of(kInstead.begin(), kInstead.end(), instead));
}

Swept sweep(const char* name, const Operation& operation) {
  Swept swept;
  const std::vector<std::string> calls = calls_of(operation);
  swept.calls = calls.size();
  EXPECT_FALSE(calls.empty()) << name << " makes no call that could fail";
  for (std::size_t nth = 0; nth < calls.size(); ++nth) {
    for (const int error : errors_of(calls[nth])) {
      for (const Length length : {Length::Once, Length::ForGood}) {
        const Fault fault{nth, calls[nth], error, length};
        // A call that is interrupted for good would be made for good.
        if (error == EINTR && length == Length::ForGood) continue;
        SCOPED_TRACE(std::string(name) + ": " + text_of(fault));
        bool refused = false;
        if (operation.in_children) {
          constexpr int kRefused = 2;
          const int result = test::in_child([&] {
            const int parts = parts_so_far();
            const bool was = round(operation, fault);
            return parts_so_far() != parts ? 1 : was ? kRefused : 0;
          });
          EXPECT_TRUE(result == 0 || result == kRefused) << "the child ended with " << result;
          refused = result == kRefused;
        } else {
          refused = round(operation, fault);
        }
        ++swept.rounds;
        swept.refused += refused ? 1 : 0;
      }
    }
  }
  std::printf("%s: %zu calls, %zu faults, %zu refused, %zu done in another way\n", name, swept.calls, swept.rounds,
              swept.refused, swept.rounds - swept.refused);
  return swept;
}

}  // namespace shunt::faults
