/* Echoes stdin's lines with their numbers to stdout, counts to stderr; the number of lines is the status. */
#include <stdio.h>
#include <string.h>

int main(void) {
  char line[256];
  int lines = 0;
  size_t bytes = 0;
  while (fgets(line, sizeof(line), stdin) != NULL) {
    printf("%d: %s", ++lines, line);
    bytes += strlen(line);
  }
  fprintf(stderr, "%d lines, %zu bytes\n", lines, bytes);
  return lines;
}
