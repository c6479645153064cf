// What one build of the matrix checks: functions that tell whether a key is on by both kinds of site.
#pragma once

#include <cstddef>

#include "shunt/host_site.h"

struct Case {
  shunt::StaticKey* key;
  int (*look)();  // 11 if the key is on, 0 if it is off, anything else if its sites disagree
};

struct Cases {
  const Case* first;
  std::size_t count;
};
Cases cases_a();  // in a.cpp
Cases cases_b();  // in b.cpp, which may be a shared library

extern shunt::StaticKey dead;  // tested by a function that nobody calls
int answer(int);

inline shunt::StaticKey inline_key{"inline_key"};
extern shunt::StaticKey of_a;
extern shunt::StaticKey of_b;
[[gnu::visibility("hidden")]] extern shunt::StaticKey hidden_in_a;

template <auto& key>
[[gnu::noinline]] int look() {
  int found = 0;
  if (SHUNT_UNLIKELY(key)) found += answer(1);
  if (SHUNT_LIKELY(key)) found += answer(10);
  return found;
}

// A duplicate in every file that uses it.
inline int look_inline() {
  return (SHUNT_UNLIKELY(inline_key) ? answer(1) : 0) + (SHUNT_LIKELY(inline_key) ? answer(10) : 0);
}
