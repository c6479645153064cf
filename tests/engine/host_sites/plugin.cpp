#include "tests/engine/host_sites/plugin.h"

#include "shunt/host_site.h"

namespace shunt::test {
namespace {

StaticKey own_key{"own_key"};

int shared() {
  int found = 0;
  if (SHUNT_UNLIKELY(shared_key)) found += 1;
  if (SHUNT_LIKELY(shared_key)) found += 10;
  return found;
}

int own() {
  int found = 0;
  if (SHUNT_UNLIKELY(own_key)) found += 1;
  if (SHUNT_LIKELY(own_key)) found += 10;
  return found;
}

const int found_early = shared();
int early() {
  return found_early;
}

void throw_if_shared() {
  if (SHUNT_UNLIKELY(shared_key)) throw 42;
}

}  // namespace

extern "C" [[gnu::visibility("default")]] Plugin plugin() {
  return {&shared, &own, &early, &own_key, &throw_if_shared};
}

}  // namespace shunt::test
