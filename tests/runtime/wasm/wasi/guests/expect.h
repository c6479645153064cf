/* Guests check themselves: EXPECT tells what is wrong on stderr, `wrong` counts it and becomes the status. */
#ifndef SHUNT_TESTS_EXPECT_H
#define SHUNT_TESTS_EXPECT_H

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int wrong;

#define EXPECT(condition)                                                                                   \
  do {                                                                                                      \
    errno = 0;                                                                                              \
    if (!(condition)) {                                                                                     \
      fprintf(stderr, "WRONG: line %d: %s (errno %d, %s)\n", __LINE__, #condition, errno, strerror(errno)); \
      ++wrong;                                                                                              \
    }                                                                                                       \
  } while (0)

/* The call fails with this errno. */
#define EXPECT_ERRNO(number, call)                                                                            \
  do {                                                                                                        \
    errno = 0;                                                                                                \
    if ((call) != -1 || errno != (number)) {                                                                  \
      fprintf(stderr, "WRONG: line %d: %s: errno %d (%s), not %s\n", __LINE__, #call, errno, strerror(errno), \
              #number);                                                                                       \
      ++wrong;                                                                                                \
    }                                                                                                         \
  } while (0)

#endif
