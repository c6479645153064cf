/* Clocks, sleeping, random bytes, waiting for input. Expects an open stdin without input. */
#include <poll.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "expect.h"

static double seconds(clockid_t clock) {
  struct timespec time;
  EXPECT(clock_gettime(clock, &time) == 0);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int main(int argc, char** argv) {
  /* The host's time is the first argument. */
  double host = argc > 1 ? atof(argv[1]) : 0;
  EXPECT(seconds(CLOCK_REALTIME) >= host - 1 && seconds(CLOCK_REALTIME) < host + 60);
  struct timespec resolution;
  EXPECT(clock_getres(CLOCK_MONOTONIC, &resolution) == 0 && resolution.tv_sec == 0 && resolution.tv_nsec > 0);

  double before = seconds(CLOCK_MONOTONIC);
  struct timespec pause = {.tv_sec = 0, .tv_nsec = 20000000};
  EXPECT(nanosleep(&pause, NULL) == 0);
  EXPECT(usleep(5000) == 0);
  double slept = seconds(CLOCK_MONOTONIC) - before;
  EXPECT(slept >= 0.025 && slept < 10);

  struct pollfd input = {.fd = 0, .events = POLLIN};
  before = seconds(CLOCK_MONOTONIC);
  EXPECT(poll(&input, 1, 20) == 0);
  EXPECT(seconds(CLOCK_MONOTONIC) - before >= 0.02);
  struct pollfd output = {.fd = 1, .events = POLLOUT};
  EXPECT(poll(&output, 1, 10000) == 1 && (output.revents & POLLOUT) != 0);

  struct tm* date = gmtime(&(time_t){86400});
  EXPECT(date->tm_mday == 2 && date->tm_mon == 0 && date->tm_year == 70);

  unsigned char first[64];
  unsigned char second[64];
  EXPECT(getentropy(first, sizeof(first)) == 0 && getentropy(second, sizeof(second)) == 0);
  EXPECT(memcmp(first, second, sizeof(first)) != 0);
  return wrong;
}
