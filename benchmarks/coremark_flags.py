#!/usr/bin/env python3
"""What a flag that is off costs in CoreMark's innermost loops: CoreMark with a check in each of them, against the same module without
the checks and their rare arms, and beside them one whose checks load a variable. Interleaved; prints medians and ratios.

The module without checks is built twice: as clang unrolls it, and with the loops left as they are where checks stand (a call in a loop
keeps clang from unrolling it, and wasm has no other way to write a check).

Needs clang-19, lld-19, wasi-libc, libclang-rt-19-dev-wasm32, and the release build of shunt. CoreMark: https://github.com/eembc/coremark
"""
import argparse
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

here = pathlib.Path(__file__).resolve().parent

# In each file: what stands in an innermost loop, and what stands there with a check.
LOOPS = {
    "core_list_join.c": [
        ("while (list && (list->info->idx != info->idx))\n            list = list->next;",
         "LOOP while (list && (list->info->idx != info->idx)) { list = list->next; RARE(list, list_head *); }"),
        ("while (list && ((list->info->data16 & 0xff) != info->data16))\n            list = list->next;",
         "LOOP while (list && ((list->info->data16 & 0xff) != info->data16)) { list = list->next; RARE(list, list_head *); }"),
        ("    while (list)\n    {\n", "    LOOP while (list)\n    {\n        RARE(list, list_head *);\n"),
        ("            for (i = 0; i < insize; i++)\n            {\n",
         "            LOOP for (i = 0; i < insize; i++)\n            {\n                RARE(psize, ee_s32);\n"),
        ("            while (psize > 0 || (qsize > 0 && q))\n            {\n",
         "            LOOP while (psize > 0 || (qsize > 0 && q))\n            {\n                RARE(psize, ee_s32);\n"),
    ],
    "core_matrix.c": [
        ("for (j = 0; j < N; j++)\n        {\n            cur = C[i * N + j];",
         "LOOP for (j = 0; j < N; j++)\n        {\n            cur = C[i * N + j]; RARE(cur, MATRES);"),
        ("for (j = 0; j < N; j++)\n        {\n            C[i * N + j] = (MATRES)A[i * N + j] * (MATRES)val;",
         "LOOP for (j = 0; j < N; j++)\n        {\n            C[i * N + j] = (MATRES)A[i * N + j] * (MATRES)val; RARE(val, MATDAT);"),
        ("for (j = 0; j < N; j++)\n        {\n            A[i * N + j] += val;",
         "LOOP for (j = 0; j < N; j++)\n        {\n            A[i * N + j] += val; RARE(val, MATDAT);"),
        ("for (j = 0; j < N; j++)\n        {\n            C[i] += (MATRES)A[i * N + j] * (MATRES)B[j];",
         "LOOP for (j = 0; j < N; j++)\n        {\n            C[i] += (MATRES)A[i * N + j] * (MATRES)B[j]; RARE(C[i], MATRES);"),
        ("for (k = 0; k < N; k++)\n            {\n                C[i * N + j] += (MATRES)A[i * N + k] * (MATRES)B[k * N + j];",
         "LOOP for (k = 0; k < N; k++)\n            {\n                C[i * N + j] += (MATRES)A[i * N + k] * (MATRES)B[k * N + j]; "
         "RARE(C[i * N + j], MATRES);"),
        ("for (k = 0; k < N; k++)\n            {\n                MATRES tmp =",
         "LOOP for (k = 0; k < N; k++)\n            {\n                RARE(C[i * N + j], MATRES); MATRES tmp ="),
    ],
    "core_state.c": [
        ("for (; *str && state != CORE_INVALID; str++)\n    {\n",
         "LOOP for (; *str && state != CORE_INVALID; str++)\n    {\n        RARE(str, ee_u8 *);\n"),
        ("    while (p < (memblock + blksize))\n    { /* insert some corruption */",
         "    LOOP while (p < (memblock + blksize))\n    { RARE(p, ee_u8 *);"),
        ("    while (p < (memblock + blksize))\n    { /* undo corruption is seed1 and seed2 are equal */",
         "    LOOP while (p < (memblock + blksize))\n    { RARE(p, ee_u8 *);"),
    ],
    "core_util.c": [
        ("    for (i = 0; i < 8; i++)\n    {\n", "    LOOP for (i = 0; i < 8; i++)\n    {\n        RARE(crc, ee_u16);\n"),
    ],
}

# The check, and its rare arm, as in guests/kernels.c.
HEADER = """#ifndef RARE
#ifdef AS_CLANG_UNROLLS
#define LOOP
#else
#define LOOP _Pragma("clang loop unroll(disable) vectorize(disable)")
#endif
#if defined(CHECK)
__attribute__((import_module("flags"), import_name("rare"))) extern int flag_rare(void);
#elif defined(LOAD)
extern volatile int rare_flag;
#define flag_rare() rare_flag
#endif
#if defined(CHECK) || defined(LOAD)
extern unsigned rare_arm(unsigned value);
#define RARE(value, type) do { if (__builtin_expect(flag_rare(), 0)) value = (type)rare_arm((unsigned)value); } while (0)
#else
#define RARE(value, type) (void)0
#endif
#endif
"""
ARM = """static volatile unsigned rare_sink;
volatile int rare_flag;
__attribute__((noinline, cold)) unsigned rare_arm(unsigned value) { rare_sink += value; return value + rare_sink; }
"""
BUILDS = {"plain": [], "unrolled": ["-DAS_CLANG_UNROLLS"], "check": ["-DCHECK"], "load": ["-DLOAD"]}
SOURCES = ["core_list_join.c", "core_main.c", "core_matrix.c", "core_state.c", "core_util.c", "posix/core_portme.c", "rare.c"]
RIGHT = ["[0]crclist       : 0xe714", "[0]crcmatrix     : 0x1fd7", "[0]crcstate      : 0x8e3a"]
FLAGS = '{"flags": {"rare": {"state": "ENABLED", "variants": {"on": true, "off": false}, "defaultVariant": "off"}}}'


def with_checks(source, copy):
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns(".git"))
    (copy / "rare.h").write_text(HEADER)
    (copy / "rare.c").write_text(ARM)
    for name, loops in LOOPS.items():
        text = (copy / name).read_text()
        for before, after in loops:
            if text.count(before) != 1:
                sys.exit(f"{source / name}: this is not the CoreMark that the checks were written for: it says {before!r} {text.count(before)} times")
            text = text.replace(before, after)
        (copy / name).write_text('#include "rare.h"\n' + text)
    return sum(len(loops) for loops in LOOPS.values())


def build(copy, name, work):
    module = work / f"{name}.wasm"
    subprocess.run(["clang-19", "--target=wasm32-wasi", "-O3", "-Iposix", "-I.", "-DPERFORMANCE_RUN=1", '-DFLAGS_STR="-O3"', *BUILDS[name],
                    *SOURCES, "-o", str(module)], cwd=copy, check=True)
    return module


def rate(options, tier, module, flags):
    """Iterations a second."""
    out = subprocess.run([str(options.shunt), "run", "--tier", tier, "--flags", str(flags), str(module), "--", "0", "0", "0x66",
                          str(options.iterations), "7", "1", "2000"], capture_output=True, text=True, check=True).stdout
    if not all(line in out for line in RIGHT):
        sys.exit(f"{module} on {tier} gives a wrong result:\n{out}")
    return float(re.search(r"Iterations/Sec\s*:\s*([0-9.]+)", out)[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=pathlib.Path, help="a checkout of CoreMark (core_main.c)")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--iterations", type=int, default=40000, help="of a run of CoreMark: 40,000 take one to two seconds")
    parser.add_argument("--tiers", default="baseline,optimising")
    parser.add_argument("--shunt", type=pathlib.Path, default=here.parent / "build/release/bin/shunt")
    options = parser.parse_args()
    if not (options.source / "core_main.c").exists():
        parser.error(f"{options.source} is no checkout of CoreMark: it has no core_main.c")
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        loops = with_checks(options.source, work / "source")
        modules = {name: build(work / "source", name, work) for name in BUILDS}
        flags = work / "flags.json"
        flags.write_text(FLAGS)
        tiers = options.tiers.split(",")
        rates = {(tier, name): [] for tier in tiers for name in BUILDS}
        for _ in range(options.rounds):
            for tier, name in rates:
                rates[tier, name].append(rate(options, tier, modules[name], flags))
    print(f"CoreMark with a check in each of its {loops} innermost loops, iterations a second, median of {options.rounds} interleaved rounds")
    for tier in tiers:
        medians = {name: statistics.median(rates[tier, name]) for name in BUILDS}
        for name, value in medians.items():
            print(f"  {tier:<11} {name:<9} {value:9.0f}")
        for name in ("check", "load"):
            for base in ("plain", "unrolled"):
                # Round by round: what slows one run of a round slows its neighbours.
                ratios = sorted(b / c for b, c in zip(rates[tier, base], rates[tier, name]))
                print(f"  {tier}: time with {name} / {base} = {statistics.median(ratios):.3f}  ({ratios[0]:.3f} to {ratios[-1]:.3f})")
    return 0


if __name__ == "__main__":
    os.environ.setdefault("LC_ALL", "C")
    sys.exit(main())
