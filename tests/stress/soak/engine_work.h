// The engine's part of the soak: a key that is flipped, functions that are replaced and retired, forks.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>

#include "shunt/engine.h"
#include "tests/stress/soak/shared.h"

namespace shunt::soak {

class EngineWork {
 public:
  // Publishes what is flipped and replaced. False: a problem is reported.
  EngineWork(Engine& engine, Shared& shared);
  ~EngineWork();

  // Each runs on a thread of its own until the soak stops.
  void flip();     // the key, some thousand times a second
  void replace();  // a function behind a gate: publishes the next, retargets the gate, retires the last
  void fork();     // children that flip and publish

  // Calls the site and the gate for a while, and ends: threads come and go.
  void call_for_a_while();

 private:
  struct Parts;
  void check_child(pid_t child);
  int child();
  Engine& engine_;
  Shared& shared_;
  std::unique_ptr<Parts> parts_;
};

}  // namespace shunt::soak
