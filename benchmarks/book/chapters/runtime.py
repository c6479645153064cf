"""What the runtime's own uses of sites cost: stopping, tracing, speculation, tiers; host sites in Lua's functions; the demo."""
import os
import re
import subprocess

import figures
import svg
from results import Chapter, duration, factor, span, table
from running import ENGINES, HERE, Failed, number

TIERS = ("baseline", "optimising")


class Interruption(Chapter):
    name, title = "interruption", "Guests that can be stopped"
    snippet_names = ("interruption", "stop", "interruption-neighbour")
    KERNELS = ("crc", "fnv", "sum", "scan")

    def lacks(self, bench):
        return bench.lacking(["interruption"])

    def measure(self, bench):
        found = {}
        for tier in TIERS:
            shown = bench.run([bench.program("interruption"), f"--tier={tier}", f"--rounds={1 if bench.quick else 3}"]).stdout
            for kernel, without, with_sites in re.findall(r"^(\w+) +([\d.]+) +([\d.]+) +[\d.]+$", shown, re.M):
                found |= {f"{tier}/{kernel}:without": float(without), f"{tier}/{kernel}:with": float(with_sites)}
            for name, pattern in (("stop", r"stop of each of .* median ([\d.]+) us"), ("stop_longest", r"stop of each .* longest ([\d.]+) us"),
                                  ("scheduler", r"a flag seen by .* median ([\d.]+) us"), ("scheduler_longest", r"a flag seen .* longest ([\d.]+) us")):
                found[f"{tier}/stop:{name}"] = number(pattern, shown) * 1e3
            found[f"{tier}/neighbour:ratio"] = number(r"interrupted: ([\d.]+) of its time alone", shown)
        return found

    def page(self, results):
        rows = []
        for tier in TIERS:
            ratios = [figures.Ratio(results.values(f"{tier}/{kernel}:with"), results.values(f"{tier}/{kernel}:without")) for kernel in self.KERNELS]
            rows.append((tier, *(f"{factor(ratio.median)} ({span(ratio)})" for ratio in ratios)))
        text = ("Time with sites at loop heads and entries against the same code without, medians over 16 code placements. These loops are a handful of "
                "instructions an iteration, the worst case.\n\n" + table(["tier", *self.KERNELS], rows))
        rows = [(tier, *(duration(results.of(f"{tier}/stop", name)) for name in ("stop", "stop_longest", "scheduler", "scheduler_longest")),
                 factor(results.of(f"{tier}/neighbour", "ratio"))) for tier in TIERS]
        text += "\nHow soon eight busy guests stop, beside how soon eight busy threads see a flag that they look at all the time:\n\n"
        text += table(["tier", "a stop, median", "longest", "a flag seen, median", "longest",
                       "time of a guest beside one that is interrupted 1,000 times a second, against alone"], rows)
        return text + "\nWith more guests than processors, when a guest stops is when the scheduler lets it run: that is what the flag shows.\n"

    def comparisons(self, results):
        return [one for tier in TIERS for kernel in self.KERNELS
                for one in results.compare(f"{kernel} that can be stopped, {tier} tier", "the loop without it", f"{tier}/{kernel}:with",
                                           f"{tier}/{kernel}:without", control=True)]

    def targets(self, out, results):
        for tier in TIERS:
            for kernel in self.KERNELS:
                value = results.combined(f"{tier}/{kernel}", lambda one, other: one / other - 1, "with", "without")
                out.at_most(f"A guest that can be stopped ({kernel}, {tier} tier): time against one that cannot", "≤ +0.5 %", value, 0.005,
                            lambda v: f"{v * 100:+.1f} %")
            value = results.of(f"{tier}/neighbour", "ratio")
            out.at_most(f"A guest beside one that is interrupted 1,000 times a second ({tier} tier): its time", "≤ 1.05 times", value, 1.05,
                        lambda v: f"{v:.3f} times")

    def snippets(self, results):
        shown = ", ".join(f"{factor(results.ratio(f'baseline/{kernel}', 'with', 'without'))} ({kernel})" for kernel in self.KERNELS)
        return {"interruption": shown, "stop": duration(results.of("baseline/stop", "stop")),
                "interruption-neighbour": factor(results.of("baseline/neighbour", "ratio"))}


class Tracing(Chapter):
    name, title = "tracing", "Functions that can be traced"
    snippet_names = ("tracing-off", "tracing-on")

    def lacks(self, bench):
        return bench.lacking(["tracing"])

    def measure(self, bench):
        shown = bench.run([bench.program("tracing"), 2 if bench.quick else 5]).stdout
        return {"call:without": number(r"without sites ([\d.]+)", shown), "call:with": number(r"with ([\d.]+) \(ratio", shown),
                "call:traced": number(r"traced ([\d.]+)", shown)}

    def page(self, results):
        ratio = figures.Ratio(results.values("call:with"), results.values("call:without"))
        return ("Recursive calls of a function that does next to nothing, the worst case; medians over 16 code placements.\n\n"
                + table(["without sites", "with sites that are off", "ratio", "95 % interval", "traced"],
                        [(duration(results.of("call", "without")), duration(results.of("call", "with")), factor(ratio.median), span(ratio),
                          duration(results.of("call", "traced")))]))

    def comparisons(self, results):
        return (results.compare("a call that can be traced", "a call that cannot", "call:with", "call:without", control=True)
                + results.compare("a call that is traced", "a call that is not", "call:traced", "call:without", control=True))

    def snippets(self, results):
        return {"tracing-off": f"{factor(results.ratio('call', 'with', 'without'))} of the time without", "tracing-on": duration(results.of("call", "traced"))}


class Speculation(Chapter):
    name, title = "speculation", "Tables and globals that nobody writes"
    snippet_names = ("speculation",)

    def lacks(self, bench):
        return bench.lacking(["speculation"])

    def measure(self, bench):
        shown = bench.run([bench.program("speculation"), 3 if bench.quick else 9]).stdout
        found, title = {}, ""
        for line in shown.splitlines():
            if entry := re.match(r"  (.*?) +([\d.]+) ns +[\d.]+$", line):
                found[f"{title}|{entry.group(1)}:ns"] = float(entry.group(2))
            else:
                title = line.strip().replace(":", ",")
        if not found:
            raise Failed(f"speculation printed no table:\n{shown}")
        return found

    @staticmethod
    def versions(results):
        groups = {}
        for name in results.names():
            title, version = name.removesuffix(":ns").split("|")
            groups.setdefault(title, []).append((version, figures.median(results.values(name))))
        rows = []
        for title, versions in groups.items():
            rows += [(title if i == 0 else "", version, duration(value)) for i, (version, value) in enumerate(sorted(versions, key=lambda one: one[1]))]
        return table(["", "version", "an iteration"], rows)

    def page(self, results):
        return "In the optimising tier: looked up as a compiler that assumes nothing has to, and as shunt does it.\n\n" + self.versions(results)

    def snippets(self, results):
        return {"speculation": "\n" + self.versions(results)}

    def comparisons(self, results):
        found = []
        for name in results.names():
            title, version = name.removesuffix(":ns").split("|")
            for base in ("looked up", "table, looked up", "global, loaded"):
                if version != base and f"{title}|{base}:ns" in results.names() and version not in ("direct call", "without the check"):
                    found += results.compare(f"{title}: {version}", base, name, f"{title}|{base}:ns")
        return found


class Tiers(Chapter):
    name, title = "tiers", "One long call"
    snippet_names = ("tiers",)
    ALL = ("baseline", "optimising", "auto")

    def lacks(self, bench):
        return bench.lacking(["shunt"])

    @staticmethod
    def processor_seconds(command):
        """Of a program and its threads."""
        with subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
            message = process.stderr.read()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise Failed(f"{' '.join(map(str, command))} ended with {process.returncode}: {message.decode()}")
        return usage.ru_utime + usage.ru_stime

    def measure(self, bench):
        turns = 1_000 if bench.smoke else 1_000_000 if bench.quick else 4_000_000
        guest = HERE.parent / "guests" / "nested.wat"
        found = {"loop:turns": turns * 1000}
        for tier in self.ALL:
            found[f"loop:{tier}"] = 1e9 * self.processor_seconds([bench.program("shunt"), "run", "--tier", tier, guest, "--invoke", "run", 1000, turns])
        return found

    def page(self, results):
        turns = int(results.of("loop", "turns"))
        return (f"A guest that spends its life in one call of two nested loops, {turns:,} turns (`benchmarks/guests/nested.wat`). Processor time of the whole "
                "program: starting and compiling are in it.\n\n"
                + table(["tier", "processor time", "against `optimising`"],
                        [(tier, duration(results.of("loop", tier)), factor(results.ratio("loop", tier, "optimising"))) for tier in self.ALL])
                + "\n`auto` moves the call over to optimised code while it runs.\n")

    def comparisons(self, results):
        return (results.compare("one long call, auto", "baseline tier", "loop:auto", "loop:baseline", control=True)
                + results.compare("one long call, auto", "optimising tier", "loop:auto", "loop:optimising", control=True))

    def snippets(self, results):
        turns = int(results.of("loop", "turns"))
        return {"tiers": f"{duration(results.of('loop', 'baseline'))} in the baseline, {duration(results.of('loop', 'optimising'))} with `optimising`, "
                         f"{duration(results.of('loop', 'auto'))} with `auto`, for {turns:,} turns"}


class HostSites(Chapter):
    name, title = "host-sites", "Guards in functions that Lua calls"
    snippet_names = ("lua",)

    def lacks(self, bench):
        return bench.lacking(["lua_guards"])

    def measure(self, bench):
        return bench.google([bench.program("lua_guards"), "--benchmark_format=json"])

    def page(self, results):
        name = "guards_in_lua"
        return ("A thousand calls of a C function from Lua 5.4, with 16 guards in it (`benchmarks/lua_guards.cpp`).\n\n"
                + table(["host sites", "relaxed load and branch each", "no guard"],
                        [tuple(duration(results.of(name, counter)) for counter in ("p50_ns", "variable_p50_ns", "unguarded_p50_ns"))])
                + "\nIn an interpreter guards of either kind disappear in the cost of the call.\n")

    def comparisons(self, results):
        return (results.compare("16 host sites in a Lua call", "16 loads and branches", "guards_in_lua:p50_ns", "guards_in_lua:variable_p50_ns")
                + results.compare("16 host sites in a Lua call", "no guard", "guards_in_lua:p50_ns", "guards_in_lua:unguarded_p50_ns", control=True))

    def snippets(self, results):
        name = "guards_in_lua"
        return {"lua": f"{duration(results.of(name))} with sites, {duration(results.of(name, 'variable_p50_ns'))} with a relaxed load and a branch each, and "
                       f"{duration(results.of(name, 'unguarded_p50_ns'))} without any guard"}


class Demo(Chapter):
    name, title = "demo", "The demo: a log analyser whose flags flip while it works"
    snippet_names = ("demo",)

    def guest(self, bench):
        return bench.bin.parent / "samples" / "demo" / "log_analyser.wasm"

    def lacks(self, bench):
        return bench.lacking(["shunt_demo"]) + ([] if self.guest(bench).exists() else ["the demo's guest is not built"])

    def measure(self, bench):
        folder = bench.work / "demo"
        folder.mkdir(parents=True, exist_ok=True)
        seconds = 6 if bench.quick else 20
        shown = bench.run([bench.program("shunt_demo"), self.guest(bench), "--seconds", seconds, "--log-megabytes", 5 if bench.quick else 100, "--folder",
                           folder]).stdout
        return {"flip:delay": number(r"median ([\d.]+) ms from the file", shown) * 1e6, "flip:patching": number(r"of it ([\d.]+) µs patching", shown) * 1e3,
                "rate:plain": number(r"^throughput +([\d.]+) MB/s", shown), "rate:fast": number(r"with fast-scan ([\d.]+) MB/s", shown),
                "rate:traced": number(r"with fast-scan and trace ([\d.]+) MB/s", shown), "flip:count": number(r"^flips +(\d+)", shown)}

    def page(self, results):
        return ("`./demo.sh`: as many threads as processors, all busy; the guest is C, compiled by an unmodified clang; every report that a guest gave is "
                "checked.\n\n"
                + table(["", "median"], [("from the replaced file to every thread in the new code", duration(results.of("flip", "delay"))),
                                         ("of it patching machine code", duration(results.of("flip", "patching"))),
                                         ("throughput, flags off", f"{results.of('rate', 'plain'):,.0f} MB/s"),
                                         ("throughput, `fast-scan` on", f"{results.of('rate', 'fast'):,.0f} MB/s"),
                                         ("throughput, `fast-scan` and `trace` on", f"{results.of('rate', 'traced'):,.0f} MB/s")]))

    def snippets(self, results):
        return {"demo": f"{duration(results.of('flip', 'delay'))} from the replaced file to every thread in the new code, of which patching takes "
                        f"{duration(results.of('flip', 'patching'))}"}
