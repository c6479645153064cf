// The keys with which a module's guests are observed and stopped while they run. All off, but while somebody asks.
#pragma once

#include "shunt/engine.h"
#include "shunt/static_key.h"

namespace shunt::wasm {

// Owned by its module; ends after the module's code.
class ControlKeys {
 public:
  // `engine` outlives it.
  explicit ControlKeys(Engine& owner) : engine(owner) {}
  ~ControlKeys() { engine.remove_safepoint_key(interrupt); }
  ControlKeys(const ControlKeys&) = delete;
  ControlKeys& operator=(const ControlKeys&) = delete;

  Engine& engine;

  // Of all sites at loop heads and function entries; has a reference for each store that wants its guests to look
  // (interrupt_state.h), and one of the engine while it waits for threads.
  StaticKey interrupt{"shunt.interrupt"};
};

}  // namespace shunt::wasm
