// A switch in a program's own C++: one instruction while it is off, flipped while another thread runs through it.
#include <atomic>
#include <cstdio>
#include <thread>

#include "shunt/engine.h"
#include "shunt/host_site.h"

shunt::StaticKey tracing{"tracing"};
std::atomic<bool> stop{false};
std::atomic<long> plain{0}, traced{0};

void work() {
  while (!stop) ++(SHUNT_UNLIKELY(tracing) ? traced : plain);  // the key is not read: an instruction says it
}

int main() {
  auto engine = shunt::Engine::process();
  if (!engine) return std::printf("%s\n", engine.error().message().c_str()), 1;
  std::thread worker(work);
  while (plain < 1000) std::this_thread::yield();
  shunt::PatchBatch batch(**engine);
  batch.enable(tracing);
  auto report = batch.commit();  // from here on nobody starts the old path
  while (traced < 1000 && report) std::this_thread::yield();
  stop = true;
  worker.join();
  if (!report) return std::printf("%s\n", report.error().message().c_str()), 1;
  std::printf("%zu site flipped, by %s\n", report->sites_written, report->mechanism.data());
}
