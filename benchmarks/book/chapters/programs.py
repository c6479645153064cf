"""Whole programs: CoreMark and PolyBench/C, whose sources are not in this tree, and how fast modules are compiled."""
import json
import re
import statistics

import figures
import svg
from results import Chapter, Comparison, count, duration, factor, span, table
from running import ENGINES, HERE, Failed, number

CLANG = ("clang-19",)
COREMARK = {"native": "native, clang -O3", "optimising": "**shunt, optimising tier**", "turbofan": "V8 TurboFan", "sm-ion": "SpiderMonkey Ion",
            "baseline": "**shunt, baseline tier**", "liftoff": "V8 Liftoff", "sm-baseline": "SpiderMonkey baseline"}
PAIRS = (("optimising", "turbofan"), ("optimising", "sm-ion"), ("optimising", "native"), ("baseline", "liftoff"), ("baseline", "sm-baseline"),
         ("baseline", "turbofan"), ("baseline", "native"))


def engines_left_out(bench):
    return [f"{what} (`{tool}` is not installed)" for tool, what in (("node", "V8"), ("js102", "SpiderMonkey")) if not bench.tool(tool)]


def others(engine):
    return COREMARK[engine].replace("*", "")


class CoreMark(Chapter):
    name, title = "coremark", "CoreMark"
    snippet_names = ("coremark-baseline", "coremark-optimising", "coremark-turbofan")

    def lacks(self, bench):
        if not bench.options.coremark:
            return ["its sources were not named: --coremark DIR, a checkout of https://github.com/eembc/coremark"]
        return bench.lacking(["shunt"], CLANG)

    left_out = staticmethod(engines_left_out)

    def measure(self, bench):
        environment = {"SHUNT": str(bench.program("shunt")), "COREMARK_WORK": str(bench.work / "coremark"),
                       "COREMARK_ITERATIONS": "500" if bench.smoke else "12000" if bench.quick else "60000"}
        shown = bench.run([HERE.parent / "coremark.sh", bench.options.coremark, 1], environment).stdout
        found = {f"{engine}:rate": float(rate) for engine, rate in re.findall(r"^  ([\w-]+) +([\d.]+) +[\d.]+ of native$", shown, re.M)}
        if "native:rate" not in found:
            raise Failed(f"coremark.sh printed no table:\n{shown}")
        return found

    def page(self, results):
        rows = [(name, f"{results.of(engine, 'rate'):,.0f}", factor(self.to_native(results, engine).median), span(self.to_native(results, engine)))
                for engine, name in COREMARK.items() if results.of(engine, "rate")]
        return ("EEMBC's CoreMark, unmodified, compiled with clang 19 -O3 natively and for wasm32-wasi; each run's checksums are verified. "
                "`benchmarks/coremark.sh DIR` measures the same alone.\n\n"
                + table(["", "iterations a second", "of native", "95 % interval"], rows) + "\n![CoreMark](images/book-coremark.svg)\n")

    @staticmethod
    def to_native(results, engine):
        return figures.Ratio(results.values(f"{engine}:rate"), results.values("native:rate"))

    def plots(self, results):
        rows = []
        for engine in COREMARK:
            if engine != "native" and results.of(engine, "rate"):
                ratio = self.to_native(results, engine)
                rows.append((others(engine), ratio.median, ratio.low, ratio.high, "c0" if engine in ("optimising", "baseline") else "c4"))
        return {"book-coremark.svg": svg.bars("CoreMark, relative to native code", "More is faster. Thin strokes: 95 % intervals.", [("", rows)], factor)}

    def comparisons(self, results):
        return [one for ours, theirs in PAIRS
                for one in results.compare(f"CoreMark, {ours} tier", others(theirs), f"{ours}:rate", f"{theirs}:rate", more_is_better=True)]

    def snippets(self, results):
        found = {}
        for tier in ("baseline", "optimising", "turbofan"):
            if results.of(tier, "rate"):
                found[f"coremark-{tier}"] = f"{self.to_native(results, tier).median:.2f}"
        return found


class CoreMarkFlags(Chapter):
    name, title = "coremark-flags", "A flag that is off in each of CoreMark's innermost loops"
    TIERS = ("baseline", "optimising")
    BUILDS = {"plain": "without checks, loops as they are", "unrolled": "without checks, as clang unrolls it", "check": "**a flag in each loop**",
              "load": "a load and branch in each loop"}

    lacks = CoreMark.lacks

    def measure(self, bench):
        iterations = 500 if bench.smoke else 12000 if bench.quick else 40000
        shown = bench.run(["python3", HERE.parent / "coremark_flags.py", bench.options.coremark, "--rounds", 1, "--iterations", iterations, "--shunt",
                           bench.program("shunt")]).stdout
        found = {f"{tier}/{build}:rate": float(rate) for tier, build, rate in re.findall(r"^  (\w+) +(\w+) +([\d.]+)$", shown, re.M)}
        if len(found) != len(self.TIERS) * len(self.BUILDS):
            raise Failed(f"coremark_flags.py printed no table:\n{shown}")
        return found

    def page(self, results):
        rows = []
        for tier in self.TIERS:
            for build, what in self.BUILDS.items():
                ratio = figures.Ratio(results.values(f"{tier}/plain:rate"), results.values(f"{tier}/{build}:rate"))
                rows.append((f"{tier} tier, {what}", f"{results.of(f'{tier}/{build}', 'rate'):,.0f}", factor(ratio.median), span(ratio)))
        return ("CoreMark with a check in each of its 15 innermost loops, whose rare arm calls a function. A call of an import keeps clang from unrolling a "
                "loop, so the module without checks is there twice. `benchmarks/coremark_flags.py DIR` measures the same alone.\n\n"
                + table(["", "iterations a second", "time, of the loops as they are", "95 % interval"], rows))

    def comparisons(self, results):
        found = []
        for tier in self.TIERS:
            what = f"flag in CoreMark's loops, {tier} tier"
            found += results.compare(what, "CoreMark without it", f"{tier}/check:rate", f"{tier}/plain:rate", more_is_better=True, control=True)
            found += results.compare(what, "a load and branch there", f"{tier}/check:rate", f"{tier}/load:rate", more_is_better=True)
        return found


class CoreMarkInterruption(Chapter):
    name, title = "coremark-interruption", "CoreMark that can be stopped"
    snippet_names = ("coremark-interruption",)
    def lacks(self, bench):
        return CoreMark.lacks(self, bench) or bench.lacking(["interruption"])

    def measure(self, bench):
        count = 2 if bench.smoke else 4 if bench.quick else 8
        work = bench.work / "coremark-interruption"
        work.mkdir(parents=True, exist_ok=True)
        first = count * len(list(work.iterdir()))  # others than those of earlier rounds
        shown = bench.run(["python3", HERE.parent / "coremark_interruption.py", bench.options.coremark, "--interruption", bench.program("interruption"),
                           "--placements", count, "--first", first, *(["--rounds", 1, "--iterations", 10] if bench.smoke else [])]).stdout
        (work / str(first)).touch()
        return {"optimising:ratio": number(r"without \(optimising\): ([\d.]+)", shown)}

    def page(self, results):
        values = results.values("optimising:ratio")
        return ("CoreMark with the sites at which it can be stopped against the same module without, in the optimising tier. Where code lies moves it by 2 to 3 %, "
                "so each round measures other layouts, made by unused functions among its own. `benchmarks/coremark_interruption.py DIR` measures the same alone.\n\n"
                + table(["time, of the same without sites", "rounds"], [(f"{statistics.fmean(values):.4f}", f"{min(values):.4f} to {max(values):.4f}")]))

    def targets(self, out, results):
        out.at_most("CoreMark that can be stopped (optimising tier): time against one that cannot", "≤ +0.5 %",
                    statistics.fmean(results.values("optimising:ratio")) - 1, 0.005, lambda v: f"{v * 100:+.1f} %")

    def snippets(self, results):
        return {"coremark-interruption": f"{statistics.fmean(results.values('optimising:ratio')):.3f}"}


class PolyBench(Chapter):
    name, title = "polybench", "PolyBench/C"
    snippet_names = ("polybench-baseline", "polybench-optimising", "polybench-turbofan")

    def lacks(self, bench):
        if not bench.options.polybench:
            return ["its sources were not named: --polybench DIR, PolyBench/C 4.2.1 from https://sourceforge.net/projects/polybench/"]
        return bench.lacking(["shunt"], CLANG)

    left_out = staticmethod(engines_left_out)

    def measure(self, bench):
        work = bench.work / "polybench"
        compared = (work / "compared").exists()  # in the first round
        few = ["--kernels", "atax,durbin,gemm,jacobi-2d,nussinov", "--dataset", "SMALL"] if bench.quick else []
        shown = bench.run(["python3", HERE.parent / "polybench.py", bench.options.polybench, "--rounds", 1, "--work", work, "--shunt", bench.program("shunt"), *few,
                           *(["--no-comparison"] if compared else [])], timeout=3600).stdout
        if "result differs" in shown:
            raise Failed(f"an engine's result differs from the native one:\n{shown}")
        (work / "compared").touch()
        head = re.search(r"^kernel +native ms((?: +[\w-]+)+)$", shown, re.M).group(1).split()
        found = {}
        for line in re.findall(r"^([\w-]+(?: +[\d.]+)+)$", shown, re.M):
            name, native, *ratios = line.split()
            found[f"{name}:native_ms"] = float(native)
            found |= {f"{name}:{engine}": float(ratio) for engine, ratio in zip(head, ratios)}
        return found

    def means(self, results):
        """Engine -> geometric mean over the kernels, one a round."""
        kernels = self.kernels(results)
        engines = [engine for engine in COREMARK if engine != "native" and all(results.values(f"{kernel}:{engine}") for kernel in kernels)]
        return {engine: [figures.geometric_mean(row) for row in zip(*(results.values(f"{kernel}:{engine}") for kernel in kernels))] for engine in engines}

    @staticmethod
    def kernels(results):
        return sorted({name.split(":")[0] for name in results.names()})

    def page(self, results):
        means = self.means(results)
        kernels = self.kernels(results)
        text = f"{len(kernels)} kernels; speed relative to native clang -O3, higher is faster; every engine's results are compared with the native ones.\n\n"
        rows = [(kernel, f"{results.of(kernel, 'native_ms'):.2f}", *(factor(results.of(kernel, engine)) for engine in means)) for kernel in kernels]
        rows.append(("**geometric mean**", "", *(f"**{factor(figures.median(values))}**" for values in means.values())))
        return text + table(["kernel", "native, ms", *(others(engine) for engine in means)], rows)

    def comparisons(self, results):
        means = self.means(results)
        found = []
        for ours, theirs in PAIRS:
            if ours in means and (theirs in means or theirs == "native"):
                peer = means.get(theirs) or [1.0] * len(means[ours])
                found.append(Comparison(self.name, f"PolyBench/C, geometric mean, {ours} tier", others(theirs), means[ours], peer, more_is_better=True))
        if "optimising" in means:  # each kernel, so that a mean hides no loss
            for kernel in self.kernels(results):
                found += results.compare(f"PolyBench/C {kernel}, optimising tier", "V8 TurboFan", f"{kernel}:optimising", f"{kernel}:turbofan",
                                         more_is_better=True)
        return found

    def snippets(self, results):
        shown = ("baseline", "optimising", "turbofan")
        return {f"polybench-{tier}": f"{figures.median(values):.2f}" for tier, values in self.means(results).items() if tier in shown}


class Compile(Chapter):
    name, title = "compile", "How fast modules are compiled"
    snippet_names = ("compile-baseline", "compile-optimising")
    KINDS = (("baseline", "**shunt, baseline tier**"), ("optimising", "**shunt, optimising tier**"))

    def modules(self, bench):
        demo = bench.bin.parent / "samples" / "demo" / "log_analyser.wasm"
        return ([demo] if demo.exists() else []) + bench.options.wasm

    def lacks(self, bench):
        return bench.lacking(["shunt"]) + ([] if self.modules(bench) else ["no module: the demo's guest is not built, and none is named (--wasm FILE)"])

    left_out = staticmethod(engines_left_out)

    def measure(self, bench):
        found = {}
        for module in self.modules(bench):
            for tier, _ in self.KINDS:
                runs = (20 if tier == "baseline" else 1) if not bench.smoke else 1
                shown = json.loads(bench.run([bench.program("shunt"), "compile", module, "--runs", runs, "--tier", tier, "--json"], timeout=3600).stdout)
                size = shown["code_section_bytes"]
                found[f"{module.stem}:{tier}"] = shown["total_ns"]
                found[f"{module.stem}:bytes"] = size
                found[f"{module.stem}:{tier}_decode"] = shown["decode_ns"]
            for engine, (_, command, kind) in ENGINES.items():
                if bench.tool(command[0]):
                    alone = ["--single-threaded", "--no-wasm-lazy-compilation"] if command[0] == "node" else ["--thread-count=0"]
                    runs = 1 if bench.smoke else 20 if kind == "baseline" else 3
                    shown = bench.run([command[0], *alone, *command[1:], HERE.parent / "peers" / "compile.js", module, runs], again=4).stdout
                    found[f"{module.stem}:{engine}"] = float(shown)
        return found

    def page(self, results):
        modules = sorted({name.split(":")[0] for name in results.names()})
        names = [*self.KINDS, *((engine, name) for engine, (name, _, _) in ENGINES.items())]
        rows = []
        for key, name in names:
            cells = []
            for module in modules:
                value = results.of(module, key)
                cells += [duration(value), f"{results.of(module, 'bytes') / value * 1e3:.3g}" if value else ""]
            rows.append((name, *cells))
        head = [""]
        for module in modules:
            head += [f"{module}, {count(int(results.of(module, 'bytes')))} bytes of code section", "MB a second"]
        return ("One thread, from bytes to code that can run, validation included; the fastest of several runs in each round. "
                + "".join(f"Of the baseline's time for {module} wabt's decoding and validating takes "
                          f"{results.ratio(module, 'baseline_decode', 'baseline') * 100:.0f} %. " for module in modules)
                + "\n\n" + table(head, rows) + "\nThe optimising tier runs LLVM over every function. That takes far longer than V8's and SpiderMonkey's "
                "optimising compilers, and is the price of what it reaches in the chapters before; `--tier auto` pays it for hot functions alone, "
                "in the background.\n")

    def comparisons(self, results):
        found = []
        for module in sorted({name.split(":")[0] for name in results.names()}):
            for engine, (name, _, kind) in ENGINES.items():
                found += results.compare(f"compiling {module}, {kind} tier", name, f"{module}:{kind}", f"{module}:{engine}")
        return found

    def snippets(self, results):
        module = "log_analyser"
        if not results.of(module, "baseline"):
            return {}
        return {f"compile-{tier}": f"{results.of(module, 'bytes') / results.of(module, tier) * 1e3:.2g} MB of code section a second" for tier, _ in self.KINDS}
