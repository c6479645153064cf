#!/usr/bin/env python3
"""Builds and runs the programs of a page of docs, as a reader would who copies them from it, against an installed shunt.

usage: check-docs.py PAGE PREFIX      PREFIX: where shunt is installed

A page marks a program by `<!-- file: NAME -->` before its fenced block, and what a command prints by `<!-- output: COMMAND -->`. Lines of
the page that begin with `    clang-19` are run too. The page's CMakeLists.txt builds the rest.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

MARK = re.compile(r"<!-- (file|output): (.+?) -->\n```\w*\n(.*?)```\n", re.S)
GUEST_COMPILER = re.compile(r"^    (clang-19 .*)$", re.M)


def run(command, folder, **options):
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600, check=False, **options)
    if done.returncode != 0:
        sys.exit(f"{command} ended with {done.returncode}:\n{done.stdout[-4000:]}")
    return done.stdout


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__.split("\n\n")[1])
    page, prefix = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve()
    text = page.read_text(encoding="utf-8")
    marks = MARK.findall(text)
    files = [(name, body) for kind, name, body in marks if kind == "file"]
    outputs = [(name, body) for kind, name, body in marks if kind == "output"]
    if not files or not outputs or text.count("<!-- file:") + text.count("<!-- output:") != len(marks):
        sys.exit(f"{page}: its marked blocks cannot be read")
    environment = {**os.environ, "PATH": f"{prefix / 'bin'}:{os.environ['PATH']}"}
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        for name, body in files:
            (folder / name).write_text(body, encoding="utf-8")
        for command in GUEST_COMPILER.findall(text):
            run(command, folder, shell=True, env=environment)
        if (folder / "CMakeLists.txt").exists():
            run(["cmake", "-G", "Ninja", "-S", ".", "-B", "build", f"-DCMAKE_PREFIX_PATH={prefix}"], folder)
            run(["cmake", "--build", "build"], folder)
        environment["PATH"] = f"{folder / 'build'}:{environment['PATH']}"
        for command, expected in outputs:
            found = run(command, folder, shell=True, env=environment)
            if found != expected:
                sys.exit(f"{page}: {command} prints\n{found}instead of\n{expected}")
    print(f"{page.name}: {len(files)} files, {len(outputs)} outputs as the page says")


if __name__ == "__main__":
    main()
