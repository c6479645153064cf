#include "cases.h"

shunt::StaticKey of_a{"of_a"};
shunt::StaticKey hidden_in_a{"hidden_in_a"};
shunt::StaticKey dead{"dead"};
namespace {
shunt::StaticKey unnamed{"unnamed in a"};
shunt::StaticKeyOn on{"on in a"};
shunt::StaticKey several[2] = {shunt::StaticKey{"several[0]"}, shunt::StaticKey{"several[1]"}};
}  // namespace
static shunt::StaticKey internal{"internal in a"};

int answer(int value) {
  return value;
}
[[gnu::visibility("hidden")]] int tests_dead(int value) {
  return SHUNT_UNLIKELY(dead) ? answer(value) : value;
}

Cases cases_a() {
  static const Case cases[] = {
      {&of_a, &look<of_a>},
      {&of_b, &look<of_b>},
      {&hidden_in_a, &look<hidden_in_a>},
      {&unnamed, &look<unnamed>},
      {&on, &look<on>},
      {&several[1], &look<several[1]>},
      {&internal, &look<internal>},
      {&inline_key, &look_inline},
      {&inline_key, &look<inline_key>},
  };
  return {cases, sizeof cases / sizeof *cases};
}
