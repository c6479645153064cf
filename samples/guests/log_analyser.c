// A web-server log analyser: an ordinary C program for WASI with three feature flags in its hot loops.
//
//   log_analyser [FILE]    reads FILE, or standard input; writes its report to standard output, one figure a line
//
// Input: the combined access-log format with the time taken, in seconds, at the end:
//   ADDRESS - USER [TIME] "METHOD PATH PROTOCOL" STATUS BYTES "REFERRER" "AGENT" SECONDS.MILLIS
//
// Flags:
//   - fast-scan, boolean: search eight bytes at a time, and with skips, not byte by byte. The report stays the same.
//   - trace, boolean: give each line an identity, and write about one in 4,096 to standard error.
//   - slow-ms, number: requests that took at least so many milliseconds count as slow; with 0 none do.
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shunt_flags.h"

SHUNT_FLAG_BOOL(fast_scan, "fast-scan")
SHUNT_FLAG_BOOL(trace, "trace")
SHUNT_FLAG_INT(slow_ms, "slow-ms")

enum {
  block_size = 256 * 1024,
  longest_line = 8 * 1024,
  route_slots = 256,
  longest_route = 64,
  longest_latency = 8192
};

// [begin, end)
typedef struct {
  const char *begin, *end;
} text;

typedef struct {
  text line, path, agent;
  unsigned status, millis;
  uint64_t sent;
} request;

typedef struct {
  char name[longest_route];
  size_t length;
  uint64_t hits, slow, slow_millis;
} route;

static char buffer[longest_line + block_size];
static route routes[route_slots];
static uint64_t latencies[longest_latency];  // requests by milliseconds; the last counts all that took longer
static uint64_t lines, bytes, skipped, by_class[6], sent, crawlers, slow;

// The first `wanted` in [p, end), or `end`.
static const char* find_by_bytes(const char* p, const char* end, char wanted) {
  while (p < end && *p != wanted) ++p;
  return p;
}

static const char* find_by_words(const char* p, const char* end, char wanted) {
  const uint64_t ones = 0x0101010101010101u, highs = 0x8080808080808080u;
  const uint64_t pattern = ones * (unsigned char)wanted;
  for (; end - p >= 8; p += 8) {
    uint64_t word;
    memcpy(&word, p, sizeof word);
    word ^= pattern;                                       // the wanted bytes become zero
    const uint64_t zeros = (word - ones) & ~word & highs;  // exact for the lowest zero byte
    if (zeros) return p + (__builtin_ctzll(zeros) >> 3);
  }
  return find_by_bytes(p, end, wanted);
}

static const char* find(const char* p, const char* end, char wanted) {
  return fast_scan() ? find_by_words(p, end, wanted) : find_by_bytes(p, end, wanted);
}

// Crawlers name themselves so: "Mozilla/5.0 (compatible; SomeBot/1.0; +https://...)".
static const char needle[] = "(compatible;";
enum { needle_length = sizeof needle - 1 };

static int contains_needle_by_bytes(text t) {
  for (const char* p = t.begin; t.end - p >= needle_length; ++p) {
    int i = 0;
    while (i < needle_length && p[i] == needle[i]) ++i;
    if (i == needle_length) return 1;
  }
  return 0;
}

// Horspool: looks at the last byte under the needle and moves on by as much as that byte allows.
static int contains_needle_with_skips(text t) {
  static unsigned char skip[256];
  if (skip[0] == 0) {
    memset(skip, needle_length, sizeof skip);
    for (int i = 0; i + 1 < needle_length; ++i) skip[(unsigned char)needle[i]] = (unsigned char)(needle_length - 1 - i);
  }
  for (const char* p = t.begin; t.end - p >= needle_length;) {
    const unsigned char last = (unsigned char)p[needle_length - 1];
    if (last == needle[needle_length - 1] && memcmp(p, needle, needle_length - 1) == 0) return 1;
    p += skip[last];
  }
  return 0;
}

static int is_crawler(text agent) {
  return fast_scan() ? contains_needle_with_skips(agent) : contains_needle_by_bytes(agent);
}

static const char* read_number(const char* p, const char* end, uint64_t* value) {
  uint64_t v = 0;
  for (; p < end && *p >= '0' && *p <= '9'; ++p) v = v * 10 + (uint64_t)(*p - '0');
  *value = v;
  return p;
}

// The text between the next two quotation marks; `*p` moves behind it. Returns 0 if there is none.
static int read_quoted(const char** p, const char* end, text* out) {
  const char* open = find(*p, end, '"');
  if (open == end) return 0;
  const char* close = find(open + 1, end, '"');
  if (close == end) return 0;
  *out = (text){open + 1, close};
  *p = close + 1;
  return 1;
}

static int parse(text line, request* r) {
  const char* p = line.begin;
  text command, referrer;
  uint64_t number;
  r->line = line;
  if (!read_quoted(&p, line.end, &command) || p == line.end) return 0;
  r->path.begin = find(command.begin, command.end, ' ');
  if (r->path.begin == command.end) return 0;
  r->path.end = find(++r->path.begin, command.end, ' ');
  p = read_number(p + 1, line.end, &number);
  r->status = (unsigned)number;
  if (r->status < 100 || r->status > 599 || p == line.end) return 0;
  p = read_number(p + 1, line.end, &r->sent);
  if (!read_quoted(&p, line.end, &referrer) || !read_quoted(&p, line.end, &r->agent) || p == line.end) return 0;
  p = read_number(p + 1, line.end, &number);
  r->millis = (unsigned)number * 1000;
  if (p == line.end || *p != '.') return 0;
  p = read_number(p + 1, line.end, &number);
  r->millis += (unsigned)number;
  return p == line.end;
}

static uint32_t hash(text t) {  // FNV-1a
  uint32_t h = 2166136261u;
  for (const char* p = t.begin; p < t.end; ++p) h = (h ^ (unsigned char)*p) * 16777619u;
  return h;
}

// The path's first two segments ("/api/orders" of "/api/orders/17?page=2"): few enough to keep in a table.
static route* route_of(text path) {
  const char* p = path.begin;
  for (int slashes = 0; p < path.end && p - path.begin < longest_route; ++p) {
    if (*p == '?' || (*p == '/' && ++slashes == 3)) break;
  }
  const text name = {path.begin, p};
  const size_t length = (size_t)(p - path.begin);
  for (uint32_t i = hash(name), tries = 0; tries < route_slots; ++i, ++tries) {
    route* r = &routes[i % route_slots];
    if (r->length == 0) {
      memcpy(r->name, name.begin, length);
      r->length = length;
      return r;
    }
    if (r->length == length && memcmp(r->name, name.begin, length) == 0) return r;
  }
  return NULL;
}

static void trace_line(text line) {
  const uint32_t identity = hash(line);
  if (identity % 4096 != 0) return;
  static char out[longest_line + 32];
  const int length = line.end - line.begin < longest_line ? (int)(line.end - line.begin) : longest_line;
  const int n = snprintf(out, sizeof out, "trace %08x %.*s\n", (unsigned)identity, length, line.begin);
  if (write(STDERR_FILENO, out, (size_t)n) < 0) return;  // a lost trace line is no reason to stop
}

static void analyse_line(text line) {
  request r;
  ++lines;
  if (trace()) trace_line(line);
  if (!parse(line, &r)) {
    ++skipped;
    return;
  }
  ++by_class[r.status / 100];
  sent += r.sent;
  ++latencies[r.millis < longest_latency ? r.millis : longest_latency - 1];
  crawlers += (uint64_t)is_crawler(r.agent);
  route* to = route_of(r.path);
  if (to) ++to->hits;
  const int32_t limit = slow_ms();
  if (limit > 0 && r.millis >= (unsigned)limit) {
    ++slow;
    if (to) {
      ++to->slow;
      to->slow_millis += r.millis;
    }
  }
}

// Analyses the whole lines of [begin, end) and returns where the last, unfinished one begins.
static const char* analyse_block(const char* begin, const char* end) {
  for (;;) {
    const char* newline = find(begin, end, '\n');
    if (newline == end) return begin;
    analyse_line((text){begin, newline});
    begin = newline + 1;
  }
}

static int analyse(int fd) {
  size_t kept = 0;
  for (;;) {
    const ssize_t got = read(fd, buffer + kept, block_size);
    if (got < 0) return -1;
    if (got == 0) break;
    bytes += (uint64_t)got;
    const char* end = buffer + kept + got;
    const char* rest = analyse_block(buffer, end);
    kept = (size_t)(end - rest);
    if (kept > longest_line) {  // no line of a log: drop it
      ++skipped;
      kept = 0;
    }
    memmove(buffer, rest, kept);
  }
  if (kept > 0) analyse_line((text){buffer, buffer + kept});
  return 0;
}

// The least number of milliseconds that `percent` of all requests did not exceed.
static unsigned percentile(unsigned percent) {
  uint64_t all = 0, seen = 0;
  for (unsigned i = 0; i < longest_latency; ++i) all += latencies[i];
  for (unsigned i = 0; i < longest_latency; ++i) {
    seen += latencies[i];
    if (seen * 100 >= all * percent) return i;
  }
  return longest_latency;
}

static void report(void) {
  printf("lines %llu\nbytes %llu\nskipped %llu\n", lines, bytes, skipped);
  for (int i = 1; i <= 5; ++i) printf("%dxx %llu\n", i, by_class[i]);
  printf("sent %llu\ncrawlers %llu\n", sent, crawlers);
  printf("p50-ms %u\np99-ms %u\n", percentile(50), percentile(99));
  printf("slow %llu\n", slow);
  for (int i = 0; i < route_slots; ++i) {
    const route* r = &routes[i];
    if (r->length == 0) continue;
    printf("route %.*s %llu", (int)r->length, r->name, r->hits);
    if (r->slow) printf(", %llu slow, %llu ms on average", r->slow, r->slow_millis / r->slow);
    putchar('\n');
  }
}

int main(int argc, char** argv) {
  int fd = STDIN_FILENO;
  if (argc > 2) {
    fprintf(stderr, "usage: log_analyser [FILE]\n");
    return 2;
  }
  if (argc == 2 && (fd = open(argv[1], O_RDONLY)) < 0) {
    fprintf(stderr, "log_analyser: %s: %s\n", argv[1], strerror(errno));
    return 1;
  }
  if (analyse(fd) != 0) {
    fprintf(stderr, "log_analyser: cannot read: %s\n", strerror(errno));
    return 1;
  }
  report();
  return 0;
}
