#!/usr/bin/env python3
"""What it costs CoreMark that it can be stopped: the program with its interruption sites against the same without them, by `interruption`.

Where code lies moves CoreMark by 2 to 3 %, more than its sites do. So it is built several times, with unused functions of random sizes among
its own, and each is measured with and without, in turns; the mean of the ratios is the result, with its standard error.

Needs clang-19, lld-19, wasi-libc, libclang-rt-19-dev-wasm32, and the release build of shunt. CoreMark: https://github.com/eembc/coremark
"""
import argparse
import os
import pathlib
import random
import re
import statistics
import subprocess
import sys
import tempfile

here = pathlib.Path(__file__).resolve().parent
SOURCES = ["core_list_join.c", "core_main.c", "core_matrix.c", "core_state.c", "core_util.c", "posix/core_portme.c"]


def unused(name, size):
    """A function that nobody calls, whose code grows with `size`."""
    lines = "".join(f"  *at = *at * {2 * i + 3}u + {i}u;\n" for i in range(size))
    return f'__attribute__((export_name("{name}"))) void {name}(volatile unsigned *at) {{\n{lines}}}\n'


def build(source, work, placement):
    sizes = random.Random(placement)
    copies = []
    for name in SOURCES:
        copy = work / f"{placement}_{pathlib.Path(name).name}"
        copy.write_text(unused("unused_" + pathlib.Path(name).stem, sizes.randrange(64)) + f'#include "{source / name}"\n')
        copies.append(str(copy))
    module = work / f"placement_{placement}.wasm"
    subprocess.run(["clang-19", "--target=wasm32-wasi", "-O3", f"-I{source}/posix", f"-I{source}", "-DPERFORMANCE_RUN=1", '-DFLAGS_STR="-O3"',
                    *copies, "-o", str(module)], check=True)
    return module


def ratio(options, module):
    out = subprocess.run([str(options.interruption), f"--tier={options.tier}", f"--rounds={options.rounds}", str(module), "0", "0", "0x66",
                          str(options.iterations), "7", "1", "2000"], capture_output=True, text=True, check=True).stdout
    return float(re.search(r"ratio ([0-9.]+)", out)[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=pathlib.Path, help="a checkout of CoreMark (core_main.c)")
    parser.add_argument("--placements", type=int, default=32)
    parser.add_argument("--first", type=int, default=0, help="the first placement's number: others than another run's")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--iterations", type=int, default=400, help="of a run of CoreMark: 400 take 10 to 20 ms")
    parser.add_argument("--tier", default="optimising")
    parser.add_argument("--interruption", type=pathlib.Path, default=here.parent / "build/release/bin/interruption")
    options = parser.parse_args()
    options.source = options.source.resolve()
    if not (options.source / "core_main.c").exists():
        parser.error(f"{options.source} is no checkout of CoreMark: it has no core_main.c")
    if options.placements < 2:
        parser.error("--placements: at least 2")
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        ratios = [ratio(options, build(options.source, work, placement)) for placement in range(options.first, options.first + options.placements)]
    mean = statistics.fmean(ratios)
    error = statistics.stdev(ratios) / len(ratios) ** 0.5
    print(f"CoreMark that can be stopped, time relative to without ({options.tier}): {mean:.4f} +- {error:.4f}"
          f"  ({len(ratios)} placements, {min(ratios):.3f} to {max(ratios):.3f})")
    return 0


if __name__ == "__main__":
    os.environ.setdefault("LC_ALL", "C")
    sys.exit(main())
