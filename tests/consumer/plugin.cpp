#include <shunt/engine.h>

shunt::Engine* engine_of_the_plugin() {
  const shunt::Result<shunt::Engine*> engine = shunt::Engine::process();
  return engine ? *engine : nullptr;
}
