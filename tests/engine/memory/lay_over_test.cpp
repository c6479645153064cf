// Memory that threads execute gets another backing under them.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <array>
#include <atomic>
#include <csignal>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "engine/memory/dual_mapping.h"
#include "engine/memory/page.h"
#include "tests/engine/host_code.h"

namespace shunt::detail {
namespace {

std::atomic<int> faults{0};

// Comes back to the instruction that faulted, whose page is there by then.
void count_fault(int) {
  faults.fetch_add(1, std::memory_order_relaxed);  // a count, read after the threads were joined
}

class LayOver : public testing::TestWithParam<Backing> {
 protected:
  static constexpr std::size_t pages = 8;

  // Eight pages of functions that return their page's number, one a page, as a loader maps text.
  void SetUp() override {
    size_ = pages * page_size();
    void* const mapped = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(mapped, MAP_FAILED);
    text_ = static_cast<std::uint8_t*>(mapped);
    write_functions(text_, text_, 0);
    ASSERT_EQ(mprotect(text_, size_, PROT_READ | PROT_EXEC), 0);
  }
  void TearDown() override { munmap(text_, size_); }

  // `rx` is where they are executed.
  static void write_functions(std::uint8_t* at, const std::uint8_t* rx, std::uint32_t add) {
    for (std::uint32_t page = 0; page < pages; ++page) test::write_answer(at + page * page_size(), page + add);
    maintain(rx, pages * page_size());
  }
  static void maintain(const std::uint8_t* rx, std::size_t size) {
    auto* const begin = reinterpret_cast<char*>(const_cast<std::uint8_t*>(rx));
    __builtin___clear_cache(begin, begin + size);
  }
  [[nodiscard]] std::uint32_t call(std::size_t page) const {
    return reinterpret_cast<std::uint32_t (*)()>(reinterpret_cast<std::uintptr_t>(text_ + page * page_size()))();
  }

  // Pages 1, 2 and 5 from a copy.
  [[nodiscard]] Result<DualMapping> lay_copy(std::uint32_t add = 0) const {
    Result<DualMapping> copy = DualMapping::create(size_, GetParam());
    if (!copy) return copy;
    if (Status status = copy->expose(size_); !status) return status.error();
    write_functions(copy->rw(), copy->rx(), add);
    const std::array<DualMapping::Piece, 2> some = {{{page_size(), 2 * page_size()}, {5 * page_size(), page_size()}}};
    if (Status status = copy->lay_over(text_, some); !status) return status.error();
    return copy;
  }

  std::size_t size_ = 0;
  std::uint8_t* text_ = nullptr;
};

TEST_P(LayOver, ReplacesThePiecesAndNothingElse) {
  const auto copy = lay_copy(100);
  ASSERT_TRUE(copy) << copy.error().message();
  EXPECT_EQ(copy->rx(), nullptr);
  for (std::size_t page = 0; page < pages; ++page)
    EXPECT_EQ(call(page), page == 1 || page == 2 || page == 5 ? page + 100 : page);
  test::write_answer(copy->rw() + 5 * page_size(), 7);
  maintain(text_ + 5 * page_size(), test::answer_size);
  EXPECT_EQ(call(5), 7U) << "the RW alias writes what is executed";
}

TEST_P(LayOver, MakesNoPageWritableAndExecutable) {
  const auto copy = lay_copy();
  ASSERT_TRUE(copy) << copy.error().message();
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) EXPECT_EQ(line.find("wx"), std::string::npos) << line;
}

TEST_P(LayOver, LeavesTheTextToItsOwner) {
  {
    ASSERT_TRUE(lay_copy(100));
  }
  EXPECT_EQ(call(5), 105U) << "the mapping object ended, its pages are the text's";
}

TEST_P(LayOver, NobodyFindsAPageMissing) {
  struct sigaction action{}, old{};
  action.sa_handler = &count_fault;
  ASSERT_EQ(sigaction(SIGSEGV, &action, &old), 0);
  faults = 0;
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      while (!stop.load(std::memory_order_relaxed)) {
        for (std::size_t page = 0; page < pages; ++page) wrong += call(page) != page;
      }
    });
  }
  for (int i = 0; i < 1000; ++i) {
    const auto copy = lay_copy();
    EXPECT_TRUE(copy);
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  sigaction(SIGSEGV, &old, nullptr);
  EXPECT_EQ(faults.load(), 0) << "a thread found a page missing";
  EXPECT_EQ(wrong.load(), 0);
}

INSTANTIATE_TEST_SUITE_P(Backings, LayOver, testing::Values(Backing::MemoryFile, Backing::Anonymous),
                         [](const auto& backing) {
                           return backing.param == Backing::MemoryFile ? "File" : "Anonymous";
                         });

}  // namespace
}  // namespace shunt::detail
