// What stands behind the C interface's handles.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "shunt/assumption.h"
#include "shunt/demotable_key.h"
#include "shunt/engine.h"
#include "shunt/patch_batch.h"
#include "shunt/shunt.h"
#include "shunt/static_call.h"
#include "shunt/static_key.h"
#include "shunt/ticket.h"

struct shunt_engine {
  std::unique_ptr<shunt::Engine> owned;  // null for the process's engine
  shunt::Engine* engine;
};

// A key of any kind. Keys do not move, so they are made in place.
struct shunt_key {
  using Call = shunt::StaticCall<void()>;  // C calls it by a pointer that it casts to the right type itself

  template <class Kind, class... Args>
  shunt_key(std::in_place_type_t<Kind> kind, const char* key_name, Args... args)
      : name(key_name), key(kind, name.c_str(), args...) {}

  [[nodiscard]] shunt::KeyBase& base() noexcept {
    return std::visit([](auto& any) -> shunt::KeyBase& { return any; }, key);
  }
  [[nodiscard]] const shunt::KeyBase& base() const noexcept {
    return std::visit([](const auto& any) -> const shunt::KeyBase& { return any; }, key);
  }

  const std::string name;
  std::variant<shunt::StaticKey, shunt::StaticSwitch, shunt::Assumption, Call, shunt::DemotableKey> key;
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
