// The same function with and without a site.
#include "shunt/host_site.h"

extern shunt::StaticKey key;
int slow(int);

extern "C" int without_site(int a, int b) {
  return a * 3 + b;
}
extern "C" int with_site(int a, int b) {
  if (SHUNT_UNLIKELY(key)) return slow(a);
  return a * 3 + b;
}
extern shunt::StaticKeyOn on;
extern "C" int with_likely_site(int a, int b) {
  if (SHUNT_LIKELY(on)) return a * 3 + b;
  return slow(a);
}
