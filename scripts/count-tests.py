#!/usr/bin/env python3
"""Sums up CTest's JUnit files of a folder: 'N passed, N failed, N skipped'. Fails if anything failed.

usage: count-tests.py FAILED_STAGES SKIPPED_STAGES FOLDER

A GoogleTest program counts by its cases, any other test as one. A program that failed without saying which case (a crash, a
time-out) counts as one failure, and so does a failed stage that no failed test explains.
"""
import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree


def gtest_count(word, output):
    found = re.findall(r"^\[  " + word + r" ?\] (\d+) tests?", output, re.MULTILINE)
    return int(found[-1]) if found else 0


def count(case):
    """(passed, failed, skipped) of one CTest entry."""
    output = case.findtext("system-out") or ""
    skipped = case.find("skipped")
    if skipped is not None:
        deliberate = skipped.get("message", "").startswith("SKIP_")
        return (0, 0, 1) if deliberate or case.get("status") == "disabled" else (0, 1, 0)
    failed = case.get("status") == "fail" or case.find("failure") is not None
    cases = [gtest_count(word, output) for word in ("PASSED ", "FAILED ", "SKIPPED")]
    if not any(cases):
        return (0, 1, 0) if failed else (1, 0, 0)
    if failed and cases[1] == 0:
        cases[1] = 1
    return tuple(cases)


def main():
    failed_stages, skipped_stages, folder = int(sys.argv[1]), int(sys.argv[2]), pathlib.Path(sys.argv[3])
    totals = [0, 0, skipped_stages]
    for file in sorted(folder.glob("*.xml")):
        for case in ElementTree.parse(file).getroot().iter("testcase"):
            totals = [a + b for a, b in zip(totals, count(case))]
    totals[1] = max(totals[1], failed_stages)
    print(f"{totals[0]} passed, {totals[1]} failed, {totals[2]} skipped")
    return 1 if totals[1] else 0


if __name__ == "__main__":
    sys.exit(main())
