#include "cases.h"

shunt::StaticKey of_b{"of_b"};
namespace {
shunt::StaticKey unnamed{"unnamed in b"};
}
static shunt::StaticKeyOn internal{"internal in b"};

Cases cases_b() {
  static const Case cases[] = {
      {&of_a, &look<of_a>},         {&of_b, &look<of_b>},        {&unnamed, &look<unnamed>},
      {&internal, &look<internal>}, {&inline_key, &look_inline}, {&inline_key, &look<inline_key>},
  };
  return {cases, sizeof cases / sizeof *cases};
}
