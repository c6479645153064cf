// Flips a site by breakpoints while two threads run it, for a debugger to look on.
#include <signal.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <thread>
#include <vector>

#include "shunt/engine.h"

namespace {

// Counts the traps, and passes them on.
std::atomic<int> traps = 0;
struct sigaction engines_action{};
void count(int signal, siginfo_t* info, void* context) {
  traps.fetch_add(1, std::memory_order_relaxed);  // a count
  engines_action.sa_sigaction(signal, info, context);
}

// Where the debugger stops, twice.
[[gnu::noinline]] void checkpoint(int flips) {
  asm volatile("" : : "r"(flips) : "memory");
}

// mov eax, value; ret
void write_answer(std::uint8_t* at, std::uint8_t value) {
  const std::array<std::uint8_t, 6> code = {0xB8, value, 0, 0, 0, 0xC3};
  std::memcpy(at, code.data(), code.size());
}

}  // namespace

int main() {
  constexpr std::uint32_t site = 62, target = 128;
  const auto engine = shunt::Engine::create();
  if (!engine) return 2;
  shunt::StaticKey key("watched");
  const auto allocation = (*engine)->allocate(256);
  if (!allocation) return 2;
  const auto idle = shunt::idle_site((*engine)->instruction_set(), shunt::SiteForm::Unaligned, site);
  std::memset(allocation->staging, 0xCC, 256);
  std::memcpy(allocation->staging + site, idle.bytes.data(), idle.length);
  write_answer(allocation->staging + site + idle.length, 10);
  write_answer(allocation->staging + target, 11);
  const shunt::NewSite sites[] = {{&key, shunt::SiteForm::Unaligned, site, {&target, 1}}};
  const auto code = (*engine)->publish(*allocation, sites);
  if (!code) return 2;
  auto* const function = code->entry<int()>(site);

  struct sigaction action{};
  action.sa_sigaction = &count;
  action.sa_flags = SA_SIGINFO;
  sigfillset(&action.sa_mask);
  sigaction(SIGTRAP, &action, &engines_action);

  std::atomic<bool> stop = false;
  std::atomic<int> wrong = 0;
  std::vector<std::thread> runners;
  for (int i = 0; i < 2; ++i) {
    runners.emplace_back([&] {
      while (!stop) {
        const int answer = function();
        if (answer != 10 && answer != 11) ++wrong;
      }
    });
  }
  shunt::PatchBatch batch(**engine);
  int flips = 0;
  while (flips < 1000 || traps.load(std::memory_order_relaxed) < 10) {
    batch.set(key, ++flips % 2 != 0);
    if (!batch.commit() || function() != (flips % 2 != 0 ? 11 : 10)) ++wrong;
    if (flips == 500 || flips == 1000) checkpoint(flips);
  }
  stop = true;
  for (std::thread& runner : runners) runner.join();
  std::printf("%d flips, %d wrong\n", flips, wrong.load());
  return wrong == 0 ? 0 : 1;
}
