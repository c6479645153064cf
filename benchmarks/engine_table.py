#!/usr/bin/env python3
"""Runs the engine's benchmarks and its peers' in interleaved rounds, and writes what they show into docs/benchmarks.md.

usage: engine_table.py BIN_DIR [--rounds N] [--results FILE] [--write] [--smoke]

BIN_DIR holds the built programs. Each round runs every program once; a figure is the median over the rounds of what the program
itself measured as a median, with its control interleaved (benchmarks/support/measure.h). A ratio is taken within a round.
--results FILE  keeps the raw results as JSON; if FILE is there and no program is to run (--rounds 0), the table is made from it
--write         puts the tables between the markers of docs/benchmarks.md, and the plots into docs/images
--smoke         runs everything for a moment, makes tables and plots, and writes nothing
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import xml.dom.minidom

import engine_plots
import engine_targets

HERE = pathlib.Path(__file__).resolve().parent
DOCUMENT = HERE.parent / "docs" / "benchmarks.md"
IMAGES = HERE.parent / "docs" / "images"
BEGIN, END = "<!-- engine: begin -->", "<!-- engine: end -->"


def fail(message):
    sys.exit(f"engine_table.py: {message}")


def run_json(command, environment=None):
    """The counters of each benchmark that a program printed: name -> {counter: value}."""
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **(environment or {})}, timeout=600)
    if done.returncode != 0:
        fail(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    results = {}
    for entry in json.loads(done.stdout)["benchmarks"] if done.stdout.strip() else []:
        name = re.sub(r"/(iterations:\d+|manual_time|real_time)", "", entry["name"])
        results[name] = {key: value for key, value in entry.items() if isinstance(value, (int, float))}
    return results


def programs(bin_dir, smoke):
    """Command and environment of each program that can run here, and what is missing."""
    google = ["--benchmark_format=json"] + (["--smoke"] if smoke else ["--benchmark_min_time=0.05"])
    found, missing = [], []
    for name, what in (("engine_flip", None), ("disabled_check", None), ("xray_sleds", "LLVM XRay (clang-19, libclang-rt-19-dev)")):
        if (bin_dir / name).exists():
            found.append(([str(bin_dir / name), *google], {"XRAY_OPTIONS": "patch_premain=false"}))
        elif what is None:
            fail(f"{bin_dir / name} is not there; run: cmake --preset release && cmake --build --preset release")
        else:
            missing.append(what)
    if shutil.which("java"):
        found.append((["java", str(HERE / "peers" / "SwitchPointFlip.java")] + (["--smoke"] if smoke else []), {}))
    else:
        missing.append("Java's SwitchPoint (openjdk-17-jdk-headless)")
    return found, missing


def count_instructions(bin_dir):
    """Instructions a check by callgrind: (loop, check) -> instructions more than without a check."""
    if not shutil.which("valgrind"):
        return None
    with tempfile.TemporaryDirectory() as work:
        # Without --smc-check=all valgrind does not see writes through an alias mapping.
        command = ["valgrind", "--tool=callgrind", "--smc-check=all", f"--callgrind-out-file={work}/out", str(bin_dir / "disabled_check"), "--count"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        if done.returncode != 0:
            fail(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
        totals = {}
        for dump in pathlib.Path(work).glob("out.*"):
            text = dump.read_text()
            trigger = re.search(r"^desc: Trigger: Client Request: (\w+)/(\w+)$", text, re.M)
            total = re.search(r"^totals: (\d+)$", text, re.M)
            if trigger and total:
                totals[trigger.groups()] = int(total.group(1))
    if not totals:
        fail("callgrind made no dumps of disabled_check --count")
    checks_in = {"hash": 16, "crc": 16, "frontend": 4}
    turns = 10_000
    return {f"{loop}/{check}": (total - totals[loop, "none"]) / (turns * checks_in[loop]) for (loop, check), total in totals.items()}


def flag_kernels(bin_dir, smoke):
    """Guests' flags: kernel -> time with the check over time without, median over 16 places each. None if it is not built."""
    program = bin_dir / "flag_kernels"
    if not program.exists() or smoke:
        return None
    done = subprocess.run([str(program), "--benchmark_enable_random_interleaving=true"], capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        fail(f"{program} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return {m.group(1): float(m.group(2)) for m in re.finditer(r"^(crc|fnv|sum|scan) +[\d.]+ +[\d.]+ +([\d.]+) ", done.stdout, re.M)}


def machine(bin_dir):
    cpu = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    git = subprocess.run(["git", "-C", str(HERE), "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    hypervisor = any("hypervisor" in line.split() for line in open("/proc/cpuinfo") if line.startswith("flags"))
    return {
        "cpu": cpu + (" (virtual machine)" if hypervisor else ""),
        "processors": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "commit": git.stdout.strip() or "unknown",
        "date": datetime.date.today().isoformat(),
    }


class Results:
    """What the rounds showed."""

    def __init__(self, data):
        self.data = data

    def has(self, name, counter=None):
        return all(name in r and (counter is None or counter in r[name]) for r in self.data["rounds"]) and bool(self.data["rounds"])

    def of(self, name, counter="p50_ns"):
        """Median over the rounds; None if it was not measured."""
        values = [r[name][counter] for r in self.data["rounds"] if counter in r.get(name, {})]
        return statistics.median(values) if values else None

    def combined(self, name, function, *counters):
        """Median over the rounds of a function of counters of one benchmark; None if it was not measured."""
        values = [function(*(r[name][c] for c in counters)) for r in self.data["rounds"] if all(c in r.get(name, {}) for c in counters)]
        return statistics.median(values) if values else None

    def ratio(self, name, counter, control):
        return self.combined(name, lambda a, b: a / b, counter, control)


def measure(arguments):
    smoke = arguments.smoke
    commands, missing = programs(arguments.bin_dir, smoke)
    data = {"machine": machine(arguments.bin_dir), "missing": missing, "rounds": []}
    load = [os.getloadavg()[0]]
    for number in range(1 if smoke else arguments.rounds):
        print(f"round {number + 1}", file=sys.stderr)
        results = {}
        for command, environment in commands:
            results.update(run_json(command, environment))
        data["rounds"].append(results)
        load.append(os.getloadavg()[0])
    data["instructions"] = count_instructions(arguments.bin_dir)
    data["flag_kernels"] = flag_kernels(arguments.bin_dir, smoke)
    data["machine"]["load"] = [round(load[0], 1), round(max(load), 1)]
    data["machine"]["rounds"] = len(data["rounds"])
    return data


def insert(document, text):
    begin, end = document.find(BEGIN), document.find(END)
    if begin < 0 or end < begin:
        fail(f"{DOCUMENT} lacks the markers {BEGIN} and {END}")
    return document[: begin + len(BEGIN)] + "\n" + text + document[end:]


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1].split("\n")[0])
    parser.add_argument("bin_dir", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--results", type=pathlib.Path)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--smoke", action="store_true")
    arguments = parser.parse_args()

    if arguments.rounds == 0:
        if not arguments.results or not arguments.results.exists():
            fail("--rounds 0 makes the table from --results FILE, which is not there")
        data = json.loads(arguments.results.read_text())
    else:
        data = measure(arguments)
        if arguments.results:
            arguments.results.write_text(json.dumps(data, indent=1))

    results = Results(data)
    text, missed = engine_targets.tables(results)
    plots = engine_plots.plots(results)
    document = insert(DOCUMENT.read_text(), text)
    for name, svg in plots.items():
        xml.dom.minidom.parseString(svg)  # a broken plot shall fail here, not in a reader's browser
        if name not in document:
            fail(f"docs/benchmarks.md does not show {name}")
    if arguments.smoke:
        print(f"smoke: {len(results.data['rounds'][0])} benchmarks, {len(plots)} plots, {len(text.splitlines())} lines")
        return
    if arguments.write:
        DOCUMENT.write_text(document)
        for name, svg in plots.items():
            (IMAGES / name).write_text(svg)
    print(text)
    print("Missed:" if missed else "Nothing missed.")
    for line in missed:
        print("  " + line)


if __name__ == "__main__":
    main()
