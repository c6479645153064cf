// Four loops over a 64 KiB buffer, one flag check a byte. Built twice: with -DCHECK the check and its rare arm are
// there, without it neither is, so the difference is the whole price of a flag that is off. -DPAD=n moves the loops to
// another code address. -DLOAD: the check is a load of a variable and a branch, as a guest without such flags would
// ask.
#include <stdint.h>

#define EXPORT(name) __attribute__((export_name(name), noinline))

static uint8_t buffer[65536];
static uint32_t table[256];
static volatile uint8_t pad_sink;

#if defined(CHECK) || defined(LOAD)
#ifdef CHECK
__attribute__((import_module("flags"), import_name("rare"))) extern int flag_rare(void);
#else
static volatile int rare_flag;
static inline int flag_rare(void) {
  return rare_flag;
}
#endif

static volatile uint32_t rare_sink;
__attribute__((noinline, cold)) static uint32_t rare_arm(uint32_t value) {
  rare_sink += value;
  return value + rare_sink;
}
#define RARE(value) \
  if (__builtin_expect(flag_rare(), 0)) value = rare_arm(value)
#else
#define RARE(value) (void)0
#endif

// Both builds keep one byte an iteration: else the compiler unrolls only the loops without the check.
#define PLAIN_LOOP _Pragma("clang loop unroll(disable) vectorize(disable)")
#define EACH_ROUND(r) PLAIN_LOOP for (uint32_t r = 0; r < rounds; r++)
#define EACH_BYTE(i) PLAIN_LOOP for (uint32_t i = 0; i < sizeof buffer; i++)

#ifndef PAD
#define PAD 0
#endif
#define STORE1 pad_sink = 1;
#define STORES_0
#define STORES_1 STORE1
#define STORES_2 STORES_1 STORE1
#define STORES_3 STORES_2 STORE1
#define STORES_4 STORES_3 STORE1
#define STORES_5 STORES_4 STORE1
#define STORES_6 STORES_5 STORE1
#define STORES_7 STORES_6 STORE1
#define STORES_8 STORES_7 STORE1
#define STORES_9 STORES_8 STORE1
#define STORES_10 STORES_9 STORE1
#define STORES_11 STORES_10 STORE1
#define STORES_12 STORES_11 STORE1
#define STORES_13 STORES_12 STORE1
#define STORES_14 STORES_13 STORE1
#define STORES_15 STORES_14 STORE1
#define CONCAT_(a, b) a##b
#define CONCAT(a, b) CONCAT_(a, b)
#define PADDING CONCAT(STORES_, PAD)

EXPORT("_initialize") void initialize(void) {
  uint32_t x = 1;
  for (uint32_t i = 0; i < sizeof buffer; i++) {
    x = x * 1664525u + 1013904223u;
    buffer[i] = (uint8_t)(x >> 24);
  }
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t c = i;
    for (int k = 0; k < 8; k++) c = (c >> 1) ^ ((c & 1) ? 0xEDB88320u : 0);
    table[i] = c;
  }
}

EXPORT("crc") uint32_t crc(uint32_t rounds) {
  uint32_t c = ~0u;
  PADDING
  EACH_ROUND(r)
  EACH_BYTE(i) {
    c = table[(c ^ buffer[i]) & 0xff] ^ (c >> 8);
    RARE(c);
  }
  return ~c;
}

EXPORT("fnv") uint32_t fnv(uint32_t rounds) {
  uint32_t h = 2166136261u;
  PADDING
  EACH_ROUND(r)
  EACH_BYTE(i) {
    h = (h ^ buffer[i]) * 16777619u;
    RARE(h);
  }
  return h;
}

EXPORT("sum") uint32_t sum(uint32_t rounds) {
  uint32_t s = 0;
  PADDING
  EACH_ROUND(r)
  EACH_BYTE(i) {
    s += buffer[i] ^ r;
    RARE(s);
  }
  return s;
}

// Remembers where lines end: a scan with a branch on the data.
static uint32_t line_ends[256];
EXPORT("scan") uint32_t scan(uint32_t rounds) {
  uint32_t lines = 0;
  PADDING
  EACH_ROUND(r)
  EACH_BYTE(i) {
    if (__builtin_expect(buffer[i] == '\n', 0)) line_ends[lines++ & 255] = i;
    RARE(lines);
  }
  return lines + line_ends[rounds & 255];
}
