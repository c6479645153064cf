#!/usr/bin/env python3
"""Runs programs on an emulated arm64 machine with Debian's kernel, on one CPU model after the other, and reports on each program.

usage: tests/system/arm64/run.py [OPTION...] [BUILD]

BUILD holds the cross-built programs in bin/ (build/arm64); what else it takes is in build/arm64-tools (scripts/arm64/install.sh system).
A job fails if its program fails, exceeds its time, prints less than the job says it must, or if the machine dies. For each CPU model a
JUnit file is left in the results folder, one test case a job, for scripts/count-tests.py.

With --thread multi a program that failed by stale instructions alone is reported as "stale", and is no failure: the emulator makes such
itself (docs/testing-arm64.md).
"""
import argparse
import concurrent.futures
import dataclasses
import pathlib
import re
import sys
import tempfile
import threading
import time
import tomllib
import xml.etree.ElementTree as ElementTree

import initramfs
import machine

ROOT = pathlib.Path(__file__).resolve().parents[3]
HERE = pathlib.Path(__file__).resolve().parent

# What qemu 10 says in CTR_EL0; the guest's own test compares.
TRAITS = {
    "cortex-a57": "IDC 0 DIC 0",
    "neoverse-n1": "IDC 1 DIC 0",
    "neoverse-v1": "IDC 1 DIC 1",
    "max": "IDC 1 DIC 1",
}


@dataclasses.dataclass
class Job:
    program: str
    arguments: list = dataclasses.field(default_factory=list)
    environment: dict = dataclasses.field(default_factory=dict)
    limit: int = 60                                            # seconds
    counts: list = dataclasses.field(default_factory=list)     # patterns with one number each: found, and never 0
    label: str = ""                                            # for the report

    def name(self):
        return self.label or " ".join([self.program, *self.arguments])


def read_jobs(options, cpu):
    jobs = [Job(**job) for job in tomllib.loads(options.jobs.read_text())["job"]]
    for job in jobs:
        if options.seconds and "SHUNT_STRESS_AT_MOST" in job.environment:
            job.environment["SHUNT_STRESS_AT_MOST"] = str(options.seconds)
            job.limit = 60 + 2 * options.seconds
        job.limit *= options.patience
        job.environment = {"SHUNT_MACHINE_TRAITS": TRAITS[cpu], **job.environment}
    return jobs


def only_stale(ended):
    """Whether tests failed by nothing but instructions that were executed after they had been replaced."""
    failures = ended.output.count(": Failure\n")
    return ended.status == 1 and failures > 0 and failures == ended.output.count("\nexecuted the old instruction")


def verdict(job, ended, thread):
    """Why the job failed, or empty."""
    if ended is None:
        return "was not run"
    if ended.status is None:
        return "did not end"
    if ended.status != 0 and not (thread == "multi" and only_stale(ended)):
        late = ended.seconds >= job.limit
        return f"exceeded its {job.limit} s" if late else f"ended with status {ended.status}"
    for pattern in job.counts:
        found = [int(number) for number in re.findall(pattern, ended.output)]
        if not found:
            return f"printed nothing like: {pattern}"
        if 0 in found:
            return f"a count is 0: {pattern}"
    return ""


def write_junit(file, cpu, jobs, run, failures):
    suite = ElementTree.Element("testsuite", name=f"arm64 {cpu}", tests=str(len(jobs)))
    for number, job in enumerate(jobs):
        ended = run.jobs.get(number) or machine.Ended()
        case = ElementTree.SubElement(suite, "testcase", name=job.name(), classname=cpu, time=f"{ended.seconds:.1f}",
                                      status="fail" if failures[number] else "run")
        if failures[number]:
            ElementTree.SubElement(case, "failure", message=failures[number])
        printable = re.sub(r"[^\t\n\x20-\uFFFD]", "?", ended.output)
        ElementTree.SubElement(case, "system-out").text = printable
    ElementTree.ElementTree(suite).write(file, encoding="utf-8", xml_declaration=True)


def the_one(pattern, what):
    found = sorted((ROOT / "build/arm64-tools").glob(pattern))
    if not found:
        sys.exit(f"error: no {what} (build/arm64-tools/{pattern}): run scripts/arm64/install.sh system")
    return found[-1]


def run_cpu(cpu, options, say):
    """Boots one machine; (cpu, jobs, run, failures)."""
    jobs = read_jobs(options, cpu)
    programs = {ROOT / options.build / "bin" / job.program for job in jobs}
    missing = [str(program) for program in programs if not program.exists()]
    if missing:
        sys.exit(f"error: not built: {', '.join(sorted(missing))}")
    with tempfile.NamedTemporaryFile(prefix="shunt-initramfs-") as file:
        file.write(initramfs.build(the_one("bin/busybox", "busybox"), HERE / "init", jobs, programs))
        file.flush()
        arguments = machine.command(the_one("usr/bin/qemu-system-aarch64", "emulator"), the_one("boot/vmlinuz-*", "kernel"),
                                    file.name, cpu, options.thread)
        run = machine.run(arguments, jobs, options.limit * options.patience, options.patience, lambda line: say(f"{cpu}: {line}"))
    failures = [verdict(job, run.jobs.get(number), options.thread) for number, job in enumerate(jobs)]
    return cpu, jobs, run, failures


def report(cpu, jobs, run, failures, thread):
    print(f"\n{cpu} ({TRAITS[cpu]}), thread={thread}: {'up after ' + run.up if run.up else 'never up'}")
    for number, job in enumerate(jobs):
        ended = run.jobs.get(number) or machine.Ended()
        result = "FAILED" if failures[number] else "stale " if only_stale(ended) else "passed"
        print(f"  {result} {ended.seconds:6.1f} s  {job.name()}"
              f"{': ' + failures[number] if failures[number] else ''}")
    if run.problem:
        print(f"  {run.problem}. The console's last lines:")
        print("".join(f"    | {line}\n" for line in run.tail), end="")


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", nargs="?", default="build/arm64", help="folder of the arm64 build, from the project's root")
    parser.add_argument("--jobs", type=pathlib.Path, default=HERE / "stress.toml", help="what to run")
    parser.add_argument("--cpu", action="append", choices=sorted(TRAITS), help="CPU models (cortex-a57 and neoverse-v1)")
    parser.add_argument("--thread", choices=("single", "multi"), default="single", help="how the emulator runs the CPUs")
    parser.add_argument("--seconds", type=int, help="of the machine's clock for each stress test, instead of what the list says")
    parser.add_argument("--results", type=pathlib.Path, help="folder for JUnit files")
    parser.add_argument("--limit", type=int, default=230, help="seconds for all of a CPU model's jobs")
    parser.add_argument("--patience", type=int, default=1, help="what all limits are multiplied by, on a machine that is busy otherwise")
    parser.add_argument("--parallel", type=int, default=1, help="machines at the same time")
    options = parser.parse_args()
    options.cpu = options.cpu or ["cortex-a57", "neoverse-v1"]
    return options


def main():
    options = parse_options()
    lock = threading.Lock()

    def say(line):
        with lock:
            print(line, flush=True)

    begin = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(options.parallel) as pool:
        runs = list(pool.map(lambda cpu: run_cpu(cpu, options, say), options.cpu))
    failed = total = 0
    for cpu, jobs, run, failures in runs:
        report(cpu, jobs, run, failures, options.thread)
        if options.results:
            options.results.mkdir(parents=True, exist_ok=True)
            write_junit(options.results / f"arm64-system-{cpu}.xml", cpu, jobs, run, failures)
        total += len(jobs)
        failed += sum(map(bool, failures)) or bool(run.problem)
    print(f"\n{total - failed} of {total} programs passed, in {time.monotonic() - begin:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
