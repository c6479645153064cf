// What gdb and perf look at: functions of a program whose text was moved. usage: tools_program stop | run
#include <csignal>
#include <cstdio>
#include <cstring>

#include "shunt/engine.h"
#include "shunt/host_site.h"

namespace {

shunt::StaticKey key{"key"};

}  // namespace

extern "C" [[gnu::noinline]] unsigned patched_inner(unsigned rounds, bool stop) {
  volatile unsigned sum = 0;
  for (unsigned i = 0; i < rounds; ++i) sum = sum * 31 + i;
  if (SHUNT_UNLIKELY(key)) {
    sum = sum + 1;
    if (stop) std::raise(SIGTRAP);
  }
  return sum;
}
extern "C" [[gnu::noinline]] unsigned patched_outer(unsigned rounds, bool stop) {
  return patched_inner(rounds, stop) + 1;
}

int main(int count, char** arguments) {
  const bool stop = count > 1 && std::strcmp(arguments[1], "stop") == 0;
  const auto engine = shunt::Engine::process();
  if (!engine) return std::printf("%s\n", engine.error().message().c_str()), 1;
  shunt::PatchBatch batch(**engine);
  batch.enable(key);
  if (const auto report = batch.commit(); !report) return std::printf("%s\n", report.error().message().c_str()), 1;
  unsigned sum = 0;
  for (int i = 0; i < (stop ? 1 : 50); ++i) sum += patched_outer(stop ? 1 : 10'000'000, stop);
  return sum == 0 ? 1 : 0;
}
