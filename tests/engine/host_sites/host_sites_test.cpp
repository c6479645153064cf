// Host sites of a program and of a library that it loads.
#include "shunt/host_site.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "engine/sites/host_modules.h"
#include "engine/sites/site_records.h"
#include "shunt/engine.h"
#include "tests/engine/child.h"
#include "tests/engine/host_sites/plugin.h"

namespace shunt::test {

StaticKey shared_key{"shared_key"};
StaticKey claimed_key{"claimed_key"};
StaticKeyOn begins_on{"begins_on"};
StaticKey exported{"exported"};
[[gnu::visibility("hidden")]] StaticKey hidden{"hidden"};
static StaticKey internal{"internal"};
inline StaticKey inline_key{"inline_key"};
StaticKey several[2] = {StaticKey{"several[0]"}, StaticKey{"several[1]"}};
struct Owner {
  static StaticKey member;
  int before = 0;
  StaticKey field{"field"};
};
StaticKey Owner::member{"member"};
Owner owner;

namespace {

StaticKey unnamed{"unnamed"};
StaticKey thrower{"thrower"};
StaticKey moved{"moved"};

// 1 if SHUNT_UNLIKELY finds the key on, plus 10 if SHUNT_LIKELY does.
template <auto& key>
[[gnu::noinline]] int look() {
  int found = 0;
  if (SHUNT_UNLIKELY(key)) found += 1;
  if (SHUNT_LIKELY(key)) found += 10;
  return found;
}

Engine& engine() {
  const Result<Engine*> made = Engine::process();
  if (!made) throw std::runtime_error(made.error().message());
  return **made;
}

Result<CommitReport> set(StaticKey& key, bool on) {
  PatchBatch batch(engine());
  batch.set(key, on);
  return batch.commit();
}

std::vector<std::string> mappings() {
  std::ifstream maps("/proc/self/maps");
  std::vector<std::string> lines;
  for (std::string line; std::getline(maps, line);) lines.push_back(line);
  return lines;
}

bool any_writable_and_executable() {
  const std::vector<std::string> lines = mappings();
  return std::any_of(lines.begin(), lines.end(), [](const std::string& line) {
    return line.find(" rwx") != std::string::npos || line.find(" -wx") != std::string::npos;
  });
}

// The line of /proc/self/maps that holds an address.
std::string mapping_of(const void* address) {
  for (const std::string& line : mappings()) {
    char* end = nullptr;
    const std::uintptr_t begin = std::strtoull(line.c_str(), &end, 16);
    const std::uintptr_t last = std::strtoull(end + 1, nullptr, 16);
    const auto wanted = reinterpret_cast<std::uintptr_t>(address);
    if (wanted >= begin && wanted < last) return line;
  }
  return {};
}

// Where the program's first site of the key stands. Precondition: the engine has taken the program over.
const void* site_of(const StaticKey& key) {
  const detail::HostModule& module = detail::host_module;
  for (const detail::HostSite* site = module.begin; site != module.end; ++site) {
    if (detail::HostModules::key_of(module, *site) == &key)
      return module.text + (static_cast<std::uint32_t>(site->code) & detail::SiteView::offset_mask);
  }
  return nullptr;
}

struct Library {
  Library() {
    handle = dlopen(SHUNT_TEST_PLUGIN, RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) throw std::runtime_error(dlerror());
    plugin = reinterpret_cast<Plugin (*)()>(dlsym(handle, "plugin"))();
  }
  ~Library() { dlclose(handle); }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
  void* handle;
  Plugin plugin;
};

template <auto& key>
void flips() {
  const bool began_on = key.enabled();
  for (const bool on : {!began_on, began_on, !began_on, began_on}) {
    const auto report = set(key, on);
    ASSERT_TRUE(report) << report.error().message();
    EXPECT_EQ(report->sites_written, 2U) << key.name();
    EXPECT_EQ(look<key>(), on ? 11 : 0) << key.name();
  }
  const auto again = set(key, began_on);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->sites_written, 0U);
  EXPECT_EQ(again->sites_unchanged, 2U);
}

TEST(HostSites, BeginInTheirKeysState) {
  EXPECT_EQ(look<unnamed>(), 0);
  EXPECT_EQ(look<begins_on>(), 11);
}

TEST(HostSites, FlipWithKeysOfEveryKind) {
  flips<unnamed>();
  flips<begins_on>();
  flips<exported>();
  flips<hidden>();
  flips<internal>();
  flips<inline_key>();
  flips<several[1]>();
  flips<Owner::member>();
  flips<owner.field>();
}

TEST(HostSites, TakeSixteenBytesEachAndNoCopy) {
  static_assert(sizeof(detail::HostSite) == 16);
  ASSERT_TRUE(set(unnamed, false));  // the engine exists, and has taken the program over
  const detail::HostModule& module = detail::host_module;
  ASSERT_TRUE(module.rewritten);
  const auto end = std::unique(module.begin, module.end,
                               [](const auto& a, const auto& b) { return a.key == b.key && a.code == b.code; });
  EXPECT_EQ(end, module.end) << "no site twice";
  std::size_t of_unnamed = 0;
  for (const detail::HostSite* site = module.begin; site != module.end; ++site)
    of_unnamed += detail::HostModules::key_of(module, *site) == &unnamed;
  EXPECT_EQ(of_unnamed, 2U);
}

TEST(HostSites, MoveTheirPagesBeforeTheFirstFlipAndStayReadOnly) {
  ASSERT_TRUE(set(moved, true)) << "the program's text is moved now, if it was not before";
  const std::string mapping = mapping_of(site_of(moved));
  EXPECT_NE(mapping.find(" r-x"), std::string::npos) << mapping;
  EXPECT_NE(mapping.find("shunt-text:"), std::string::npos) << mapping;
  EXPECT_FALSE(any_writable_and_executable());
  EXPECT_EQ(look<moved>(), 11);
  ASSERT_TRUE(set(moved, false));
  EXPECT_EQ(look<moved>(), 0);
}

TEST(HostSites, LeaveOtherPagesWithTheirFile) {
  ASSERT_TRUE(set(moved, true));
  const std::string program = std::filesystem::read_symlink("/proc/self/exe");
  std::size_t of_file = 0;
  for (const std::string& line : mappings())
    of_file += line.find(" r-xp") != std::string::npos && line.find(" " + program) != std::string::npos;
  EXPECT_GE(of_file, 1U) << "pages without sites stay shared with other processes";
  ASSERT_TRUE(set(moved, false));
}

TEST(HostSites, BelongToTheProcesssEngine) {
  auto other = Engine::create();
  ASSERT_TRUE(other) << other.error().message();
  PatchBatch batch(**other);
  batch.enable(unnamed);
  const auto refused = batch.commit();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::KeyBelongsToOtherEngine);
  EXPECT_NE(refused.error().message().find("Engine::process()"), std::string::npos) << refused.error().message();
  EXPECT_EQ(look<unnamed>(), 0);
}

[[gnu::noinline]] int throw_through_sites(int depth) {
  if (SHUNT_UNLIKELY(thrower)) {
    if (depth == 0) throw std::runtime_error("from a patched function");
    return throw_through_sites(depth - 1) + 1;
  }
  return depth;
}

TEST(HostSites, LetExceptionsThrough) {
  EXPECT_EQ(throw_through_sites(5), 5);
  ASSERT_TRUE(set(thrower, true));
  for (int i = 0; i < 100; ++i) EXPECT_THROW(throw_through_sites(5), std::runtime_error);
  ASSERT_TRUE(set(thrower, false));
  EXPECT_EQ(throw_through_sites(5), 5);
}

std::vector<std::string> names_seen;
StaticKey tracer{"tracer"};

}  // namespace

// Exported, so that backtrace_symbols() can name it.
extern "C" [[gnu::noinline, gnu::visibility("default")]] void shunt_test_traced() {
  if (SHUNT_UNLIKELY(tracer)) {
    std::array<void*, 64> frames;
    const int count = backtrace(frames.data(), static_cast<int>(frames.size()));
    char** const names = backtrace_symbols(frames.data(), count);
    for (int i = 0; i < count; ++i) names_seen.emplace_back(names[i]);
    std::free(names);
  }
}

namespace {

TEST(HostSites, ShowInBacktracesByName) {
  ASSERT_TRUE(set(tracer, true));
  ASSERT_NE(mapping_of(site_of(tracer)).find("shunt-text:"), std::string::npos);
  shunt_test_traced();
  ASSERT_TRUE(set(tracer, false));
  const auto named = [](const char* name) {
    return std::any_of(names_seen.begin(), names_seen.end(),
                       [&](const std::string& line) { return line.find(name) != std::string::npos; });
  };
  EXPECT_TRUE(named("shunt_test_traced"));
  EXPECT_TRUE(named("main")) << "frames beyond the moved text are found";
}

TEST(HostLibrary, TakesTheKeysStateBeforeItsConstructorsRun) {
  ASSERT_TRUE(set(shared_key, true));
  const Library library;
  EXPECT_EQ(library.plugin.early(), 11);
  EXPECT_EQ(library.plugin.shared(), 11);
  ASSERT_TRUE(set(shared_key, false));
  EXPECT_EQ(library.plugin.shared(), 0);
  EXPECT_EQ(library.plugin.early(), 11);
}

TEST(HostLibrary, IsForgottenWhenItIsUnloaded) {
  ASSERT_TRUE(set(shared_key, false));
  const auto sites_of_shared_key = [] {
    const auto report = set(shared_key, shared_key.enabled());
    return report ? report->sites_unchanged : ~std::size_t{0};
  };
  EXPECT_EQ(sites_of_shared_key(), 0U) << "the program has none";
  for (int i = 0; i < 20; ++i) {
    const Library library;
    ASSERT_EQ(sites_of_shared_key(), 3U);
    ASSERT_TRUE(set(shared_key, true));
    EXPECT_EQ(library.plugin.shared(), 11);
    ASSERT_TRUE(set(*library.plugin.own_key, true));
    EXPECT_EQ(library.plugin.own(), 11);
    ASSERT_TRUE(set(shared_key, false));
  }
  EXPECT_EQ(dlopen(SHUNT_TEST_PLUGIN, RTLD_NOW | RTLD_NOLOAD), nullptr) << "it was unloaded";
  EXPECT_EQ(sites_of_shared_key(), 0U);
  for (const std::string& line : mappings())
    EXPECT_EQ(line.find("shunt-text:" SHUNT_TEST_PLUGIN_NAME), std::string::npos) << line;
}

TEST(HostLibrary, ComesAndGoesWhileOthersFlip) {
  std::atomic<bool> stop{false};
  std::atomic<int> failures{0};
  std::vector<std::thread> flippers;
  for (int i = 0; i < 2; ++i) {
    flippers.emplace_back([&, i] {
      for (bool on = i == 0; !stop.load(std::memory_order_relaxed); on = !on) {
        if (!set(shared_key, on)) ++failures;
      }
    });
  }
  for (int i = 0; i < 100; ++i) {
    const Library library;
    const int found = library.plugin.early();
    EXPECT_TRUE(found == 0 || found == 1 || found == 10 || found == 11) << found;
    try {
      library.plugin.throw_if_shared();
    } catch (int thrown) {
      EXPECT_EQ(thrown, 42);
    }
  }
  stop.store(true);
  for (std::thread& flipper : flippers) flipper.join();
  EXPECT_EQ(failures.load(), 0);
  const Library library;
  for (const bool on : {true, false}) {
    ASSERT_TRUE(set(shared_key, on));
    EXPECT_EQ(library.plugin.shared(), on ? 11 : 0);
  }
}

TEST(HostFork, TheChildDoesNotSeeTheParentsFlips) {
  ASSERT_TRUE(set(moved, false));
  ASSERT_TRUE(set(moved, true));
  ASSERT_TRUE(set(moved, false));
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    close(ready[1]);
    char byte;
    if (read(ready[0], &byte, 1) != 1) _exit(2);
    _exit(look<moved>() == 0 ? 0 : 1);
  }
  close(ready[0]);
  EXPECT_TRUE(set(moved, true));
  EXPECT_EQ(look<moved>(), 11);
  EXPECT_EQ(write(ready[1], "x", 1), 1);
  close(ready[1]);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0) << "the child's site changed with the parent's flip";
  ASSERT_TRUE(set(moved, false));
  EXPECT_EQ(look<moved>(), 0);
}

// The child has the modules that the engine knew at that moment. It loads none itself: glibc's dlopen() fails in the
// child of a process that was forked while another thread was in it.
TEST(HostFork, WhileALibraryComesAndGoes) {
  std::atomic<bool> stop{false};
  std::atomic<int> loads{0};
  std::thread loader([&] {
    while (!stop.load(std::memory_order_relaxed)) {
      const Library library;
      ++loads;
    }
  });
  int status = 0;
  for (int i = 0; status == 0 && (i < 100 || loads.load() < 20); ++i) {
    status = in_child([&] {
      alarm(60);  // a stuck lock ends the child
      for (const bool on : {true, false}) {
        if (!set(moved, on) || look<moved>() != (on ? 11 : 0)) return 1;
        if (!set(shared_key, on)) return 2;  // of the library, whether it is loaded, half loaded or not
        if (detail::HostModules::all().empty()) return 3;
      }
      return 0;
    });
  }
  EXPECT_EQ(status, 0);
  stop.store(true);
  loader.join();
}

}  // namespace
}  // namespace shunt::test
