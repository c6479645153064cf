// Everything at once, in one process: flips, publications, retirements, threads that come and go, forks, a flag file
// that is rewritten (corrupt versions among them), and guests of both tiers that read its flags. All the time each
// reader checks that it sees no state older than the last change that was completed before it looked; and what the
// process takes is sampled, and must not grow.
//
//   soak [SECONDS=10]     also SHUNT_STRESS_SECONDS, SHUNT_STRESS_AT_MOST
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "tests/stress/soak/engine_work.h"
#include "tests/stress/soak/guest_work.h"
#include "tests/stress/soak/samples.h"

namespace {

using namespace std::chrono_literals;
using namespace shunt::soak;
using Clock = std::chrono::steady_clock;

int wanted_seconds(int count, char** arguments) {
  const char* const least = std::getenv("SHUNT_STRESS_SECONDS");
  const char* const most = std::getenv("SHUNT_STRESS_AT_MOST");
  int seconds = count > 1 ? std::atoi(arguments[1]) : least != nullptr ? std::atoi(least) : 10;
  if (count < 2 && most != nullptr) seconds = std::min(seconds, std::atoi(most));
  return std::max(seconds, 1);
}

// Runs `body` in one thread after the other until the soak stops.
void churn(Shared& shared, const std::function<void()>& body) {
  while (!shared.stop.load()) {
    std::thread(body).join();
    ++shared.done.threads;
  }
}

void print(const Shared& shared, const Samples& samples, const GuestWork& guests, const shunt::Engine& engine,
           double seconds) {
  const Shared::Counts& done = shared.done;
  const auto say = [seconds](const char* what, std::uint64_t count) {
    std::printf("  %-44s %12llu  %10.1f a second\n", what, static_cast<unsigned long long>(count),
                static_cast<double>(count) / seconds);
  };
  std::printf("soak: %.0f seconds on %u processors, guests of tier %s\n", seconds, std::thread::hardware_concurrency(),
              guests.tiers().c_str());
  say("flips of a key", done.flips);
  say("functions published and branched to", done.publications);
  say("functions retired", done.retirements);
  say("forks whose child flipped and published", done.forks);
  say("threads that came and went", done.threads);
  say("versions of the flag file that were loaded", done.reloads);
  say("corrupt files that were refused", done.corrupt_files);
  say("modules loaded, called and unloaded", done.modules);
  say("calls of sites and functions, checked", done.engine_calls);
  say("calls of guests, checked", done.guest_calls);
  say("of them between two changes: exactly one answer", done.checked);
  for (const auto& [mechanism, count] : engine.stats().serialisations)
    say(("serialisations by " + std::string(mechanism)).c_str(), count);
  std::printf("%s", samples.table().c_str());
}

}  // namespace

int main(int count, char** arguments) {
  const int seconds = wanted_seconds(count, arguments);
  auto engine = shunt::Engine::create();
  if (!engine) {
    std::printf("FAILED: no engine: %s\n", engine.error().message().c_str());
    return 1;
  }
  Shared shared;
  Samples samples;
  const Clock::time_point begin = Clock::now();
  {
    EngineWork code(**engine, shared);
    GuestWork guests(**engine, shared);
    std::vector<std::thread> threads;
    const auto run = [&](std::function<void()> body) { threads.emplace_back(std::move(body)); };
    if (!shared.stop.load()) {
      run([&] { code.flip(); });
      run([&] { code.replace(); });
      run([&] { guests.rewrite(); });
      run([&] { guests.load(); });
#if !defined(__SANITIZE_THREAD__)  // it does not follow a fork of a process with threads
      run([&] { code.fork(); });
#endif
      run([&] { churn(shared, [&] { code.call_for_a_while(); }); });
      run([&] { churn(shared, [&] { code.call_for_a_while(); }); });
      for (std::size_t tier = 0; tier < 2; ++tier) {
        run([&, tier] { churn(shared, [&, tier] { guests.call_for_a_while(tier); }); });
      }
    }
    const auto interval = std::chrono::milliseconds(std::clamp(seconds * 1000 / 40, 250, 1000));
    while (!shared.stop.load() && Clock::now() - begin < std::chrono::seconds(seconds)) {
      std::this_thread::sleep_for(interval);
      samples.take(**engine);
    }
    shared.stop.store(true);
    for (std::thread& thread : threads) thread.join();
    print(shared, samples, guests, **engine, std::chrono::duration<double>(Clock::now() - begin).count());
  }
  auto problems = shared.problems();
  if (const std::string growth = samples.growth(); !growth.empty()) problems.insert("not flat: " + growth);
  for (const std::string& problem : problems) std::printf("FAILED: %s\n", problem.c_str());
  if (problems.empty()) std::printf("PASSED: no reader saw an old state; memory, descriptors and mappings are flat\n");
  return problems.empty() ? 0 : 1;
}
