// What the SIGTRAP handler looks up, without signals: views that change under readers.
#include "engine/trap/breakpoint_table.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

namespace shunt::test {
namespace {

using detail::answer_trap;
using detail::BreakpointEntry;
using detail::BreakpointSite;
using detail::CodeSpan;
using Verdict = detail::TrapAnswer::Verdict;

BreakpointSite site_at(std::uint64_t address, std::uint64_t resume, std::uint32_t call_length = 0) {
  return {address, resume, 0, 0, 0, 1, call_length, 0};
}
std::shared_ptr<const std::vector<CodeSpan>> code(std::vector<CodeSpan> spans) {
  return std::make_shared<const std::vector<CodeSpan>>(std::move(spans));
}

TEST(BreakpointTable, FindsTheSitesThatAreShownAndNoOthers) {
  std::vector<BreakpointSite> sites;
  for (std::uint64_t i = 1; i <= 1000; ++i) sites.push_back(site_at(0x1000 * i, 0x1000 * i + 7, i == 500 ? 5 : 0));
  BreakpointEntry entry;
  EXPECT_EQ(answer_trap(0x1000).verdict, Verdict::Foreign);
  entry.take();
  entry.show(sites, code({}));
  for (const BreakpointSite& site : sites) {
    ASSERT_EQ(answer_trap(site.address).verdict, Verdict::Resume);
    ASSERT_EQ(answer_trap(site.address).resumption.address, site.resume);
    ASSERT_EQ(answer_trap(site.address).resumption.return_address, site.call_length == 0 ? 0 : site.address + 5);
    ASSERT_EQ(answer_trap(site.address + 1).verdict, Verdict::Foreign);
  }
  EXPECT_EQ(answer_trap(0).verdict, Verdict::Foreign);
  EXPECT_EQ(answer_trap(~std::uint64_t{0}).verdict, Verdict::Foreign);
  entry.hide();
  for (const BreakpointSite& site : sites) ASSERT_EQ(answer_trap(site.address).verdict, Verdict::Foreign);
}

TEST(BreakpointTable, EntriesAreUsedAgain) {
  const std::vector<BreakpointSite> sites = {site_at(0x4000, 0x5000)};
  for (int i = 0; i < 1000; ++i) {
    BreakpointEntry entry, other;
    entry.take();
    other.take();
    entry.show(sites, code({}));
    ASSERT_EQ(answer_trap(0x4000).verdict, Verdict::Resume);
  }
  EXPECT_EQ(answer_trap(0x4000).verdict, Verdict::Foreign) << "the entry ended";
}

// Readers and a writer at once: every answer is that of a batch that was shown during the call, never of one that ended
// before, whose sites are overwritten.
TEST(BreakpointTable, ReadersNeverSeeABatchThatEnded) {
  constexpr std::uint64_t address = 0x4000;
  std::atomic<std::uint64_t> begun{0}, ended{0};
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> wrong{0}, found{0};
  BreakpointEntry entry;
  entry.take();
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      while (!stop.load(std::memory_order_relaxed)) {
        const std::uint64_t oldest = ended.load(std::memory_order_acquire);
        const auto answer = answer_trap(address);
        if (answer.verdict != Verdict::Resume) continue;
        found.fetch_add(1, std::memory_order_relaxed);
        if (answer.resumption.address <= oldest || answer.resumption.address > begun.load(std::memory_order_acquire))
          wrong.fetch_add(1, std::memory_order_relaxed);
      }
    });
  }
  std::vector<BreakpointSite> sites(1);
  const auto spans = code({});
  for (std::uint64_t batch = 1; batch <= 20'000 || found.load() < 1000; ++batch) {
    sites[0] = site_at(address, batch);
    begun.store(batch, std::memory_order_release);
    entry.show(sites, spans);
    entry.hide();
    ended.store(batch, std::memory_order_release);
    sites[0] = site_at(address, ~std::uint64_t{0});
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(wrong.load(), 0U);
}

// A page that a reader stops at, inside a view, until it is let go.
class StoppingPage {
 public:
  StoppingPage() : page_(mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {
    current = this;
    struct sigaction action{};
    action.sa_handler = &stop;
    sigaction(SIGSEGV, &action, &before_);
  }
  ~StoppingPage() {
    sigaction(SIGSEGV, &before_, nullptr);
    munmap(page_, size);
  }
  StoppingPage(const StoppingPage&) = delete;
  StoppingPage& operator=(const StoppingPage&) = delete;

  [[nodiscard]] std::uint64_t address() const { return reinterpret_cast<std::uintptr_t>(page_); }
  void wait_for_reader() const {
    while (!stopped_.load()) std::this_thread::yield();
  }
  void let_go() { go_.store(true); }

  static constexpr std::size_t size = 4096;

 private:
  static void stop(int) {
    current->stopped_.store(true);
    while (!current->go_.load()) {
    }
    mprotect(current->page_, size, PROT_READ);
  }
  static inline StoppingPage* current = nullptr;
  void* page_;
  std::atomic<bool> stopped_{false}, go_{false};
  struct sigaction before_{};
};

TEST(BreakpointTable, ABatchDoesNotEndWhileAThreadLooksAtIt) {
  StoppingPage page;
  BreakpointEntry entry;
  entry.take();
  const std::vector<BreakpointSite> first = {site_at(0x4000, 1)}, second = {site_at(0x4000, 2)};
  entry.show(first, code({{page.address(), page.address() + StoppingPage::size}}));
  std::thread reader([&] { EXPECT_EQ(answer_trap(page.address()).verdict, Verdict::Foreign); });
  page.wait_for_reader();
  std::atomic<bool> ended{false};
  std::thread writer([&] {
    entry.show(second, code({}));
    ended.store(true);
  });
  while (answer_trap(0x4000).resumption.address != 2) std::this_thread::yield();  // who comes now takes the new view
  for (int i = 0; i < 100 && !ended.load(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  EXPECT_FALSE(ended.load()) << "the reader is still in the first view";
  page.let_go();
  reader.join();
  writer.join();
}

}  // namespace
}  // namespace shunt::test
