/* Ends as its argument says. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void at_exit(void) {
  puts("at exit");
}

__attribute__((noinline)) static int recurse(volatile int* depth) {
  volatile int mine = *depth + 1;
  return recurse(&mine) + mine;
}

int main(int argc, char** argv) {
  const char* how = argc > 1 ? argv[1] : "";
  atexit(at_exit);
  puts("begin");
  if (strcmp(how, "return") == 0) return 7;
  if (strcmp(how, "exit") == 0) exit(42);
  if (strcmp(how, "_exit") == 0) {
    fflush(stdout);
    _exit(3);
  }
  fflush(stdout);
  if (strcmp(how, "abort") == 0) abort();
  if (strcmp(how, "null") == 0) {
    void (*volatile none)(int) = NULL;
    none(1);
  }
  if (strcmp(how, "recurse") == 0) {
    volatile int depth = 0;
    return recurse(&depth);
  }
  return 0;
}
