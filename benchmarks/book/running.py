"""Runs programs and reads what they print: every figure becomes one number under one name."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
TREE = HERE.parent.parent


class Failed(Exception):
    """A program that should have run did not."""


class Bench:
    """What chapters measure with: the built programs, the peers that are installed, the folders that the user named."""

    def __init__(self, options):
        self.options = options
        self.quick, self.smoke = options.quick or options.smoke, options.smoke
        self.bin = options.bin
        self.kernels = options.bin.parent / "benchmarks" / "kernels"
        self.work = options.work

    def program(self, name):
        """The path of a built program; None if it is not there."""
        path = self.bin / name
        return path if path.exists() else None

    def tool(self, name):
        return shutil.which(name)

    def lacking(self, programs=(), tools=()):
        """Sentences for the page: what is not there."""
        lacks = [f"the program `{name}` is not built" for name in programs if not self.program(name)]
        return lacks + [f"`{name}` is not installed" for name in tools if not self.tool(name)]

    def run(self, command, environment=None, timeout=900, may_fail=False, again=0):
        """What the command printed. `again`: how often it may be repeated when it fails: some versions of node abort now and then
        while they end."""
        for attempt in range(again + 1):
            done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=timeout, check=False,
                                  env={**os.environ, "NODE_NO_WARNINGS": "1", **(environment or {})}, stdin=subprocess.DEVNULL)
            if done.returncode == 0 or may_fail:
                return done
        raise Failed(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{(done.stderr or done.stdout)[-2000:]}")

    def google(self, command, environment=None):
        """The counters of a Google Benchmark program: `benchmark:counter` -> number."""
        shown = self.run([*command, *(["--smoke"] if self.smoke else [])], environment).stdout
        figures = {}
        for entry in json.loads(shown)["benchmarks"] if shown.strip() else []:
            name = re.sub(r"/(iterations:\d+|manual_time|real_time)", "", entry["name"])
            if entry.get("error_occurred"):
                raise Failed(f"{name}: {entry.get('error_message')}")
            for counter, value in entry.items():
                if isinstance(value, (int, float)) and counter not in FIELDS:
                    figures[f"{name}:{counter}"] = value
        return figures

    def google_options(self, quick_seconds="0.01", seconds="0.05"):
        return ["--benchmark_format=json"] + ([] if self.smoke else [f"--benchmark_min_time={quick_seconds if self.quick else seconds}"])

    def say(self, text):
        print(text, file=sys.stderr, flush=True)


# Of Google Benchmark's own, in each entry.
FIELDS = {"family_index", "per_family_instance_index", "repetitions", "repetition_index", "threads", "iterations", "real_time", "cpu_time"}


def number(pattern, text):
    """The number that a pattern's group finds."""
    found = re.search(pattern, text, re.M)
    if not found:
        raise Failed(f"expected /{pattern}/ in:\n{text[-2000:]}")
    return float(found.group(1))


# The engines of the peers: name, command, whether it compiles once and well ("optimising") or fast ("baseline").
ENGINES = {
    "v8-turbofan": ("V8 TurboFan", ["node", "--no-liftoff", "--no-wasm-tier-up"], "optimising"),
    "v8-liftoff": ("V8 Liftoff", ["node", "--liftoff-only"], "baseline"),
    "sm-ion": ("SpiderMonkey Ion", ["js102", "--wasm-compiler=ion"], "optimising"),
    "sm-baseline": ("SpiderMonkey baseline", ["js102", "--wasm-compiler=baseline"], "baseline"),
}
