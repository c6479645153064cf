#include "tests/engine/host_sites/plugin.h"

#include "shunt/host_site.h"

namespace shunt::test {
namespace {

StaticKey own_key{"own_key"};

template <auto& key>
[[gnu::noinline]] int look() {
  int found = 0;
  if (SHUNT_UNLIKELY(key)) found += 1;
  if (SHUNT_LIKELY(key)) found += 10;
  return found;
}

const int found_early = look<shared_key>();
int early() {
  return found_early;
}

void throw_if_shared() {
  if (SHUNT_UNLIKELY(shared_key)) throw 42;
}

}  // namespace

extern "C" [[gnu::visibility("default")]] Plugin plugin() {
  return {&look<shared_key>, &look<claimed_key>, &look<own_key>, &early, &own_key, &throw_if_shared};
}

}  // namespace shunt::test
