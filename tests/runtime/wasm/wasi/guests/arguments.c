/* Prints its arguments and environment. */
#include <stdio.h>
#include <stdlib.h>

extern char** environ;

int main(int argc, char** argv) {
  for (int i = 0; i < argc; ++i) printf("[%s]\n", argv[i]);
  printf("%s\n", argv[argc] == NULL ? "end" : "no end");
  for (char** variable = environ; *variable != NULL; ++variable) printf("{%s}\n", *variable);
  const char* home = getenv("HOME");
  printf("HOME is %s\n", home != NULL ? home : "not set");
  return 0;
}
