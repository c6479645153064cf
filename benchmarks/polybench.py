#!/usr/bin/env python3
"""PolyBench/C side by side in one run: native clang -O3, the tiers of V8, of SpiderMonkey and of shunt, interleaved. Prints each
kernel's time relative to native clang's and the geometric means. Each program times its own kernel, so neither compiling nor
starting counts; results are compared between the engines in a run of their own.

Needs clang-19, lld-19, wasi-libc, libclang-rt-19-dev-wasm32, and the release build of shunt. Engines that are not installed (node, js102)
are left out, and said so. PolyBench/C 4.2.1: https://sourceforge.net/projects/polybench/
"""
import argparse
import math
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

here = pathlib.Path(__file__).resolve().parent
ENGINES = ("native", "turbofan", "liftoff", "sm-ion", "sm-baseline", "baseline", "optimising")
TOOLS = {"turbofan": "node", "liftoff": "node", "sm-ion": "js102", "sm-baseline": "js102"}


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=pathlib.Path, help="a checkout of PolyBench/C 4.2.1 (utilities/benchmark_list)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dataset", default="MEDIUM", help="MINI, SMALL, MEDIUM, LARGE, EXTRALARGE")
    parser.add_argument("--engines", default=",".join(ENGINES), help="of " + ", ".join(ENGINES))
    parser.add_argument("--kernels", default="", help="only these, separated by commas")
    parser.add_argument("--shunt", type=pathlib.Path, default=here.parent / "build/release/bin/shunt")
    parser.add_argument("--no-comparison", action="store_true", help="does not compare the engines' results")
    parser.add_argument("--work", type=pathlib.Path, help="keeps the programs here, and takes those that are there")
    return parser.parse_args()


def kernels(source):
    listed = (source / "utilities/benchmark_list").read_text().split()
    return {pathlib.Path(name).stem: source / name for name in listed}


def build(name, file, arguments, work):
    """The native program and the module, timed and printing: name.time, name.time.wasm, name.dump, name.dump.wasm."""
    util = arguments.source / "utilities"
    for kind, define in (("time", "POLYBENCH_TIME"), ("dump", "POLYBENCH_DUMP_ARRAYS")):
        common = ["-O3", f"-D{arguments.dataset}_DATASET", f"-D{define}", f"-I{util}", f"-I{file.parent}", str(file),
                  str(util / "polybench.c"), "-lm", "-w"]
        native, module = work / f"{name}.{kind}", work / f"{name}.{kind}.wasm"
        if not native.exists():
            subprocess.run(["clang-19", *common, "-o", str(native)], check=True)
        if not module.exists():
            subprocess.run(["clang-19", "--target=wasm32-wasi", "-D_WASI_EMULATED_PROCESS_CLOCKS", *common,
                            "-lwasi-emulated-process-clocks", "-o", str(module)], check=True)


def command(engine, program, arguments):
    wasm = f"{program}.wasm"
    # With threads of its own V8 aborts now and then in node's WASI, by version.
    node = ["node", "--single-threaded", str(here / "node_wasi.mjs"), wasm]
    shell = [str(here / "peers" / "wasi.js"), wasm]
    return {
        "native": [str(program)],
        "sm-ion": ["js102", "--wasm-compiler=ion", *shell],
        "sm-baseline": ["js102", "--wasm-compiler=baseline", *shell],
        "turbofan": [*node[:2], "--no-liftoff", "--no-wasm-tier-up", *node[2:]],
        "liftoff": [*node[:2], "--liftoff-only", *node[2:]],
        "baseline": [str(arguments.shunt), "run", wasm],
        "optimising": [str(arguments.shunt), "run", "--tier", "optimising", wasm],
    }[engine]


def run(engine, program, arguments):
    done = subprocess.run(command(engine, program, arguments), capture_output=True, text=True, timeout=600,
                          env={**os.environ, "NODE_NO_WARNINGS": "1"})
    if done.returncode == 0:
        return done
    sys.exit(f"{engine}: {program.name}: exit status {done.returncode}\n{done.stderr[:2000]}")


def mean(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def main():
    arguments = options()
    engines = arguments.engines.split(",")
    for engine in [engine for engine in engines if engine in TOOLS and not shutil.which(TOOLS[engine])]:
        print(f"{TOOLS[engine]} is not installed: {engine} is left out")
        engines.remove(engine)
    chosen = kernels(arguments.source)
    if arguments.kernels:
        chosen = {name: chosen[name] for name in arguments.kernels.split(",")}
    with tempfile.TemporaryDirectory() as scratch:
        work = arguments.work or pathlib.Path(scratch)
        work.mkdir(parents=True, exist_ok=True)
        ratios = {engine: [] for engine in engines}
        print(f"{'kernel':16}{'native ms':>10}" + "".join(f"{engine:>12}" for engine in engines if engine != "native"))
        for name, file in chosen.items():
            build(name, file, arguments, work)
            compared = [] if arguments.no_comparison else engines
            dumps = {engine: run(engine, work / f"{name}.dump", arguments).stderr.strip() for engine in compared}
            times = {engine: [] for engine in engines}
            for _ in range(arguments.rounds):
                for engine in engines:
                    times[engine].append(float(run(engine, work / f"{name}.time", arguments).stdout))
            median = {engine: statistics.median(times[engine]) for engine in engines}
            line = f"{name:16}{median['native'] * 1000:10.2f}"
            for engine in engines:
                ratios[engine].append(median["native"] / median[engine])
                if engine != "native":
                    line += f"{ratios[engine][-1]:12.3f}" + (" result differs" if engine in dumps and dumps[engine] != dumps["native"] else "")
            print(line, flush=True)
        print(f"{'geometric mean':26}" + "".join(f"{mean(ratios[e]):12.3f}" for e in engines if e != "native"))
        print("Speed relative to native clang -O3: higher is faster.")


if __name__ == "__main__":
    main()
