#!/usr/bin/env python3
"""clang-tidy 19 over the product's and the samples' sources.

usage: scripts/check-tidy.py BUILD_FOLDER [FILE...]

Without files: all that the build folder's compile_commands.json compiles. A source that was found clean is not looked at again until
something that it is read from changes: itself, a header, its compiler's arguments, .clang-tidy, clang-tidy. What was found clean is
remembered in $XDG_CACHE_HOME/shunt-tidy (~/.cache/shunt-tidy).
"""
import concurrent.futures
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile

TIDY, CLANG = "clang-tidy-19", "clang++-19"
MOST_REMEMBERED = 5000
NOISE = re.compile(r"^\d+ warnings? generated")  # what it says about its own count of suppressed warnings


# Precompiled headers, and what GCC alone knows and needs with them: each source is looked at with what it includes itself.
PRECOMPILED = re.compile(r" -Winvalid-pch -include \S+/cmake_pch\.hxx| -Wno-(array-bounds|stringop-\w+|restrict)")


def command_lines(build):
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        entries = json.load(file)
    for entry in entries:
        entry["command"] = PRECOMPILED.sub("", entry["command"])
    return {os.path.relpath(entry["file"]): entry for entry in entries}


def wanted(entries):
    listed = subprocess.run(["git", "ls-files", "arch/*.cpp", "engine/*.cpp", "runtime/*.cpp", "samples/*.cpp"], check=True,
                            capture_output=True, text=True).stdout.split()
    return [file for file in listed if file in entries]


def read_from(entry):
    """All files that the source is compiled from, as clang finds them; None if it cannot tell."""
    arguments = shlex.split(entry["command"])
    arguments = arguments[next(i for i, word in enumerate(arguments) if word.startswith("-")):]  # not the compiler
    kept, skip = [], False
    for word in arguments:
        if skip or word in ("-c", "-MD"):
            skip = False
        elif word in ("-o", "-MF", "-MT"):
            skip = True
        else:
            kept.append(word)
    found = subprocess.run([CLANG, *kept, "-w", "-M", "-MT", "x"], cwd=entry["directory"], capture_output=True, text=True, check=False)
    if found.returncode != 0:
        return None
    names = found.stdout.split(":", 1)[1].replace("\\\n", " ").split()
    return [os.path.join(entry["directory"], name) for name in names]


def fingerprint(entry, settings):
    files = read_from(entry)
    if files is None:
        return None
    digest = hashlib.sha256(settings)
    digest.update(entry["command"].replace(os.getcwd(), ".").encode())
    for name in sorted(set(files)):
        with open(name, "rb") as file:
            digest.update(os.path.relpath(name).encode() + b"\0" + hashlib.sha256(file.read()).digest())
    return digest.hexdigest()


def check(file, entry, commands, settings, memory):
    key = fingerprint(entry, settings)
    mark = os.path.join(memory, key) if key else None
    if mark and os.path.exists(mark):
        os.utime(mark)
        return "known", ""
    ran = subprocess.run([TIDY, "-p", commands, "--quiet", "--warnings-as-errors=*", file], capture_output=True, text=True, check=False)
    said = ran.stdout + "".join(line for line in ran.stderr.splitlines(True) if not NOISE.match(line))
    if ran.returncode != 0:
        return "failed", said
    if mark:
        open(mark, "w", encoding="utf-8").close()
    return "clean", said


def forget_oldest(memory):
    marks = sorted(os.scandir(memory), key=lambda mark: mark.stat().st_mtime)
    for mark in marks[:-MOST_REMEMBERED]:
        os.unlink(mark.path)


def main():
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        print(__doc__.strip())
        return 2 if len(sys.argv) < 2 else 0
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
    build, files = os.path.abspath(sys.argv[1]), [os.path.abspath(file) for file in sys.argv[2:]]
    os.chdir(root)
    entries = command_lines(build)
    files = [os.path.relpath(file) for file in files] or wanted(entries)
    unknown = [file for file in files if file not in entries]
    if unknown:
        print(f"{build} does not compile {', '.join(unknown)}; build it first, or name another folder")
        return 2
    memory = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "shunt-tidy")
    os.makedirs(memory, exist_ok=True)
    with open(".clang-tidy", "rb") as file:
        settings = file.read() + subprocess.run([TIDY, "--version"], check=True, capture_output=True).stdout
    counts = {"clean": 0, "known": 0, "failed": 0}
    with tempfile.TemporaryDirectory() as commands, concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as workers:
        with open(os.path.join(commands, "compile_commands.json"), "w", encoding="utf-8") as file:
            json.dump(list(entries.values()), file)
        for result, said in workers.map(lambda file: check(file, entries[file], commands, settings, memory), files):
            counts[result] += 1
            if said:
                print(said, end="", flush=True)
    forget_oldest(memory)
    print(f"{len(files)} sources: {counts['clean']} found clean, {counts['known']} known to be, {counts['failed']} with complaints")
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
