#!/usr/bin/env python3
"""Holds the table "Rules and hard moments" of docs/concurrency.md: no cell is empty, every test and every mutant that a row
names exists, and every mutant that CTest runs is named in a row.

A test is a GoogleTest name (Suite.Name) or the name of a CTest entry; a mutant is a CTest entry with the label `mutant`. Both
stand in backquotes. A row without a mutant says why in words: "none: ...".

usage: check-concurrency-table.py BUILD_FOLDER [DOCUMENT]
       check-concurrency-table.py --self-test
"""
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
HEADING = "## Rules and hard moments"
COLUMNS = 4
TEST = re.compile(r"^\s*(?:TYPED_)?TEST(?:_F|_P)?\(\s*(\w+)\s*,\s*(\w+)\s*\)", re.MULTILINE)
NAME = re.compile(r"`([^`]+)`")


def google_tests(folder):
    return {f"{suite}.{name}" for file in folder.rglob("*.cpp") for suite, name in TEST.findall(file.read_text(encoding="utf-8"))}


def ctest_entries(build):
    shown = subprocess.run(["ctest", "--show-only=json-v1", "--test-dir", build], check=True, capture_output=True, text=True).stdout
    entries = {}
    for test in json.loads(shown)["tests"]:
        labels = [p["value"] for p in test.get("properties", []) if p["name"] == "LABELS"]
        entries[test["name"]] = labels[0] if labels else []
    return entries


def rows_of(text):
    """The table's rows as (line number, cells)."""
    lines = text.splitlines()
    if HEADING not in lines:
        return []
    rows = []
    for number, line in enumerate(lines[lines.index(HEADING) + 1:], lines.index(HEADING) + 2):
        if line.startswith("## "):
            break
        if line.startswith("|"):
            rows.append((number, [cell.strip() for cell in line.strip().strip("|").split("|")]))
    return rows[2:]  # after the header and its rule


def problems_of(text, tests, mutants):
    rows = rows_of(text)
    if not rows:
        yield f'no table under "{HEADING}"'
    named = set()
    for number, cells in rows:
        if len(cells) != COLUMNS or not all(cells):
            yield f"line {number}: {COLUMNS} cells, none empty, are wanted; found {cells}"
            continue
        in_test, in_mutant = NAME.findall(cells[2]), NAME.findall(cells[3])
        if not in_test:
            yield f"line {number}: names no test"
        for name in in_test:
            if name not in tests:
                yield f"line {number}: there is no test {name}"
        if not in_mutant and not cells[3].startswith("none: "):
            yield f'line {number}: names no mutant; if there can be none, say why: "none: ..."'
        for name in in_mutant:
            if name not in mutants:
                yield f"line {number}: there is no mutant {name}"
        named.update(in_mutant)
    for name in sorted(mutants - named):
        yield f"mutant {name} stands in no row"


def self_test():
    head = f"{HEADING}\n\n| rule | what happens | test | mutant |\n|---|---|---|---|\n"
    tests, mutants = {"A.B"}, {"m"}
    cases = [
        (head + "| r | w | `A.B` | `m` |\n", None),
        (head + "| r | w | `A.B` | `m` |\n| r | w | `A.B` | none: pure |\n", None),
        (head + "| r |  | `A.B` | `m` |\n", "none empty"),
        (head + "| r | w | `A.C` | `m` |\n", "no test A.C"),
        (head + "| r | w | `A.B` | `n` |\n", "no mutant n"),
        (head + "| r | w | tested | `m` |\n", "names no test"),
        (head + "| r | w | `A.B` | later |\n| r | w | `A.B` | `m` |\n", "names no mutant"),
        (head + "| r | w | `A.B` | none: pure |\n", "mutant m stands in no row"),
        ("# nothing\n", "no table"),
    ]
    wrong = []
    for text, expected in cases:
        found = list(problems_of(text, tests, mutants))
        if (expected is None) != (not found) or expected is not None and not any(expected in line for line in found):
            wrong.append(f"expected {expected!r}, found {found} in:\n{text}")
    print("\n".join(wrong) if wrong else f"{len(cases)} planted tables judged rightly")
    return 1 if wrong else 0


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    if len(sys.argv) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 2
    document = pathlib.Path(sys.argv[2]) if len(sys.argv) == 3 else ROOT / "docs/concurrency.md"
    entries = ctest_entries(sys.argv[1])
    mutants = {name for name, labels in entries.items() if "mutant" in labels and not name.endswith("_mutant_none")}
    text = document.read_text(encoding="utf-8")
    found = list(problems_of(text, google_tests(ROOT / "tests") | set(entries), mutants))
    print("\n".join(f"{document}: {line}" for line in found) if found else f"{len(rows_of(text))} rules, {len(mutants)} mutants")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
