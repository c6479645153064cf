// A shared library with host sites, which tests load and unload.
#pragma once

#include "shunt/static_key.h"

namespace shunt::test {

// Of the program; the library has sites of it.
extern StaticKey shared_key;
extern StaticKey claimed_key;

struct Plugin {
  int (*shared)();            // whether shared_key is on: SHUNT_UNLIKELY, SHUNT_LIKELY (tens)
  int (*claimed)();           // the same for claimed_key
  int (*own)();               // the same for own_key
  int (*early)();             // what a constructor of default priority found at shared_key's site
  StaticKey* own_key;         // the library's
  void (*throw_if_shared)();  // throws an int from behind a site of shared_key
};

}  // namespace shunt::test
