// Makes chosen calls of the C library fail, as the system may.
//
// The linker sends the calls that the product's own libraries make to injection.cpp (--wrap), and nobody else's: the C
// and C++ libraries, and the test framework, are not concerned. One injection at a time.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace shunt::faults {

enum class Reach { ThisThread, AllThreads };
enum class Length { Once, ForGood };  // that call alone, or every later one of the same function too

// One call that the product made. Calls of syscall(2) bear the name of the system call; the start of a std::thread is
// "pthread_create" too.
struct Call {
  std::string_view name;
  bool failed = false;
};

// From its beginning to its end, notes the calls, and makes one fail.
class Injection {
 public:
  // Makes none fail: what there is to fail is in calls() afterwards.
  explicit Injection(Reach reach = Reach::ThisThread);
  // The n-th call (from 0) that can_fail() fails with `error`.
  Injection(std::size_t nth, int error, Length length, Reach reach = Reach::ThisThread);
  // The first call of this name, and for good those after it.
  Injection(std::string_view name, int error, Length length, Reach reach);
  ~Injection();
  Injection(const Injection&) = delete;
  Injection& operator=(const Injection&) = delete;

  void end();  // as its end, earlier

  [[nodiscard]] std::vector<Call> calls() const;  // those that can fail
  [[nodiscard]] bool struck() const;
};

// What a call of this name fails with, on a system out of something, under a policy, or gone wrong. Empty for calls
// that cannot fail, or whose failure nobody could act on (munmap, close).
[[nodiscard]] const std::vector<int>& errors_of(std::string_view name);

// The address ranges that the product has mapped and not unmapped, as text: exact, whatever the heap does.
[[nodiscard]] std::string live_mappings();

// The open descriptors of the process, as text.
[[nodiscard]] std::string open_descriptors();

}  // namespace shunt::faults
