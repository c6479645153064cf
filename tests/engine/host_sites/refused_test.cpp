// Text that cannot be moved: a named error, and nothing has changed.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "engine/sites/host_modules.h"
#include "shunt/engine.h"
#include "shunt/host_site.h"
#include "tests/engine/host_sites/plugin.h"
#include "tests/support/skip.h"

namespace shunt::test {

StaticKey shared_key{"shared_key"};
StaticKey claimed_key{"claimed_key"};

namespace {

#ifndef SYS_mseal
constexpr long SYS_mseal = 462;  // Linux 6.10
#endif

Result<CommitReport> set(StaticKey& key, bool on) {
  const auto engine = Engine::process();
  if (!engine) return engine.error();
  PatchBatch batch(**engine);
  batch.set(key, on);
  return batch.commit();
}

Plugin load(const char* path, void*& handle) {
  handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  return handle == nullptr ? Plugin{} : reinterpret_cast<Plugin (*)()>(dlsym(handle, "plugin"))();
}

// First in this program: no module with sites of the key was loaded yet.
TEST(HostClaimed, SitesOfAnotherEnginesKeyWaitUntilThatEngineEnds) {
  auto other = Engine::create();
  ASSERT_TRUE(other) << other.error().message();
  PatchBatch batch(**other);
  batch.enable(claimed_key);
  ASSERT_TRUE(batch.commit());

  void* handle = nullptr;
  const Plugin plugin = load(SHUNT_TEST_PLUGIN, handle);
  ASSERT_NE(handle, nullptr) << dlerror();
  EXPECT_EQ(plugin.claimed(), 0) << "as emitted";
  const auto by_process = set(claimed_key, true);
  ASSERT_FALSE(by_process);
  EXPECT_EQ(by_process.error().code(), ErrorCode::KeyBelongsToOtherEngine);
  batch.disable(claimed_key);
  const auto by_other = batch.commit();
  ASSERT_FALSE(by_other) << "its host sites would not follow";
  EXPECT_EQ(by_other.error().code(), ErrorCode::KeyBelongsToOtherEngine);
  ASSERT_TRUE(set(shared_key, true));
  EXPECT_EQ(plugin.shared(), 11) << "the library's other keys do not wait";
  ASSERT_TRUE(set(shared_key, false));

  other->reset();
  const auto adopted = set(claimed_key, true);
  ASSERT_TRUE(adopted) << adopted.error().message();
  EXPECT_EQ(plugin.claimed(), 11);
  ASSERT_TRUE(set(claimed_key, false));
  EXPECT_EQ(plugin.claimed(), 0);
  dlclose(handle);
}

// A library of its own for each test, since text that is moved is moved.
class HostRefused : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(set(shared_key, false));
    plugin_ = load(SHUNT_TEST_PLUGIN, handle_);
    ASSERT_NE(handle_, nullptr) << dlerror();
  }
  void TearDown() override {
    if (handle_ != nullptr) dlclose(handle_);
  }
  void expect_refused(const char* reason) {
    const auto refused = set(shared_key, true);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::CodeMemoryUnavailable);
    EXPECT_NE(refused.error().message().find(SHUNT_TEST_PLUGIN), std::string::npos) << refused.error().message();
    EXPECT_NE(refused.error().message().find(reason), std::string::npos) << refused.error().message();
    EXPECT_FALSE(shared_key.enabled());
    EXPECT_EQ(plugin_.shared(), 0);
  }
  void expect_flips() {
    for (const bool on : {true, false}) {
      const auto report = set(shared_key, on);
      ASSERT_TRUE(report) << report.error().message();
      EXPECT_EQ(plugin_.shared(), on ? 11 : 0);
    }
  }
  void* handle_ = nullptr;
  Plugin plugin_{};
};

TEST_F(HostRefused, NoAddressSpace) {
  rlimit old{};
  ASSERT_EQ(getrlimit(RLIMIT_AS, &old), 0);
  const rlimit none{1, old.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_AS, &none), 0);
  expect_refused("mmap");
  ASSERT_EQ(setrlimit(RLIMIT_AS, &old), 0);
  expect_flips();
}

TEST_F(HostRefused, NoFilesIsNoHindrance) {
  rlimit old{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
  const rlimit none{0, old.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &none), 0);
  const auto report = set(shared_key, true);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &old), 0);
  ASSERT_TRUE(report) << report.error().message();
  EXPECT_EQ(plugin_.shared(), 11) << "by doubled anonymous memory";
  expect_flips();
}

TEST_F(HostRefused, SealedText) {
  Dl_info info{};
  ASSERT_NE(dladdr(reinterpret_cast<const void*>(plugin_.shared), &info), 0);
  const auto page =
      reinterpret_cast<std::uintptr_t>(plugin_.shared) & ~(static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE)) - 1);
  if (syscall(SYS_mseal, page, sysconf(_SC_PAGESIZE), 0) != 0)
    SHUNT_SKIP_OR_FAIL(std::string("mseal (Linux 6.10): ") + std::strerror(errno));
  expect_refused("sealed");
  handle_ = nullptr;  // sealed memory cannot be unmapped: the library stays
}

}  // namespace
}  // namespace shunt::test
