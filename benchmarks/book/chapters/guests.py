"""Flags in guests' loops, beside what other WebAssembly engines can do for the same guest."""
import json
import re

import svg
from results import Chapter, factor, table
from running import ENGINES, HERE, Failed

KERNELS = ("crc", "fnv", "sum", "scan")
TIERS = ("baseline", "optimising")


class GuestFlags(Chapter):
    name, title = "guest-flags", "A flag that is off, in a guest's hot loop"
    snippet_names = ("guest-flags-baseline", "guest-flags-optimising")

    def lacks(self, bench):
        return bench.lacking(["flag_kernels"])

    def left_out(self, bench):
        return [f"{ENGINES[name][0]} (`{tool}` is not installed)" for name, (_, (tool, *_), _) in ENGINES.items() if not bench.tool(tool)]

    def measure(self, bench):
        found = {}
        for tier in TIERS:
            shown = bench.run([bench.program("flag_kernels"), f"--tier={tier}", *(["--quick"] if bench.quick else [])], timeout=900).stdout
            lines = re.findall(r"^(crc|fnv|sum|scan) +([\d.]+) +([\d.]+) +[\d.]+ +([\d.]+) +([\d.]+) +([\d.]+)$", shown, re.M)
            if len(lines) != len(KERNELS):
                raise Failed(f"flag_kernels printed no table:\n{shown[-1500:]}")
            for kernel, plain, check, least, most, load in lines:
                for counter, value in (("plain", plain), ("check", check), ("load", load), ("least", least), ("most", most)):
                    found[f"{tier}/{kernel}:{counter}"] = float(value)
        for engine, (_, command, _) in ENGINES.items():
            if bench.tool(command[0]):
                script = HERE.parent / "peers" / "kernels.js"
                shown = bench.run([*command, script, bench.kernels, 2 if bench.quick else 8], again=4).stdout
                for kernel, builds in json.loads(shown).items():
                    found |= {f"{engine}/{kernel}:{build}": value for build, value in builds.items()}
        return found

    def rows(self, results):
        """Name, key, tier of each engine that was measured."""
        names = [(f"**shunt, {tier}**", tier) for tier in TIERS] + [(name, engine) for engine, (name, _, _) in ENGINES.items()]
        return [(name, key) for name, key in names if results.of(f"{key}/crc", "plain")]

    def page(self, results):
        text = ("`benchmarks/guests/kernels.c` holds four loops, a check a byte. They are compiled three times: without the check and its rare arm; with a "
                "flag as an imported function, which shunt makes a site of and other engines call; and with the load of a variable and a branch, which "
                "works everywhere, but of which no engine says when a running guest will see it change. Times relative to the loop without "
                "check *in the same engine*, medians over code placements:\n\n")
        head, rows = ["", *(f"{kernel}: flag" for kernel in KERNELS), *(f"{kernel}: load" for kernel in KERNELS)], []
        for name, key in self.rows(results):
            rows.append((name, *(factor(results.ratio(f"{key}/{kernel}", build, "plain")) for build in ("check", "load") for kernel in KERNELS)))
        text += table(head, rows) + "\n![Time of a loop with a flag that is off](images/book-guest-flags.svg)\n\nThe same as nanoseconds a byte:\n\n"
        rows = [(name, *(f"{results.of(f'{key}/{kernel}', build):.3f}" for kernel in KERNELS for build in ("plain", "check", "load")))
                for name, key in self.rows(results)]
        text += table(["", *(f"{kernel}: {build}" for kernel in KERNELS for build in ("none", "flag", "load"))], rows)
        text += "\nWhere the code lies decides more than the check. Single placements of the loop with a flag, against the median without:\n\n"
        rows = [(f"shunt, {tier}", *(f"{results.of(f'{tier}/{kernel}', 'least'):.2f} to {results.of(f'{tier}/{kernel}', 'most'):.2f}" for kernel in KERNELS))
                for tier in TIERS if results.of(f"{tier}/crc", "least")]
        return text + table(["", *KERNELS], rows)

    def plots(self, results):
        groups = []
        for kernel in KERNELS:
            rows = []
            for name, key in self.rows(results):
                found = results.compare("", "", f"{key}/{kernel}:plain", f"{key}/{kernel}:check")
                rows += [(name.replace("*", ""), one.speed.median, one.speed.low, one.speed.high, "c0" if key in TIERS else "c4") for one in found]
            groups.append((kernel, rows))
        return {"book-guest-flags.svg": svg.bars("A flag that is off in a guest's loop", "Time with the flag / time without, in the same engine; logarithmic. "
                                                 "Thin strokes: 95 % intervals.", groups, factor)}

    def comparisons(self, results):
        found = []
        for kernel in KERNELS:
            for tier in TIERS:
                what = f"flag in {kernel}, {tier} tier"
                found += results.compare(what, "the loop without it", f"{tier}/{kernel}:check", f"{tier}/{kernel}:plain", control=True)
                found += results.compare(what, "a load and branch there", f"{tier}/{kernel}:check", f"{tier}/{kernel}:load")
                for engine, (name, _, kind) in ENGINES.items():
                    if kind == tier:
                        found += results.compare(what, f"{name}, imported function", f"{tier}/{kernel}:check", f"{engine}/{kernel}:check")
                        found += results.compare(what, f"{name}, load and branch", f"{tier}/{kernel}:check", f"{engine}/{kernel}:load")
        return found

    def targets(self, out, results):
        for tier, limit in (("baseline", 0.03), ("optimising", 0.02)):
            for kernel in KERNELS:
                this = 0.05 if (tier, kernel) == ("optimising", "sum") else limit  # vectorised
                value = results.combined(f"{tier}/{kernel}", lambda check, plain: check / plain - 1, "check", "plain")
                out.at_most(f"A guest's flag in its inner loop ({kernel}, {tier} tier): time against no check", f"≤ +{this * 100:.0f} %", value, this,
                            lambda v: f"{v * 100:+.1f} %")

    def snippets(self, results):
        def all_of(tier):
            return ", ".join(f"{kernel} {results.ratio(f'{tier}/{kernel}', 'check', 'plain'):.3f}" for kernel in KERNELS)

        return {f"guest-flags-{tier}": all_of(tier) for tier in TIERS if results.of(f"{tier}/crc", "plain")}


class GuestInstructions(Chapter):
    name, title, rounds_at_most = "guest-instructions", "Instructions of a flag in a guest", 1
    snippet_names = ("guest-instructions",)

    def lacks(self, bench):
        if bench.smoke:
            return ["a smoke run leaves it to the test flag_instructions"]
        return bench.lacking(["shunt"], ["valgrind"])

    def measure(self, bench):
        script = HERE.parent.parent / "tests" / "counts" / "flag_instructions.sh"
        shown = bench.run([script, bench.program("shunt"), bench.kernels, *(["crc"] if bench.quick else [])]).stdout
        found = {}
        for kernel, plain, check in re.findall(r"^(\w+): ([\d.]+) instructions a byte without the check, ([\d.]+) with it", shown, re.M):
            found |= {f"{kernel}:plain": float(plain), f"{kernel}:check": float(check), f"{kernel}:more": float(check) - float(plain)}
        if not found:
            raise Failed(f"flag_instructions.sh printed no counts:\n{shown}")
        return found

    def page(self, results):
        rows = [(kernel, f"{results.of(kernel, 'plain'):.2f}", f"{results.of(kernel, 'check'):.2f}", f"{results.of(kernel, 'more'):.2f}") for kernel in KERNELS
                if results.of(kernel, "plain")]
        return ("The same loops in the baseline tier, counted by callgrind (`tests/counts/flag_instructions.sh`).\n\n"
                + table(["loop", "instructions a byte without", "with a flag that is off", "more"], rows))

    def snippets(self, results):
        more = [results.of(kernel, "more") for kernel in KERNELS if results.of(kernel, "more")]
        return {"guest-instructions": f"{min(more):.2f}" if max(more) - min(more) < 0.01 else f"{min(more):.2f} to {max(more):.2f}"}
