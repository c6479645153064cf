#!/usr/bin/env python3
"""clang-tidy 19 over the product's and the samples' sources.

usage: scripts/check-tidy.py BUILD_FOLDER [FILE...]

Without files: all that the build folder's compile_commands.json compiles. Sources of one folder are looked at together. What was found
clean is not looked at again until something that it is read from changes: sources, headers, their compiler's arguments, .clang-tidy,
clang-tidy. It is remembered in $XDG_CACHE_HOME/shunt-tidy (~/.cache/shunt-tidy).
"""
import collections
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

ONE_INSTRUCTION_SET = re.compile(r"(arm64|x86_64)[^/]*$")


def command_lines(build):
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        entries = json.load(file)
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


def together(files, entries):
    """Sources that are looked at as one, which takes a seventh of the time: those of a folder, of one instruction set, with the same
    arguments."""
    groups = collections.defaultdict(list)
    for file in files:
        arguments = entries[file]["command"].split(" -o ")[0]
        instruction_set = ONE_INSTRUCTION_SET.search(file)
        groups[os.path.dirname(file), instruction_set and instruction_set.group(1), arguments].append(file)
    return groups.values()


def fingerprint(files, entries, settings):
    digest = hashlib.sha256(settings)
    for file in files:
        read = read_from(entries[file])
        if read is None:
            return None
        digest.update(entries[file]["command"].replace(os.getcwd(), ".").encode())
        for name in sorted(set(read)):
            with open(name, "rb") as content:
                digest.update(os.path.relpath(name).encode() + b"\0" + hashlib.sha256(content.read()).digest())
    return digest.hexdigest()


def tidy(file, commands, *options):
    ran = subprocess.run([TIDY, "-p", commands, "--quiet", "--warnings-as-errors=*", *options, file], capture_output=True, text=True,
                         check=False)
    return ran.returncode == 0, ran.stdout + "".join(line for line in ran.stderr.splitlines(True) if not NOISE.match(line))


def tidy_as_one(files, entries, scratch):
    """One source that includes them all, in a folder of its own with the arguments of the first. What one calls something, others may too."""
    folder = tempfile.mkdtemp(dir=scratch)
    one = os.path.join(folder, "all.cpp")
    with open(one, "w", encoding="utf-8") as file:
        file.writelines(f'#include "{os.path.abspath(name)}"\n' for name in files)
    with open(os.path.join(folder, "compile_commands.json"), "w", encoding="utf-8") as file:
        first = entries[files[0]]
        json.dump([{**first, "file": one, "command": first["command"].replace(os.path.abspath(files[0]), one)}], file)
    return tidy(one, folder, "--checks=-bugprone-suspicious-include", "--extra-arg=-Wno-shadow",
                f"--config-file={os.path.abspath('.clang-tidy')}")


def check(files, entries, scratch, settings, memory):
    """How many of them are known to be clean, found clean, complained of; and the complaints."""
    key = fingerprint(files, entries, settings)
    mark = os.path.join(memory, key) if key else None
    if mark and os.path.exists(mark):
        os.utime(mark)
        return len(files), 0, 0, ""
    if len(files) > 1 and tidy_as_one(files, entries, scratch)[0]:
        failed, said = 0, ""
    else:  # each for itself: to say what is wrong where, or because some of them have the same name for different things
        results = [tidy(file, scratch) for file in files]
        failed, said = sum(not clean for clean, _ in results), "".join(text for _, text in results)
        if len(files) > 1 and not failed:
            said += f"note: {os.path.dirname(files[0])} is slow to check: its sources cannot be looked at as one\n"
    if mark and not failed:
        open(mark, "w", encoding="utf-8").close()
    return 0, len(files) - failed, failed, said


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
    counts = [0, 0, 0]
    with tempfile.TemporaryDirectory() as scratch, concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as workers:
        with open(os.path.join(scratch, "compile_commands.json"), "w", encoding="utf-8") as file:
            json.dump(list(entries.values()), file)
        for *found, said in workers.map(lambda group: check(group, entries, scratch, settings, memory), together(files, entries)):
            counts = [a + b for a, b in zip(counts, found)]
            if said:
                print(said, end="", flush=True)
    forget_oldest(memory)
    known, clean, failed = counts
    print(f"{len(files)} sources: {clean} found clean, {known} known to be, {failed} with complaints")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
