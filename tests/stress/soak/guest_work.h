// The runtime's part of the soak: a flag file that is rewritten, corrupt versions among them, and guests of both tiers
// that read its flags.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "shunt/engine.h"
#include "tests/stress/soak/shared.h"

namespace shunt::soak {

class GuestWork {
 public:
  GuestWork(Engine& engine, Shared& shared);
  ~GuestWork();

  void rewrite();  // the file, until the soak stops
  void load();     // modules, again and again, and calls them: their code comes and goes

  // Calls a guest of one tier for a while in a store of its own, and ends. `number` chooses the tier.
  void call_for_a_while(std::size_t number);

  // "baseline and optimising".
  [[nodiscard]] std::string tiers() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace shunt::soak
