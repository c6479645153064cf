"""How costs grow: with sites, with the program around them, with threads, with flags."""
import re

import figures
import svg
from results import Chapter, count, duration, table


def points(results, prefix, counter="p50_ns", suffix=""):
    """(n, nanoseconds) of all figures PREFIX/n SUFFIX."""
    found = []
    for name in results.names():
        match = re.fullmatch(rf"{re.escape(prefix)}/(\d+){re.escape(suffix)}:{counter}", name)
        if match and results.values(name):
            found.append((int(match.group(1)), figures.median(results.values(name))))
    return sorted(found)


def whiskers(results, prefix, suffix=""):
    return [(n, *figures.interval(results.values(f"{prefix}/{n}{suffix}:p50_ns"))) for n, _ in points(results, prefix, "p50_ns", suffix)]


def fit_table(rows):
    """What, unit of n, figures.Line."""
    shown = [(what, duration(line.a), f"{duration(line.b)} a {unit}" if line.b >= 0.0005 else f"{line.b * 1000:.2g} ps a {unit}", f"{line.r2:.3f}",
              f"{line.worst * 100:.0f} %") for what, unit, line in rows if line.a is not None]
    return table(["cost = a + b · n", "a", "b", "R²", "farthest point"], shown)


def shown_sites(value):
    return count(int(value)) if value < 1_000_000 else f"{value / 1e6:.0f}M"


class Sites(Chapter):
    name, title = "sites", "Sites, from 1 to 10 million"
    snippet_names = ("sites",)

    def lacks(self, bench):
        return bench.lacking(["engine_scale"])

    def measure(self, bench):
        # 10 million sites are measured in every round, also in a quick run: that takes a few seconds.
        return bench.google([bench.program("engine_scale"), "--benchmark_format=json", "--benchmark_filter=^(scale|program)/"])

    def lines(self, results):
        found = {}
        for busy in (0, 1):
            all_points = points(results, "scale", suffix=f"/{busy}")
            found[f"flip/{busy}"] = figures.Line(all_points)
            found[f"flip-cached/{busy}"] = figures.Line([(n, y) for n, y in all_points if n <= 10_000])
            found[f"flip-memory/{busy}"] = figures.Line([(n, y) for n, y in all_points if n >= 100_000])
        found["blind"] = figures.Line([(n, y) for n, y in points(results, "scale", "blind_p50_ns", "/0") if n >= 1_000])
        found["program"] = figures.Line(points(results, "program"))
        return found

    def page(self, results):
        lines = self.lines(results)
        sizes = [n for n, _ in points(results, "scale", suffix="/0")]
        rows = [(count(n), duration(results.of(f"scale/{n}/0")), duration(results.of(f"scale/{n}/1")), duration(results.of(f"scale/{n}/0", "blind_p50_ns")),
                 duration(results.of(f"scale/{n}/0") / n), duration(results.of(f"program/{n}"))) for n in sizes]
        text = table(["sites", "all flipped, nobody running", "all flipped, 1 busy thread", "blind store of all", "a site", "one flipped, of so many"], rows)
        text += "\n![Time of a flip by the number of sites](images/book-sites.svg)\n\n"
        fits = [("a flip of n sites, nobody running: all sizes", "site", lines["flip/0"]), ("the same, up to 10,000", "site", lines["flip-cached/0"]),
                ("the same, from 100,000", "site", lines["flip-memory/0"]), ("a flip of n sites, 1 busy thread: all sizes", "site", lines["flip/1"]),
                ("a blind store of n sites, from 1,000", "site", lines["blind"]), ("one site's flip in a program of n sites", "site", lines["program"])]
        text += fit_table(fits)
        text += ("\n`a` is what a batch costs however many sites it has: the system call that serialises the cores, and some 1,700 instructions. `b` is two "
                 "passes over the sites: one compares what stands there with what should, one stores. Sites stand 64 bytes apart, so each is a cache "
                 "line; where the code no longer fits the caches, `b` is the memory's and the larger slope holds: one straight line over all sizes "
                 "misses points by as much as its last column says. With a busy thread each line that it had fetched is taken from it. "
                 "The last row has no slope to speak of: what is not flipped costs nothing.\n")
        return text

    def plots(self, results):
        series = [svg.Series("flip, nobody running", "c0", points(results, "scale", suffix="/0"), whiskers=whiskers(results, "scale", "/0")),
                  svg.Series("flip, 1 busy thread", "c4", points(results, "scale", suffix="/1"), whiskers=whiskers(results, "scale", "/1")),
                  svg.Series("blind store of all", "c7", points(results, "scale", "blind_p50_ns", "/0"), dashed=True),
                  svg.Series("membarrier alone", "c6", points(results, "scale", "membarrier_p50_ns", "/0"), dashed=True),
                  svg.Series("one site's flip, of so many", "c3", points(results, "program"), whiskers=whiskers(results, "program"))]
        line = self.lines(results)["flip/0"]
        if line.a is not None:
            series.append(svg.Series("a + b · sites, fitted", "c0", [(n, line.at(n)) for n, _ in line.points], dashed=True, marks=False))
        return {"book-sites.svg": svg.curves("A flip, by the number of sites", "Medians; upright strokes: 95 % intervals.", "sites", series, shown_sites,
                                             duration)}

    def comparisons(self, results):
        found = []
        for n in (1_000_000, 10_000_000):
            found += results.compare(f"flip of {count(n)} sites", "a blind store (floor)", f"scale/{n}/0:p50_ns", f"scale/{n}/0:blind_p50_ns", control=True)
        return found

    def targets(self, out, results):
        one, many = results.values("program/1:p50_ns"), results.values("program/10000000:p50_ns")
        if one and many:
            out.at_most("One site flipped in a program of 10 million: against a program of one", "≤ 1.05 times: independent", figures.Ratio(many, one).median,
                        1.05, lambda v: f"{v:.2f} times")

    def snippets(self, results):
        line = self.lines(results)["flip/0"]
        most = results.of("scale/10000000/0")
        return {"sites": f"{duration(most)} for 10 million sites, {most / 1e7:.2g} ns each"} if most and line.a is not None else {}


class Threads(Chapter):
    name, title = "threads", "Threads, from 1 to 64"

    def lacks(self, bench):
        return bench.lacking(["engine_scale", "engine_flip"])

    def measure(self, bench):
        found = bench.google([bench.program("engine_scale"), "--benchmark_format=json", "--benchmark_filter=^threads/"])
        committers = "1|2|4|8|16|32|64"
        return found | bench.google([bench.program("engine_flip"), *bench.google_options(), f"--benchmark_filter=^group/({committers})/"])

    def lines(self, results):
        return {"alone": figures.Line(points(results, "group", "alone_p50_ns")), "together": figures.Line(points(results, "group"))}

    def page(self, results):
        rows = []
        for n, _ in points(results, "threads/1"):
            rows.append((str(n), *(duration(results.of(f"threads/{sites}/{n}", counter)) for sites in (1, 1000)
                                   for counter in ("p50_ns", "membarrier_p50_ns", "p99_ns", "membarrier_p99_ns"))))
        text = "Busy threads execute random sites of what is flipped.\n\n" + table(
            ["busy threads", "1 site: median", "membarrier: median", "1 site: p99", "membarrier: p99", "1,000 sites: median", "membarrier: median",
             "1,000 sites: p99", "membarrier: p99"], rows)
        text += "\n![Time of a flip by the number of busy threads](images/book-threads.svg)\n\n"
        rows = [(str(n), duration(together), duration(results.of(f"group/{n}", "alone_p50_ns")), f"{results.of(f'group/{n}', 'serialisations_a_batch'):.2f}")
                for n, together in points(results, "group")]
        text += "Threads that commit all at once, each one site of a key of its own, until all are done; and one thread that makes as many commits:\n\n"
        text += table(["committing threads", "together", "by one thread", "core serialisations a batch"], rows)
        lines = self.lines(results)
        text += "\n" + fit_table([("n commits by one thread", "commit", lines["alone"]), ("n threads that commit at once", "thread", lines["together"])])
        text += ("\nA core serialisation interrupts processors, not threads, so more threads than processors are not more work for a flip. But the committing "
                 "thread has to get its processor back when it lost it: then a sample is the scheduler's turn.\n")
        slower = [f"{n} ({together / results.of(f'group/{n}', 'alone_p50_ns'):,.0f} times)" for n, together in points(results, "group")
                  if n > 1 and together > results.of(f"group/{n}", "alone_p50_ns")]
        if slower:
            text += ("\nCommits that meet share a serialisation. Waking the threads that wait costs more than that saves: **one thread that commits for all "
                     f"is faster** than threads that meet, with {', '.join(slower)} threads.\n")
        return text

    def plots(self, results):
        series = []
        for sites, colour in ((1, "c0"), (1000, "c4")):
            series.append(svg.Series(f"{sites:,} site{'s' if sites > 1 else ''}, median", colour, points(results, f"threads/{sites}")))
            series.append(svg.Series(f"{sites:,} site{'s' if sites > 1 else ''}, p99", colour, points(results, f"threads/{sites}", "p99_ns"), dashed=True))
        series.append(svg.Series("membarrier, median", "c7", points(results, "threads/1", "membarrier_p50_ns")))
        series.append(svg.Series("membarrier, p99", "c7", points(results, "threads/1", "membarrier_p99_ns"), dashed=True))
        return {"book-threads.svg": svg.curves("A flip, by the number of busy threads", "Both axes logarithmic.", "busy threads", series,
                                               lambda value: count(int(value)), duration)}

    def comparisons(self, results):
        found = []
        for n in (1, 64):
            found += results.compare(f"flip of 1 site, {n} busy thread{'s' if n > 1 else ''}", "a membarrier alone (floor)", f"threads/1/{n}:p50_ns",
                                     f"threads/1/{n}:membarrier_p50_ns", control=True)
        for n in (4, 16, 64):
            found += results.compare(f"{n} threads that commit at once", f"{n} commits by one thread", f"group/{n}:p50_ns", f"group/{n}:alone_p50_ns")
        return found


class FlagSets(Chapter):
    name, title = "flags", "Flags, from 1 to 10,000"
    snippet_names = ("flags",)

    def lacks(self, bench):
        return bench.lacking(["flag_sets"])

    def measure(self, bench):
        return bench.google([bench.program("flag_sets"), *bench.google_options("0.01", "0.1")])

    COSTS = (("reload", "p50_ns", "a document that changes one flag"), ("reload", "nothing_p50_ns", "a document that changes none"),
             ("reload_all", "p50_ns", "a document that changes all"), ("set", "p50_ns", "one flag set by the host (`FlagSet::set`)"),
             ("module", "p50_ns", "loading a module that reads every flag"), ("evaluate", "p50_ns", "asking the set for a fixed flag (`evaluate`)"),
             ("evaluate", "rule_p50_ns", "asking the set for a flag with a rule"))

    def lines(self, results):
        return {f"{name}:{counter}": figures.Line(points(results, name, counter)) for name, counter, _ in self.COSTS}

    def page(self, results):
        sizes = [n for n, _ in points(results, "reload")]
        rows = [(what, *(duration(results.of(f"{name}/{n}", counter)) for n in sizes)) for name, counter, what in self.COSTS]
        text = "Each flag is read at one site of a guest that is loaded meanwhile. Nobody runs.\n\n"
        text += table(["median", *(count(n) + (" flag" if n == 1 else " flags") for n in sizes)], rows)
        text += "\n![Time by the number of flags](images/book-flags.svg)\n\n"
        text += fit_table([(what.replace("`", ""), "flag", line) for (_, _, what), line in zip(self.COSTS, self.lines(results).values())])
        text += ("\nReading a flag that is fixed costs its no-op however many flags there are. Reloading is linear in the document, which is read whole: "
                 "reading it is the larger part, and a document in which every flag changes costs little more than one in which none does. Who flips "
                 "single flags of many, often, sets them from the host: that does not read anything.\n")
        return text

    def plots(self, results):
        colours = ("c0", "c7", "c4", "c1", "c2", "c3", "c6")
        series = [svg.Series(what.split(" (")[0], colour, points(results, name, counter)) for (name, counter, what), colour in zip(self.COSTS, colours)]
        return {"book-flags.svg": svg.curves("Flag sets, by the number of flags", "Medians, both axes logarithmic.", "flags", series,
                                             lambda value: count(int(value)), duration)}

    def snippets(self, results):
        most = results.of("reload/10000")
        return {"flags": duration(most)} if most else {}
