// Moments of a process that cannot be had inside of a test program: an engine that cannot be made, and the end.
// usage: program no-engine | end
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "shunt/engine.h"
#include "shunt/host_site.h"

namespace {

using shunt::Engine;
using shunt::PatchBatch;
using shunt::StaticKey;
using shunt::StaticKeyOn;

int steps = 0;  // of the end, in order

void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "failed: %s (after step %d)\n", what, steps);
  _exit(1);
}

template <auto& key>
[[gnu::noinline]] int look() {
  return (SHUNT_UNLIKELY(key) ? 1 : 0) + (SHUNT_LIKELY(key) ? 10 : 0);
}

bool set(StaticKey& key, bool on) {
  PatchBatch batch(**Engine::process());
  batch.set(key, on);
  return batch.commit().has_value();
}

bool checks_the_end = false;

void after_the_key();
void before_the_key();

// Ends after the key, because it is made before it.
struct First {
  ~First() {
    if (checks_the_end) after_the_key();
  }
} first;

StaticKey key{"key"};
StaticKey never_ends_in_use{"never_ends_in_use"};
StaticKeyOn begins_on{"begins_on"};

struct Last {
  ~Last() {
    if (checks_the_end) before_the_key();
  }
} last;

void before_the_key() {
  require(++steps == 2, "atexit handlers come first");
  require(look<key>() == 0, "the key is off");
  require(set(key, true) && look<key>() == 11, "a key can be flipped until it ends");
}

void after_the_key() {
  require(++steps == 3, "the key's destructor comes between");
  require(look<key>() == 11, "sites of a key that has ended stay as they were written");
  std::printf("the end is in order\n");
  std::fflush(stdout);
}

int no_engine() {
  const rlimit small{256 << 20, 256 << 20};  // less than an engine reserves
  require(setrlimit(RLIMIT_AS, &small) == 0, "setrlimit");
  const auto engine = Engine::process();
  require(!engine && engine.error().code() == shunt::ErrorCode::CodeMemoryUnavailable, "no engine can be made");
  require(look<key>() == 0 && look<begins_on>() == 11, "sites stay in their keys' first states");
  const auto again = Engine::process();
  require(!again && again.error().message() == engine.error().message(), "each use says why");
  return 0;
}

int end() {
  checks_the_end = true;
  require(set(key, true) && set(key, false), "flips");
  std::atexit([] {
    require(++steps == 1 && set(key, true) && look<key>() == 11 && set(key, false), "flips in an atexit handler");
  });
  std::thread([] {
    while (true) require(look<never_ends_in_use>() == 0, "a thread that outlives everything");
  }).detach();
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  if (count == 2 && std::strcmp(arguments[1], "no-engine") == 0) return no_engine();
  if (count == 2 && std::strcmp(arguments[1], "end") == 0) return end();
  return 2;
}
