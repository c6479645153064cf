"""The engine: what a check that is off costs, and what a flip costs, beside other ways to do the same."""
import pathlib
import re
import tempfile

import engine_plots
import engine_tables
from results import Chapter, duration
from running import HERE, Failed

LOOP_CHECKS = {"hash": 16, "crc": 16, "frontend": 4}  # checks an iteration
COUNTED_TURNS = 10_000


def count_instructions(bench):
    """By callgrind: instructions that a check adds, for each loop and check."""
    with tempfile.TemporaryDirectory() as work:
        # Without --smc-check=all valgrind does not see writes through an alias mapping.
        bench.run(["valgrind", "--tool=callgrind", "--smc-check=all", f"--callgrind-out-file={work}/out", bench.program("disabled_check"), "--count"])
        totals = {}
        for dump in pathlib.Path(work).glob("out.*"):
            text = dump.read_text(encoding="utf-8")
            trigger = re.search(r"^desc: Trigger: Client Request: (\w+)/(\w+)$", text, re.M)
            total = re.search(r"^totals: (\d+)$", text, re.M)
            if trigger and total:
                totals[trigger.groups()] = int(total.group(1))
    if not totals:
        raise Failed("callgrind made no dumps of disabled_check --count")
    return {f"instructions/{loop}/{check}:count": (total - totals[loop, "none"]) / (COUNTED_TURNS * LOOP_CHECKS[loop])
            for (loop, check), total in totals.items()}


class Instructions(Chapter):
    name, title, rounds_at_most = "instructions", "Instructions of a check that is off", 1
    snippet_names = ("instructions",)

    def lacks(self, bench):
        return bench.lacking(["disabled_check"], ["valgrind"])

    def measure(self, bench):
        return count_instructions(bench)

    def page(self, results):
        counts = engine_tables.instruction_counts(results)
        rows = [(name, *(f"{counts[f'{loop}/{check}']:.3f}" for loop in LOOP_CHECKS)) for check, name in engine_tables.CHECKS]
        return ("Counted by callgrind over the loops of the next chapter, with the check and without: neither clock nor load matters.\n\n"
                + engine_tables.table(["check", *(name for _, name in engine_tables.LOOPS)], rows))

    def targets(self, out, results):
        engine_tables.instruction_targets(out, results)

    def snippets(self, results):
        counts = engine_tables.instruction_counts(results)
        site = {counts[f"{loop}/{check}"] for loop in LOOP_CHECKS for check in ("word", "toggle")}
        other = counts["hash/load"]
        low, high = min(site), max(site)
        shown = f"{low:.0f}" if high - low < 0.005 else f"{low:.2f} to {high:.2f}"
        return {"instructions": f"{shown}; a relaxed load with its branch takes {other:.0f}"}


class Check(Chapter):
    name, title = "check", "A check that is off, beside other checks"

    def lacks(self, bench):
        return bench.lacking(["disabled_check"])

    def measure(self, bench):
        return bench.google([bench.program("disabled_check"), *bench.google_options("0.02", "0.2")])

    def page(self, results):
        return (engine_tables.check_table(results)
                + "\nThe loops are assembled, each at 16 places of its code, all interleaved; what counts is the median over the places "
                "(`benchmarks/disabled_check.cpp`). In an ordinary loop a predicted load costs as little as a no-op: a site gains in tight loops, in "
                "code size, and in the cache lines and predictor entries that it does not use. `test` takes one of the core's arithmetic units, "
                "a no-op none: that is why tight loops want aligned words.\n\n"
                "![Time of three loops with checks that are off](images/engine-check.svg)\n")

    def plots(self, results):
        return {"engine-check.svg": engine_plots.check_plot(results)}

    def comparisons(self, results):
        found = []
        for loop, loop_name in engine_tables.LOOPS:
            for site, site_name in (("word", "aligned word"), ("toggle", "toggle")):
                for other, other_name in (("none", "no check"), ("load", "atomic load and branch"), ("pointer", "function pointer"),
                                          ("virtual", "virtual call")):
                    found += results.compare(f"{loop_name} that are off: {site_name}", other_name, f"disabled_check/{loop}:{site}_ns",
                                             f"disabled_check/{loop}:{other}_ns", control=other == "none")
        return found

    def targets(self, out, results):
        engine_tables.check_targets(out, results)


class Flip(Chapter):
    name, title = "flip", "A flip, beside other ways to patch running code"
    snippet_names = ("flip", "flip-million")

    def lacks(self, bench):
        return bench.lacking(["engine_flip"])

    def left_out(self, bench):
        out = [] if bench.program("xray_sleds") else ["LLVM XRay (clang-19 with libclang-rt-19-dev)"]
        return out + ([] if bench.tool("java") else ["Java's SwitchPoint and MutableCallSite (openjdk-17-jdk-headless)"])

    def measure(self, bench):
        figures = bench.google([bench.program("engine_flip"), *bench.google_options("0.001", "0.05"), *(quick_filter() if bench.quick else [])])
        if bench.program("xray_sleds"):
            figures |= bench.google([bench.program("xray_sleds"), *bench.google_options()], {"XRAY_OPTIONS": "patch_premain=false"})
        if bench.tool("java"):
            java = ["java", HERE.parent / "peers" / "CallSiteFlip.java"]
            figures |= bench.google(java + (["--quick"] if bench.quick and not bench.smoke else []))
        return figures

    def page(self, results):
        return (engine_tables.flip_table(results)
                + "\n\"Busy\" threads execute random sites of what is flipped; the committing thread and they are pinned, the first busy one to another "
                "processor, for unpinned they often share one, and then a core serialisation has nobody to interrupt and looks twenty times cheaper than "
                "it is. A blind store writes one word a site, in address order, checks nothing and tells nobody. `mprotect` and `/proc/self/mem` write "
                "the same words in private memory, without a check, with a membarrier at the end that their users usually leave out. XRay checks "
                "nothing, tells nobody, and has its text writable and executable meanwhile. Breakpoints, three core serialisations a batch, are for "
                "sites that no single store can rewrite.\n\n"
                "![Time of a flip by the number of sites](images/engine-flip.svg)\n\n" + engine_tables.extra_table(results))

    def plots(self, results):
        return {"engine-flip.svg": engine_plots.flip_plot(results)}

    def comparisons(self, results):
        found = []
        for sites, busy in engine_tables.FLIP_COLUMNS:
            what = f"flip of {engine_tables.sites_word(sites)}, " + ("nobody running" if busy == 0 else f"{busy} busy")
            ours = f"flip/word/{sites}/{busy}:p50_ns"
            for other, name in (("mprotect_batch", "mprotect once a batch"), ("mprotect_site", "mprotect a site"), ("proc_self_mem", "/proc/self/mem")):
                found += results.compare(what, name, ours, f"{other}/{sites}/{busy}:p50_ns")
            if sites == 1:
                found += results.compare(what, "LLVM XRay, one function", ours, f"xray/function/{busy}:p50_ns")
                found += results.compare(what, "OpenJDK SwitchPoint", ours, f"switch_point/1/{busy}:p50_ns")
                found += results.compare(what, "OpenJDK MutableCallSite", ours, f"call_site/1/{busy}:p50_ns")
            if sites == 20_000:
                found += results.compare(what, "LLVM XRay, 20,000 sleds", ours, f"xray/map/{busy}:p50_ns")
            found += results.compare(what, "a membarrier alone (floor)", ours, f"flip/word/{sites}/{busy}:membarrier_p50_ns", control=True)
            if sites > 1:
                found += results.compare(what, "a blind store (floor)", ours, f"flip/word/{sites}/{busy}:blind_p50_ns", control=True)
        return found

    def targets(self, out, results):
        engine_tables.flip_targets(out, results)
        engine_tables.other_targets(out, results)

    def snippets(self, results):
        idle, busy = results.of("flip/word/1/0"), results.of("flip/word/1/1")
        many, floor = results.of("flip/word/1000000/0"), results.of("flip/word/1/1", "membarrier_p50_ns")
        if None in (idle, busy, many, floor):
            return {}
        return {"flip": f"{duration(idle)} while nobody runs; {duration(busy)} beside a busy thread, of which telling the other core takes {duration(floor)}",
                "flip-million": duration(many)}


def quick_filter():
    """A quick run leaves out sizes that say little more than their neighbours."""
    return ["--benchmark_filter=-^(flip/unaligned/1000000|flip/(word|toggle)/1000000/[14]|mprotect_batch/(1000000|100000)/[14]|proc_self_mem/100000|"
            "flip/(word|toggle)/100000/[04]|group/(1|2|16|32|64)/).*"]
