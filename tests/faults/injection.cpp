#include "tests/faults/injection.h"

#include <dirent.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <map>
#include <mutex>

#include "tests/faults/wrapped.h"

namespace shunt::faults {
namespace {

struct Plan {
  bool armed = false;
  Reach reach = Reach::ThisThread;
  Length length = Length::Once;
  pthread_t thread{};
  std::string_view name;  // if it is not empty, what fails; else the call with the number `nth`
  std::optional<std::size_t> nth;
  int error = 0;
  bool struck = false;
  std::vector<Call> calls;
};

// Never destroyed: the product makes calls while the process ends. Left alone while nothing is armed, also by children
// that were made with the lock held.
struct State {
  std::mutex lock;  // protects the rest
  Plan plan;
};
State& state() {
  static auto* const made = new State;
  return *made;
}
std::atomic<bool> any_armed{false};

struct Mappings {
  std::mutex lock;
  std::map<std::uintptr_t, std::uintptr_t> ranges;  // begin -> end
};
Mappings& mappings() {
  static auto* const made = new Mappings;
  return *made;
}

void cut(std::map<std::uintptr_t, std::uintptr_t>& ranges, std::uintptr_t begin, std::uintptr_t end) {
  auto at = ranges.upper_bound(begin);
  if (at != ranges.begin()) --at;
  while (at != ranges.end() && at->first < end) {
    const auto [from, to] = *at;
    if (to <= begin) {
      ++at;
      continue;
    }
    at = ranges.erase(at);
    if (from < begin) ranges.emplace(from, begin);
    if (to > end) at = ranges.emplace(end, to).first;
  }
}

bool strikes(Plan& plan, std::string_view name, std::size_t number) {
  const bool meant = plan.nth ? number == *plan.nth : !plan.name.empty() && plan.name == name;
  if (!plan.struck && meant) {
    plan.struck = true;
    plan.name = name;
    return true;
  }
  return plan.struck && plan.length == Length::ForGood && plan.name == name;
}

void arm(Plan plan) {
  plan.armed = true;
  plan.thread = pthread_self();
  plan.calls.reserve(4096);
  const std::lock_guard hold(state().lock);
  state().plan = std::move(plan);
  any_armed.store(true);
}

}  // namespace

int fault_of(std::string_view name) {
  if (!any_armed.load() || errors_of(name).empty()) return 0;
  const std::lock_guard hold(state().lock);
  Plan& plan = state().plan;
  if (!plan.armed || (plan.reach == Reach::ThisThread && !pthread_equal(plan.thread, pthread_self()))) return 0;
  const bool fails = strikes(plan, name, plan.calls.size());
  plan.calls.push_back({name, fails});
  return fails ? plan.error : 0;
}

void note_mapped(const void* begin, std::size_t size) {
  const auto at = reinterpret_cast<std::uintptr_t>(begin);
  const std::lock_guard hold(mappings().lock);
  cut(mappings().ranges, at, at + size);
  mappings().ranges.emplace(at, at + size);
}

void note_unmapped(const void* begin, std::size_t size) {
  const auto at = reinterpret_cast<std::uintptr_t>(begin);
  const std::lock_guard hold(mappings().lock);
  cut(mappings().ranges, at, at + size);
}

Injection::Injection(Reach reach) {
  arm({.reach = reach});
}
Injection::Injection(std::size_t nth, int error, Length length, Reach reach) {
  arm({.reach = reach, .length = length, .nth = nth, .error = error});
}
Injection::Injection(std::string_view name, int error, Length length, Reach reach) {
  arm({.reach = reach, .length = length, .name = name, .error = error});
}
Injection::~Injection() {
  end();
}

void Injection::end() {
  any_armed.store(false);
  const std::lock_guard hold(state().lock);
  state().plan.armed = false;
}

std::vector<Call> Injection::calls() const {
  const std::lock_guard hold(state().lock);
  return state().plan.calls;
}

bool Injection::struck() const {
  const std::lock_guard hold(state().lock);
  return state().plan.struck;
}

const std::vector<int>& errors_of(std::string_view name) {
  static const auto* const errors = new std::map<std::string_view, std::vector<int>>{
      {"accept4", {EMFILE, ENOMEM}},
      {"bind", {EACCES, EROFS}},
      {"clone", {EAGAIN, ENOMEM}},
      {"connect", {EACCES, EAGAIN}},
      {"eventfd", {EMFILE, ENOMEM}},
      {"fchmodat", {EPERM, EROFS}},
      {"fcntl", {EPERM}},
      {"fopen", {EMFILE, ENOENT}},
      {"fstat", {EIO, ENOMEM}},
      {"fstatat", {EACCES}},
      {"ftruncate", {ENOSPC, EIO}},
      {"getdents64", {EIO, ENOENT}},
      {"inotify_add_watch", {ENOSPC, ENOMEM, EACCES}},
      {"inotify_init1", {EMFILE, ENOMEM}},
      {"listen", {EADDRINUSE, EACCES}},
      {"madvise", {ENOMEM, EFAULT, EINVAL}},
      {"membarrier", {EINVAL, EPERM, ENOSYS}},
      {"memfd_create", {EMFILE, ENOMEM, ENOSYS, EINVAL}},
      {"mkdir", {EACCES, ENOSPC}},
      {"mmap", {ENOMEM, EPERM}},
      {"mprotect", {ENOMEM, EACCES}},
      {"mremap", {ENOMEM, EPERM}},
      {"open", {EMFILE, EACCES, ENOENT}},
      {"openat", {EMFILE, EACCES}},
      {"pthread_atfork", {ENOMEM}},
      {"pthread_create", {EAGAIN, EPERM}},
      {"pthread_getattr_np", {ENOMEM}},
      {"read", {EIO, EINTR}},
      {"sigaction", {EPERM}},
      {"sigaltstack", {ENOMEM, EPERM}},
      {"socket", {EMFILE, EACCES}},
      {"stat", {EACCES, EIO}},
      {"tgkill", {EPERM, EAGAIN}},
      {"waitpid", {ECHILD, EINTR}},
      {"write", {ENOSPC, EINTR, EIO}},
  };
  static const std::vector<int> none;
  const auto found = errors->find(name);
  return found == errors->end() ? none : found->second;
}

std::string live_mappings() {
  const std::lock_guard hold(mappings().lock);
  std::string text;
  std::uintptr_t end = 0;
  for (const auto& [from, to] : mappings().ranges) {  // neighbours are one
    if (from != end) text += (text.empty() ? "" : " ") + std::to_string(from);
    end = to;
    const auto next = mappings().ranges.upper_bound(from);
    if (next == mappings().ranges.end() || next->first != to) text += "-" + std::to_string(to);
  }
  return text;
}

std::string open_descriptors() {
  std::vector<std::string> names;
  DIR* const folder = opendir("/proc/self/fd");
  if (folder == nullptr) return "unknown";
  const std::string own = std::to_string(dirfd(folder));
  while (const dirent* entry = readdir(folder)) {
    if (entry->d_name[0] != '.' && own != entry->d_name) names.emplace_back(entry->d_name);
  }
  closedir(folder);
  std::sort(names.begin(), names.end());
  std::string text;
  for (const std::string& name : names) text += name + " ";
  return text;
}

}  // namespace shunt::faults
