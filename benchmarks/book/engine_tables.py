"""The engine's tables: flips beside other ways to patch, checks that are off beside other checks, and what was aimed at."""
from results import duration

FLIP_COLUMNS = [(1, 0), (1, 1), (1, 4), (1_000, 1), (20_000, 1), (100_000, 1), (1_000_000, 0)]
CHECKS = [
    ("word", "site, aligned word: a no-op"),
    ("toggle", "site, toggle: `test eax, imm32`"),
    ("load", "relaxed atomic load and branch"),
    ("pointer", "function pointer, relaxed load and call"),
    ("virtual", "virtual call"),
]
LOOPS = [("hash", "hash, 16 checks"), ("crc", "CRC, 16 checks"), ("frontend", "front-end-bound, 4 checks")]


def count(sites):
    return "1 million" if sites == 1_000_000 else f"{sites:,}"


def sites_word(sites):
    return f"{count(sites)} site" + ("" if sites == 1 else "s")


def row(*cells):
    return "| " + " | ".join(cells) + " |"


def table(head, rows):
    return "\n".join([row(*head), "|" + "---|" * len(head), *(row(*cells) for cells in rows)]) + "\n"


# What stands in the way of a target that may be missed, by how its name begins.
REASONS = [
    ("Tight loop with 16 toggles", "`test` takes one of the core's arithmetic units, a no-op none. Aligned words are the form for tight loops; a toggle's "
     "advantage is that it needs no padding."),
    ("Batch of 1 site, nobody running", "what a commit does beside the system call is some 1,700 instructions, and four readings of the clock for its report, "
     "about 20 ns each."),
    ("A guest's flag in its inner loop (scan", "at 1.3 cycles a byte the loop is bound by the front end, where an instruction more is an instruction more."),
    ("A site in a batch of 1 million", "the two passes over the sites are bound by memory; other work on the machine takes its share of it."),
]


class Targets:
    """Collects rows: what, target, measured, verdict; and the names of those that were missed."""

    def __init__(self):
        self.rows, self.missed, self.bars = [], [], []

    def add(self, what, target, measured, met, by=""):
        self.rows.append((what, target, measured, "met" if met else f"**missed** {by}".strip()))
        if not met:
            self.missed.append(f"{what}: {target}; measured {measured}")

    def at_most(self, what, target, value, limit, shown):
        """A value that shall not exceed a limit; `shown` formats both. Nothing is added if there is no value."""
        if value is None:
            return
        self.bars.append((what, value / limit if limit else 0))
        over = f"by {(value / limit - 1) * 100:.0f} %" if limit else f"by {shown(value)}"
        self.add(what, target, shown(value), value <= limit, over)

    def exactly(self, what, target, value, wanted, shown):
        if value is None:
            return
        self.add(what, target, shown(value), abs(value - wanted) < 0.005, f"by {value - wanted:+.2f}")


def times(value):
    return f"{value:.2f} times"


def percent(value):
    return f"{value * 100:+.1f} %"


def instruction_counts(results):
    """Loop/check -> instructions more than without a check; empty if they were not counted."""
    prefix, suffix = "instructions/", ":count"
    return {name[len(prefix):-len(suffix)]: results.of(name[:-len(suffix)], "count") for name in results.names() if name.startswith(prefix)}


def instruction_targets(out, results):
    instructions = instruction_counts(results)
    for check, name in (("word", "aligned word"), ("toggle", "toggle")):
        most = max((instructions[f"{loop}/{check}"] for loop, _ in LOOPS), key=lambda value: abs(value - 1))
        out.exactly(f"Site that is off, {name}: instructions (callgrind)", "1", most, 1, lambda v: f"{v:.3f}")


def check_targets(out, results):
    out.exactly("Padding of a toggle", "0 bytes", results.of("disabled_check/crc", "toggle_padding"), 0, lambda v: f"{v:.2f} bytes")
    out.at_most("Padding of an aligned word, mean over all addresses", "≤ 1.3 bytes", results.of("disabled_check/crc", "word_padding"), 1.3,
                lambda v: f"{v:.2f} bytes")
    for check, name in (("word", "aligned words"), ("toggle", "toggles")):
        value = results.combined("disabled_check/crc", lambda site, none: site / none - 1, f"{check}_ns", "none_ns")
        out.at_most(f"Tight loop with 16 {name} that are off", "≤ +5 %", value, 0.05, percent)


def flip_targets(out, results):
    forms = (("word", "aligned word"), ("toggle", "toggle"), ("unaligned", "unaligned (breakpoints)"))
    for form, name in forms[:2]:
        value = results.combined(f"flip/{form}/1/0", lambda flip, alone: flip - alone, "p50_ns", "membarrier_p50_ns")
        out.at_most(f"Batch of 1 site, nobody running, {name}: beyond one membarrier", "≤ 300 ns", value, 300, duration)
        for busy in (1, 4):
            value = results.ratio(f"flip/{form}/1/{busy}", "p50_ns", "membarrier_p50_ns")
            threads = f"{busy} busy thread" + ("s" if busy > 1 else "")
            out.at_most(f"Batch of 1 site, {threads}, {name}: against one membarrier", "≤ 1.2 times", value, 1.2, times)
    for form, name in forms:
        wanted = 3 if form == "unaligned" else 1
        out.exactly(f"Core serialisations of a batch, {name}", str(wanted), results.of(f"flip/{form}/1000/1", "serialisations"), wanted,
                    lambda v: f"{v:.2f}")
    for committers in (4, 8):
        out.at_most(f"Core serialisations a batch, {committers} threads that commit at once", "< 1: shared",
                    results.of(f"group/{committers}", "serialisations_a_batch"), 0.99, lambda v: f"{v:.2f}")
    for form, name in forms[:2]:
        out.at_most(f"A site in a batch of 1 million, {name}: against a blind sorted store", "≤ 2.5 times",
                    results.ratio(f"flip/{form}/1000000/0", "p50_ns", "blind_p50_ns"), 2.5, times)
    for sites in (1, 1_000):
        out.at_most(f"99th percentile of paced flips of {sites_word(sites)}, 4 busy threads: against the membarrier's own", "≤ 2 times",
                    results.ratio(f"paced/{sites}/4", "p99_ns", "membarrier_p99_ns"), 2, times)
    for name, sites in (("thousand", 1_000), ("million", 1_000_000)):
        out.at_most(f"One site flipped in a program of {count(sites)}: against a program of one", "≤ 1.05 times: independent",
                    results.ratio("independence", f"{name}_p50_ns", "p50_ns"), 1.05, times)


def other_targets(out, results):
    for name, what, limit in (("metadata/2", "a two-way JIT site", 8), ("metadata/3", "a three-way JIT site", 12), ("metadata/host", "a host site", 16)):
        # Some kilobytes of the heap belong to the engine, not to its million sites.
        out.exactly(f"Metadata of {what}", f"{limit} bytes", results.of(name, "bytes_a_site"), limit, lambda v: f"{v:.2f} bytes")
    for sites, busy in ((1, 0), (1, 1), (1_000, 0), (1_000, 1)):
        value = results.ratio(f"host/{sites}/{busy}", "p50_ns", "alias_p50_ns")
        where = "nobody running" if busy == 0 else "1 busy thread"
        out.at_most(f"Host text, {sites_word(sites)}, {where}: against as many toggles of the engine's own memory", "≤ 1.5 times", value, 1.5, times)


def flip_table(results):
    """One row for each way to flip; a column for each count of sites and busy threads."""
    head = ["median", *(f"{sites_word(sites)}, " + ("idle" if busy == 0 else f"{busy} busy") for sites, busy in FLIP_COLUMNS), "running threads are told",
            "bytes a site"]
    rows = []

    def add(name, source, counter="p50_ns", promise="", size=""):
        cells = [duration(results.of(source.format(sites, busy), counter)) for sites, busy in FLIP_COLUMNS]
        if any(cells):
            rows.append((name, *cells, promise, size))

    add("**shunt, aligned words**", "flip/word/{}/{}", promise="yes", size="8")
    add("**shunt, toggles**", "flip/toggle/{}/{}", promise="yes", size="8")
    add("**shunt, unaligned, by breakpoints**", "flip/unaligned/{}/{}", promise="yes", size="8")
    add("**shunt, host sites**", "host/{}/{}", promise="yes", size="16")
    add("mprotect once a batch", "mprotect_batch/{}/{}", promise="by the added membarrier")
    add("mprotect a site", "mprotect_site/{}/{}", promise="by the added membarrier")
    add("/proc/self/mem, a page at a time", "proc_self_mem/{}/{}", promise="by the added membarrier")
    xray = [""] * len(FLIP_COLUMNS)
    for column, (sites, busy) in enumerate(FLIP_COLUMNS):
        if sites == 1:
            xray[column] = duration(results.of(f"xray/function/{busy}"))
        elif sites == 20_000:
            xray[column] = duration(results.of(f"xray/map/{busy}"))
    if any(xray):
        rows.append(("LLVM XRay: one function (2 sleds), all 20,000 sleds", *xray, "no", "32"))
    for java, name in (("switch_point", "OpenJDK SwitchPoint.invalidateAll"), ("call_site", "OpenJDK MutableCallSite.setTarget and syncAll")):
        cells = [duration(results.of(f"{java}/1/{busy}")) if sites == 1 else "" for sites, busy in FLIP_COLUMNS]
        if any(cells):
            rows.append((name, *cells, "yes", "objects"))
    add("*floor: one membarrier*", "flip/word/{}/{}", "membarrier_p50_ns")
    add("*floor: blind sorted store*", "flip/word/{}/{}", "blind_p50_ns", "no")
    text = table(head, rows)
    for java, name in (("switch_point", "invalidateAll"), ("call_site", "syncAll")):
        after, hot = results.of(f"{java}/1/0", "after_ns"), results.of(f"{java}/1/0", "hot_ns")
        if after and hot:
            recovery = duration(results.of(f"{java}/1/0", "recovery_ns"))
            text += (f"\nAfter `{name}` a call of the site takes {duration(after)} instead of {duration(hot)} ({after / hot:,.0f} times as long), and "
                     f"{recovery} pass until it is compiled again. A patched site is as fast at once as it was before.\n")
    return text


def extra_table(results):
    """What has no target, but a user may ask."""
    rows = []

    def add(what, name, *columns):
        cells = [duration(results.of(f"{name}{column}")) for column in columns]
        if any(cells):
            rows.append((what, *cells, *[""] * (2 - len(cells))))

    add("A commit that finds nothing to do", "nothing_to_do", "")
    add("A site that is on, sent to another target (`retarget`)", "retarget/", 0, 1)
    add("A flip by signals to every thread, where there is no membarrier", "signal/", 0, 1)
    return table(["median", "nobody running", "1 busy thread"], rows) if rows else ""


def check_table(results):
    rows = []
    for check, name in CHECKS:
        cells = []
        for loop, _ in LOOPS:
            value = results.combined(f"disabled_check/{loop}", lambda site, none: site / none, f"{check}_ns", "none_ns")
            cells.append("" if value is None else f"{value:.1f} times" if value >= 2 else percent(value - 1))
        size = results.of("disabled_check/hash", f"{check}_bytes")
        rows.append((name, "" if size is None else f"{size:.1f}", *cells))
    head = ["check", "bytes in the hash loop"]
    for loop, name in LOOPS:
        head.append(f"{name} ({duration(results.of(f'disabled_check/{loop}', 'none_ns'))} without)")
    return table(head, rows)


def reasons(out):
    """A list: each missed target with what stands in the way."""
    lines = []
    for line in out.missed:
        reason = next((text for begin, text in REASONS if line.startswith(begin)), None)
        lines.append(f"- Missed: {line}" + (f". In the way: {reason}" if reason else "."))
    return "\n".join(lines) + "\n" if lines else ""
