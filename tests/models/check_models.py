#!/usr/bin/env python3
"""Searches the Spin models of the folders x86_64 and engine, each as it stands and each with a step left out, and compares what is found
with expected.txt, exactly. A search without errors has to be complete, and must have come to every state that the model says it
REACHED.

usage: check_models.py [WORDS...]     only the lines of expected.txt in which all the words stand

Ends with 77 if spin or a C compiler is missing, and fails with CI=true.
"""
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

FOLDER = pathlib.Path(__file__).resolve().parent
TABLE = FOLDER / "expected.txt"
NO_ERROR = "no error"
VIOLATIONS = [
    (r"assertion violated\s+!\((\w+)\)", lambda found: found.group(1)),
    (r"^pan:\d+: invalid end state", lambda found: "somebody waits for ever"),
    (r"^pan:\d+: (?:non-progress|acceptance) cycle", lambda found: "a loop without progress"),
]
# What pan says when it has not looked at everything.
TRUNCATED = ["max search depth too small", "Search not completed", "out of memory", "hash-compaction", "bitstate", "Warning"]


def entries():
    """[(line of the table, model, defines, expected)]"""
    found = []
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        what, _, expected = line.partition(" : ")
        model, *defines = what.split()
        found.append((" ".join(what.split()), model, defines, expected.strip()))
    return found


def run(command, folder, limit):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=limit)
    return done.returncode, done.stdout + done.stderr


def search(model, defines):
    """(what was found, the output of the search)"""
    source = FOLDER / model
    with tempfile.TemporaryDirectory() as folder:
        for path in [FOLDER / "checks.inc", *FOLDER.glob("x86_64/*"), *FOLDER.glob("engine/*")]:
            place = pathlib.Path(folder) / path.relative_to(FOLDER)
            place.parent.mkdir(exist_ok=True)
            shutil.copy(path, place)
        place = pathlib.Path(folder) / pathlib.Path(model).parent
        cycles = "LOCK_FREE" in defines
        status, text = run(["spin", "-a", *["-D" + name for name in defines], source.name], place, 60)
        if status != 0 or "rror" in text:
            return "spin fails", text
        mode = ["-DNP"] if cycles else ["-DSAFETY"]
        if " provided " in source.read_text(encoding="utf-8"):  # no partial-order reduction goes with it
            mode.append("-DNOREDUCE")
        status, text = run(["cc", "-O1", "-w", *mode, "-DCOLLAPSE", "-DMEMLIM=2000", "-o", "pan", "pan.c"], place, 120)
        if status != 0:
            return "cc fails", text
        _, text = run(["./pan", "-m1000000", "-w22", *(["-l"] if cycles else [])], place, 240)
        promises = set(re.findall(r'"reached: %s\\n", "([^"]*)"', "".join(p.read_text(errors="replace") for p in place.glob("pan.[mct]"))))
    return verdict(text, promises), text


def verdict(text, promises):
    errors = re.search(r"errors: (\d+)", text)
    if errors is None:
        return "the search broke off"
    if errors.group(1) != "0":
        for pattern, name in VIOLATIONS:
            if found := re.search(pattern, text, re.MULTILINE):
                return name(found)
        return "an error of no known kind"
    if any(word in text for word in TRUNCATED):
        return "the search is not complete"
    if unreached := sorted(promises - set(re.findall(r"^reached: (.*)$", text, re.MULTILINE))):
        return "never reached: " + "; ".join(unreached)
    return NO_ERROR if promises else "the model promises to reach nothing"


def problems(wanted, results):
    for what, _, _, expected in wanted:
        found, text = results[what]
        if found != expected:
            yield f"{what}: {found}; expected: {expected}\n{text if expected == NO_ERROR or found == NO_ERROR else ''}"


def main():
    missing = [tool for tool in ("spin", "cc") if shutil.which(tool) is None]
    if missing:
        print(f"not there: {', '.join(missing)} (Debian's packages spin, gcc)")
        return 1 if os.environ.get("CI") == "true" else 77
    wanted = [entry for entry in entries() if all(word in entry[0].split() for word in sys.argv[1:])]
    if not wanted:
        raise SystemExit("no such line")
    wanted.sort(key=lambda entry: entry[3] != NO_ERROR)  # the long ones first
    results = {}
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for entry, result in zip(wanted, pool.map(lambda entry: search(entry[1], entry[2]), wanted)):
            results[entry[0]] = result
            states = re.search(r"(\d+(?:\.\d+)?(?:e\+\d+)?) states, stored", result[1])
            print(f"{entry[0]}: {result[0]} ({states.group(1) if states else '?'} states)", flush=True)
    wrong = list(problems(wanted, results))
    for line in wrong:
        print("WRONG " + line)
    print(f"[  PASSED  ] {len(wanted) - len(wrong)} tests.")  # as GoogleTest does: scripts/count-tests.py reads it
    if wrong:
        print(f"[  FAILED  ] {len(wrong)} tests")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
