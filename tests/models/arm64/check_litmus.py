#!/usr/bin/env python3
"""Runs the litmus tests of this folder, and their mutants, under herd7's instruction-fetch model, and compares each verdict with
verdicts.txt, exactly: the verdict and the model's flags, not the counts of executions, which may differ between versions.

usage: check_litmus.py HERD7 [--write]     --write: writes verdicts.txt anew, from what herd7 says

A test whose condition can Never hold has mutants: each step left out, or made weaker (litmus.py). A mutant must let the condition
hold Sometimes; where it does not, verdicts.txt says which other test shows that the step is needed, or why it is not.
"""
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import litmus

FOLDER = pathlib.Path(__file__).resolve().parent
TABLE = FOLDER / "verdicts.txt"
ASSUMPTIONS = {
    "Assuming-common-inner-shareable-domain": "D",
    "Assuming-no-two-modified-instructions-are-on-the-same-cache-line": "L",
}
HEADER = """# What herd7 says, with -variant ifetch (Arm's model of instruction fetch): one line a test, and below it one a mutant.
#
#   Never       the condition, stale code was executed, holds in no execution that the architecture allows
#   Sometimes   it holds in some
#
# Flags that herd7 raises. Assumptions: D = all threads are in one inner-shareable domain; L = no two modified instructions lie on one
# cache line. Any other flag is written out; violates-CMODX-requirements = an instruction is modified that may not be.
#
# A mutant is named by thread and line. Behind # stands why one is Never; a test in it is one where the same step's mutant is not.
"""


def all_tests():
    """[(key of the table, Litmus)]"""
    tests = []
    for path in sorted(FOLDER.glob("*.litmus")):
        test = litmus.Litmus.read(path)
        if test.name != path.stem:
            raise SystemExit(f"{path.name} calls itself {test.name}")
        tests.append((test.name, test))
        tests += [(f"{test.name}: {what}", mutant) for what, mutant in test.mutants()]
    return tests


def herd(herd7, files):
    if not files:
        return ""
    done = subprocess.run([herd7, "-variant", "ifetch", *files], capture_output=True, text=True)
    if done.returncode != 0 or "legal outcomes may be missing" in done.stderr:
        raise SystemExit(f"herd7 failed ({done.returncode}):\n{done.stderr}")
    sys.stderr.write(done.stderr)
    return done.stdout


def run(herd7, tests):
    """{name: "Never D"}; ends the program if herd7 fails, or leaves a test or an execution out."""
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for _, test in tests:
            files.append(f"{folder}/{test.name}.litmus")
            pathlib.Path(files[-1]).write_text(test.text())
        workers = os.cpu_count() or 1
        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            output = "".join(pool.map(lambda part: herd(herd7, part), [files[i::workers] for i in range(workers)]))
    verdicts = {}
    for block in re.split(r"^Test ", output, flags=re.MULTILINE)[1:]:
        name, verdict = re.search(r"^Observation (\S+) (\S+)", block, re.MULTILINE).groups()
        flags = [ASSUMPTIONS.get(flag, flag) for flag in re.findall(r"^Flag (\S+)", block, re.MULTILINE)]
        verdicts[name] = " ".join([verdict, *sorted(flags)])
    missing = [test.name for _, test in tests if test.name not in verdicts]
    if missing:
        raise SystemExit(f"herd7 gave no verdict for {', '.join(missing)}")
    return verdicts


def read_table():
    """{key: (verdict and flags, reason)}"""
    table = {}
    if not TABLE.exists():
        return table
    test = ""
    for line in TABLE.read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        entry, _, reason = line.partition(" # ")
        key, verdict = re.split(r"\s{2,}", entry.strip())
        if not line.startswith(" "):
            test = key
        table[key if key == test else f"{test}: {key}"] = (verdict, reason.strip())
    return table


def write_table(tests, verdicts, reasons):
    lines = [HEADER]
    for key, test in tests:
        name, _, what = key.partition(": ")
        entry = f"  {what}" if what else name
        reason = reasons.get(key, ("", ""))[1] if verdicts[test.name].startswith("Never") else ""
        lines.append(f"{entry:<46}  {verdicts[test.name]:<14}{' # ' + reason if reason else ''}".rstrip())
    TABLE.write_text("\n".join(lines) + "\n")


def problems(tests, verdicts, table):
    """One line for each entry that is not as the table says."""
    found = []
    for key in table.keys() - {key for key, _ in tests}:
        found.append(f"{key}: in verdicts.txt, but there is no such test or mutant")
    for key, test in tests:
        expected, reason = table.get(key, ("nothing", ""))
        verdict = verdicts[test.name]
        if expected != verdict:
            found.append(f"{key}: {verdict}, but verdicts.txt says {expected}")
        elif ": " in key and verdict.startswith("Never") and not reason:
            found.append(f"{key}: {verdict}, and verdicts.txt does not say why the step may be left out here")
        elif reason.startswith("see ") and not shown_elsewhere(reason[4:], key, table):
            found.append(f"{key}: {reason} shows no stale execution without that step")
    return found


def shown_elsewhere(other, key, table):
    """Whether the same change to the same thread of the test `other` is Sometimes, on whatever line and by whatever register."""
    def change(entry):
        return re.sub(r"[XW]\d+", "R", re.sub(r"^(P\d+)\.\d+", r"\1", entry.split(": ")[1]))

    return any(entry.startswith(other + ": ") and change(entry) == change(key) and verdict.startswith("Sometimes")
               for entry, (verdict, _) in table.items())


def main():
    if len(sys.argv) not in (2, 3) or sys.argv[2:] not in ([], ["--write"]):
        raise SystemExit(__doc__)
    tests = all_tests()
    without_mutants = {test.name for key, test in tests if ": " not in key}
    verdicts = run(sys.argv[1], [pair for pair in tests if pair[1].name in without_mutants])
    # A test that shows what is not promised has no steps to leave out.
    tests = [(key, test) for key, test in tests if ": " not in key or verdicts[key.split(": ")[0]].startswith("Never")]
    verdicts |= run(sys.argv[1], [pair for pair in tests if pair[1].name not in without_mutants])
    table = read_table()
    if sys.argv[2:]:
        write_table(tests, verdicts, table)
        table = read_table()
    wrong = problems(tests, verdicts, table)
    for line in wrong:
        print(line)
    words = [verdicts[test.name].split()[0] for _, test in tests]
    print(", ".join(f"{words.count(word)} {word}" for word in sorted(set(words))))
    print(f"[  PASSED  ] {len(tests) - len(wrong)} tests.")  # as GoogleTest does: scripts/count-tests.py reads it
    if wrong:
        print(f"[  FAILED  ] {len(wrong)} tests")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
