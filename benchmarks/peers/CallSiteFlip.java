// Java's SwitchPoint, the closest thing to a patch batch that a mainstream runtime offers: invalidateAll() makes every
// call site that was guarded by it take the other path, on all threads, by throwing the compiled code away.
//
//   switch_point/SITES/BUSY   invalidateAll() of one SwitchPoint that guards SITES call sites, all of them compiled and
//                             hot, while BUSY threads call them. Counters: p50_ns and p99_ns; hot_ns, a call before;
//                             after_ns, a call in the first 50 microseconds afterwards; recovery_ns, until a window of
//                             calls is at most twice as slow as hot again
//   call_site/SITES/BUSY      the same by setTarget() of each MutableCallSite, and one syncAll() of all
//
// Prints Google Benchmark's JSON.   usage: java CallSiteFlip.java [--smoke | --quick]
// Bias: the call sites are warmed for 30 ms before each flip, and longer until a call takes less than 4 ns, which is so
// once they are compiled at the highest tier; threads cannot be pinned from Java.
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.lang.invoke.MutableCallSite;
import java.lang.invoke.SwitchPoint;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

public class CallSiteFlip {
  static final int SITES = 8;

  // Call sites that the compiler may treat as constants, as an invokedynamic instruction's are.
  static final MutableCallSite SITE_0 = site(), SITE_1 = site(), SITE_2 = site(), SITE_3 = site(), SITE_4 = site(), SITE_5 = site(),
      SITE_6 = site(), SITE_7 = site();
  static final MethodHandle CALL_0 = SITE_0.dynamicInvoker(), CALL_1 = SITE_1.dynamicInvoker(), CALL_2 = SITE_2.dynamicInvoker(),
      CALL_3 = SITE_3.dynamicInvoker(), CALL_4 = SITE_4.dynamicInvoker(), CALL_5 = SITE_5.dynamicInvoker(), CALL_6 = SITE_6.dynamicInvoker(),
      CALL_7 = SITE_7.dynamicInvoker();
  static final MutableCallSite[] ALL = {SITE_0, SITE_1, SITE_2, SITE_3, SITE_4, SITE_5, SITE_6, SITE_7};

  static volatile boolean stop;
  static volatile int sink;

  static MutableCallSite site() {
    return new MutableCallSite(MethodType.methodType(int.class, int.class));
  }

  static int usual(int value) {
    return value * 31 + 1;
  }

  static int rare(int value) {
    return value * 17 + 3;
  }

  static int one(int value) throws Throwable {
    return (int) CALL_0.invokeExact(value);
  }

  static int eight(int value) throws Throwable {
    value = (int) CALL_0.invokeExact(value);
    value = (int) CALL_1.invokeExact(value);
    value = (int) CALL_2.invokeExact(value);
    value = (int) CALL_3.invokeExact(value);
    value = (int) CALL_4.invokeExact(value);
    value = (int) CALL_5.invokeExact(value);
    value = (int) CALL_6.invokeExact(value);
    return (int) CALL_7.invokeExact(value);
  }

  // `calls` guarded calls.
  static int loop(int sites, int calls, int value) throws Throwable {
    if (sites == 1) {
      for (int i = 0; i < calls; i++) value = one(value);
    } else {
      for (int i = 0; i < calls; i += SITES) value = eight(value);
    }
    return value;
  }

  // Sends the first `sites` call sites to `target` at once.
  static void retarget(int sites, MethodHandle target) {
    for (int i = 0; i < sites; i++) ALL[i].setTarget(target);
    MutableCallSite.syncAll(Arrays.copyOf(ALL, sites));
  }

  // A fresh SwitchPoint in front of the first `sites` call sites; one that is invalid stays so.
  static SwitchPoint guard(int sites, MethodHandle usual, MethodHandle rare) {
    SwitchPoint point = new SwitchPoint();
    for (int i = 0; i < sites; i++) ALL[i].setTarget(point.guardWithTest(usual, rare));
    MutableCallSite.syncAll(ALL);
    return point;
  }

  // Nanoseconds a call, over one window of calls.
  static double callTime(int sites, int calls) throws Throwable {
    long begin = System.nanoTime();
    sink = loop(sites, calls, sink);
    return (System.nanoTime() - begin) / (double) calls;
  }

  static void warm(int sites, long nanoseconds) throws Throwable {
    long end = System.nanoTime() + nanoseconds;
    while (System.nanoTime() < end) sink = loop(sites, 8000, sink);
  }

  static double quantile(List<Double> values, double part) {
    double[] sorted = values.stream().mapToDouble(Double::doubleValue).toArray();
    Arrays.sort(sorted);
    return sorted[Math.min(sorted.length - 1, (int) (sorted.length * part))];
  }

  static String measure(boolean bySwitchPoint, int sites, int busy, int repetitions, long warmTime) throws Throwable {
    MethodHandles.Lookup lookup = MethodHandles.lookup();
    MethodType type = MethodType.methodType(int.class, int.class);
    MethodHandle usual = lookup.findStatic(CallSiteFlip.class, "usual", type);
    MethodHandle rare = lookup.findStatic(CallSiteFlip.class, "rare", type);
    guard(sites, usual, rare);
    stop = false;
    List<Thread> threads = new ArrayList<>();
    for (int i = 0; i < busy; i++) {
      Thread thread = new Thread(() -> {
        try {
          int value = 1;
          while (!stop) value = loop(sites, 8000, value);
          sink = value;
        } catch (Throwable problem) {
          throw new IllegalStateException(problem);
        }
      });
      thread.start();
      threads.add(thread);
    }
    List<Double> times = new ArrayList<>(), hot = new ArrayList<>(), after = new ArrayList<>(), recovery = new ArrayList<>();
    for (int i = 0; i < repetitions; i++) {
      SwitchPoint[] points = {bySwitchPoint ? guard(sites, usual, rare) : null};
      if (!bySwitchPoint) retarget(sites, usual);
      warm(sites, warmTime);
      double before = callTime(sites, 160_000);
      for (int more = 0; more < 50 && before > 4; more++) {  // until it is compiled: nothing would have to be thrown away
        warm(sites, warmTime);
        before = callTime(sites, 160_000);
      }
      long begin = System.nanoTime();
      if (bySwitchPoint) {
        SwitchPoint.invalidateAll(points);
      } else {
        retarget(sites, rare);
      }
      long end = System.nanoTime();
      times.add((double) (end - begin));
      hot.add(before);
      after.add(firstCalls(sites, end + 50_000));
      double now;
      do {
        now = callTime(sites, 8_000);
      } while (now > 2 * before && System.nanoTime() - end < 200_000_000L);
      recovery.add((double) (System.nanoTime() - end));
    }
    stop = true;
    for (Thread thread : threads) thread.join();
    return String.format(Locale.ROOT,
        "    {\"name\": \"%s/%d/%d\", \"run_type\": \"iteration\", \"iterations\": %d, \"real_time\": %.1f, \"cpu_time\": %.1f, "
            + "\"time_unit\": \"ns\", \"p50_ns\": %.1f, \"p99_ns\": %.1f, \"hot_ns\": %.3f, \"after_ns\": %.3f, \"recovery_ns\": %.0f}",
        bySwitchPoint ? "switch_point" : "call_site", sites, busy, repetitions, quantile(times, 0.5), quantile(times, 0.5), quantile(times, 0.5), quantile(times, 0.99), quantile(hot, 0.5),
        quantile(after, 0.5), quantile(recovery, 0.5));
  }

  // Nanoseconds a call, until the clock shows `end`.
  static double firstCalls(int sites, long end) throws Throwable {
    long begin = System.nanoTime(), now;
    int calls = 0;
    do {
      sink = loop(sites, SITES, sink);
      calls += SITES;
      now = System.nanoTime();
    } while (now < end);
    return (now - begin) / (double) calls;
  }

  public static void main(String[] arguments) throws Throwable {
    String mode = arguments.length > 0 ? arguments[0] : "";
    boolean smoke = mode.equals("--smoke");
    int repetitions = smoke ? 2 : mode.equals("--quick") ? 4 : 15;
    List<String> results = new ArrayList<>();
    for (int busy : new int[] {0, 1, 4}) {
      for (int sites : new int[] {1, SITES}) {
        for (boolean bySwitchPoint : new boolean[] {true, false})
          results.add(measure(bySwitchPoint, sites, busy, repetitions, smoke ? 2_000_000L : 30_000_000L));
      }
    }
    System.out.println("{\n  \"context\": {\"java\": \"" + System.getProperty("java.vm.version") + "\"},\n  \"benchmarks\": [");
    System.out.println(String.join(",\n", results));
    System.out.println("  ]\n}");
  }
}
