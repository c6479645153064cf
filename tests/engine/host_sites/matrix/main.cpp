// usage: program [DEAD]   DEAD: how many sites of the key `dead` there must be
#include <cstdio>
#include <cstdlib>
#include <string>

#include "cases.h"
#include "shunt/engine.h"

namespace {

bool all_agree(const char* when) {
  for (const Cases& cases : {cases_a(), cases_b()}) {
    for (std::size_t i = 0; i < cases.count; ++i) {
      const Case& one = cases.first[i];
      if (const int found = one.look(); found != (one.key->enabled() ? 11 : 0)) {
        std::printf("%s: key \"%s\" is %s, and its sites found %d\n", when, one.key->name(),
                    one.key->enabled() ? "on" : "off", found);
        return false;
      }
    }
  }
  return true;
}

}  // namespace

int main(int count, char** arguments) {
  if (!all_agree("at first")) return 1;
  const auto engine = shunt::Engine::process();
  if (!engine) return std::printf("%s\n", engine.error().message().c_str()), 1;
  for (const Cases& cases : {cases_a(), cases_b()}) {
    for (std::size_t i = 0; i < 2 * cases.count; ++i) {  // each on and off again, or the other way round
      shunt::StaticKey& key = *cases.first[i / 2].key;
      shunt::PatchBatch batch(**engine);
      batch.set(key, !key.enabled());
      if (const auto report = batch.commit(); !report || report->sites_written < 2)
        return std::printf("%s: %s\n", key.name(), report ? "sites are missing" : report.error().message().c_str()), 1;
      if (!all_agree(key.name())) return 1;
    }
  }
  shunt::PatchBatch batch(**engine);
  batch.enable(dead);
  const auto report = batch.commit();
  if (count > 1 && (!report || report->sites_written != std::strtoul(arguments[1], nullptr, 10)))
    return std::printf("a function that nobody calls has sites left\n"), 1;
  return 0;
}
