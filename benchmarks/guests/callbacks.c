// Calls through function pointers, as C programs make them: a sort that is given its comparison, and objects that
// bring their functions along.
#define EXPORT(name) __attribute__((export_name(name)))
#define NOINLINE __attribute__((noinline))

enum { kCount = 4096 };
static unsigned values[kCount];
static unsigned state = 1;

static unsigned next_random(void) {
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state;
}

// --- sort: the comparison is one of two ---

typedef int (*Compare)(const void* left, const void* right);

static int ascending(const void* left, const void* right) {
  const unsigned a = *(const unsigned*)left, b = *(const unsigned*)right;
  return (a > b) - (a < b);
}
static int descending(const void* left, const void* right) {
  return ascending(right, left);
}

static NOINLINE void heap_sort(unsigned* data, unsigned count, Compare compare) {
  for (unsigned start = count / 2, end = count; end > 1;) {
    if (start > 0) {
      --start;
    } else {
      --end;
      const unsigned last = data[end];
      data[end] = data[0];
      data[0] = last;
    }
    for (unsigned root = start, child; (child = 2 * root + 1) < end; root = child) {
      if (child + 1 < end && compare(&data[child], &data[child + 1]) < 0) ++child;
      if (compare(&data[root], &data[child]) >= 0) break;
      const unsigned moved = data[root];
      data[root] = data[child];
      data[child] = moved;
    }
  }
}

EXPORT("sort") unsigned sort(unsigned rounds) {
  unsigned sum = 0;
  for (unsigned round = 0; round < rounds; ++round) {
    for (unsigned i = 0; i < kCount; ++i) values[i] = next_random();
    heap_sort(values, kCount, round % 2 ? descending : ascending);
    sum += values[round % kCount];
  }
  return sum;
}

// --- objects: of four or of sixteen kinds, in no order ---

typedef unsigned (*Step)(unsigned, unsigned);
#define KIND(n)                                            \
  static unsigned step##n(unsigned value, unsigned with) { \
    return (value ^ with) * (2 * n + 3u) + n;              \
  }
KIND(0)
KIND(1)
KIND(2)
KIND(3)
KIND(4)
KIND(5)
KIND(6)
KIND(7)
KIND(8)
KIND(9)
KIND(10)
KIND(11)
KIND(12)
KIND(13)
KIND(14)
KIND(15)

#ifdef FEW
static const Step steps[] = {step0, step1, step2, step3};
#else
static const Step steps[] = {step0, step1, step2,  step3,  step4,  step5,  step6,  step7,
                             step8, step9, step10, step11, step12, step13, step14, step15};
#endif
static Step objects[kCount];

EXPORT("objects") unsigned run_objects(unsigned rounds) {
  for (unsigned i = 0; i < kCount; ++i) objects[i] = steps[next_random() % (sizeof steps / sizeof *steps)];
  unsigned value = 1;
  for (unsigned round = 0; round < rounds; ++round) {
    for (unsigned i = 0; i < kCount; ++i) value = objects[i](value, i);
  }
  return value;
}

// The same kind for a hundred objects on end: the processor predicts it.
EXPORT("runs") unsigned run_runs(unsigned rounds) {
  for (unsigned i = 0; i < kCount; ++i) objects[i] = steps[i / 100 % (sizeof steps / sizeof *steps)];
  unsigned value = 1;
  for (unsigned round = 0; round < rounds; ++round) {
    for (unsigned i = 0; i < kCount; ++i) value = objects[i](value, i);
  }
  return value;
}
