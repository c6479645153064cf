// A program and a plugin of it see one engine.
#include <shunt/engine.h>

#include <cstdio>

shunt::Engine* engine_of_the_plugin();

int main() {
  const shunt::Result<shunt::Engine*> engine = shunt::Engine::process();
  if (!engine) {
    std::fprintf(stderr, "%s\n", engine.error().message().c_str());
    return 1;
  }
  if (*engine == nullptr || engine_of_the_plugin() != *engine) {
    std::fprintf(stderr, "the plugin has an engine of its own\n");
    return 1;
  }
  shunt::StaticKey key{"consumer"};
  shunt::PatchBatch batch(**engine);
  batch.enable(key);
  return batch.commit() && key.enabled() ? 0 : 1;
}
