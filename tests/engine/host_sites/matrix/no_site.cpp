// Includes the header, and ends up with no site.
#include "shunt/engine.h"
#include "shunt/host_site.h"

int main() {
  return shunt::Engine::process() ? 0 : 1;
}
