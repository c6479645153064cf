// What stands behind the C interface's handles.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "shunt/engine.h"
#include "shunt/patch_batch.h"
#include "shunt/shunt.h"
#include "shunt/static_key.h"
#include "shunt/ticket.h"

struct shunt_engine {
  std::unique_ptr<shunt::Engine> owned;  // null for the process's engine
  shunt::Engine* engine;
};

struct shunt_key {
  shunt_key(const char* key_name, unsigned states) : name(key_name), key(name.c_str(), states) {}
  const std::string name;
  shunt::StaticSwitch key;
};

struct shunt_batch {
  shunt::PatchBatch batch;
};

struct shunt_ticket {
  std::optional<shunt::Ticket> ticket;  // empty only while the handle is made
};

struct shunt_code {
  shunt::Code code;
};
