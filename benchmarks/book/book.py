#!/usr/bin/env python3
"""The benchmark book: measures what README and docs claim, beside what others offer, and writes it down. benchmarks/run.sh builds the
programs and runs this.

Results go to --out: results.json, page.md, and the plots. A chapter whose programs, peers or sources are missing is left out, and the page
says so. --write puts the page into docs/benchmarks.md, the plots into docs/images, and the numbers into README and docs.
"""
import argparse
import json
import os
import pathlib
import sys
import tempfile
import time
import xml.dom.minidom

import chapters
import machine
import page
from results import Results
from running import TREE, Bench, Failed


def options():
    parser = argparse.ArgumentParser(prog="benchmarks/run.sh", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     epilog="chapters: " + " ".join(chapter.name for chapter in chapters.ALL))
    folder = lambda name: pathlib.Path(os.environ[name]) if os.environ.get(name) else None
    parser.add_argument("names", nargs="*", metavar="NAME", help="chapters; all without")
    parser.add_argument("--quick", action="store_true", help="shorter and fewer rounds: about five minutes on two processors")
    parser.add_argument("--rounds", type=int, help="interleaved rounds (7; quick: 3)")
    parser.add_argument("--out", type=pathlib.Path, default=TREE / "build" / "book", help="folder for results (build/book)")
    parser.add_argument("--write", action="store_true", help="also write docs and README; only for a run of all chapters in which none failed")
    parser.add_argument("--from", dest="source", type=pathlib.Path, metavar="FILE", help="makes the page from a results.json, measures nothing")
    parser.add_argument("--coremark", type=pathlib.Path, default=folder("SHUNT_COREMARK_DIR"), metavar="DIR",
                        help="a checkout of https://github.com/eembc/coremark (SHUNT_COREMARK_DIR)")
    parser.add_argument("--polybench", type=pathlib.Path, default=folder("SHUNT_POLYBENCH_DIR"), metavar="DIR",
                        help="PolyBench/C 4.2.1, from https://sourceforge.net/projects/polybench/ (SHUNT_POLYBENCH_DIR)")
    parser.add_argument("--wasm", type=pathlib.Path, action="append", default=[], metavar="FILE", help="one more module for the chapter `compile`")
    parser.add_argument("--bin", type=pathlib.Path, default=TREE / "build" / "release" / "bin", help=argparse.SUPPRESS)
    parser.add_argument("--smoke", action="store_true", help="everything for a moment: shows that it runs, measures nothing of use")
    parser.add_argument("--readme", action="store_true", help="the chapters that README's numbers come from; prints them")
    parser.add_argument("--numbers", action="store_true", help="also print the numbers of README and docs, each under its name")
    parsed = parser.parse_args()
    known = {chapter.name for chapter in chapters.ALL}
    for name in parsed.names:
        if name not in known:
            parser.error(f"no chapter is named {name}; there are: {', '.join(sorted(known))}")
    if parsed.readme:
        wanted = page.marks(TREE / "README.md")
        parsed.names = [chapter.name for chapter in chapters.ALL if wanted & set(chapter.snippet_names)]
        parsed.numbers = True
    if parsed.write and (parsed.names or parsed.smoke):
        parser.error("--write is for a run of all chapters")
    for path in [path for path in (parsed.coremark, parsed.polybench, *parsed.wasm) if path and not path.exists()]:
        parser.error(f"{path} is not there")
    parsed.rounds = parsed.rounds or (1 if parsed.smoke else 3 if parsed.quick else 7)
    return parsed


def measure(bench):
    """All chapters, round by round."""
    chosen = [chapter for chapter in chapters.ALL if not bench.options.names or chapter.name in bench.options.names]
    data = {"format": 1, "machine": machine.describe(), "options": {"quick": bench.quick, "rounds": bench.options.rounds, "names": bench.options.names},
            "left_out": [], "failed": [], "chapters": {}, "seconds": {}}
    running = []
    for chapter in chosen:
        lacks = chapter.lacks(bench)
        data["left_out"] += [f"the chapter “{chapter.title}”: {reason}" for reason in lacks]
        if not lacks:
            data["left_out"] += [f"in the chapter “{chapter.title}”: {what}" for what in chapter.left_out(bench)]
            data["chapters"][chapter.name] = []
            running.append(chapter)
    load = data["machine"]["load_before"]
    for number in range(bench.options.rounds):
        for chapter in list(running):
            if number >= chapter.rounds_at_most:
                continue
            begin = time.monotonic()
            try:
                data["chapters"][chapter.name].append(chapter.measure(bench))
            except (Failed, OSError, ValueError, TimeoutError) as problem:
                bench.say(f"{chapter.name}: FAILED: {problem}")
                data["failed"].append(f"{chapter.name}: {problem}")
                data["left_out"].append(f"the chapter “{chapter.title}”: **it failed**; the run's output says how")
                del data["chapters"][chapter.name]
                running.remove(chapter)
            took = time.monotonic() - begin
            data["seconds"][chapter.name] = round(data["seconds"].get(chapter.name, 0) + took, 1)
            bench.say(f"round {number + 1} of {bench.options.rounds}: {chapter.name}: {took:.0f} s")
            load = max(load, os.getloadavg()[0])
            data["machine"]["load_most"] = round(load, 2)
        # After each round, so that a run that is ended early is not lost: --from FILE takes the rounds that there are.
        data["options"]["rounds"] = number + 1
        bench.options.out.mkdir(parents=True, exist_ok=True)
        (bench.options.out / "results.json").write_text(json.dumps(data), encoding="utf-8")
    return data


def save(out, data, chapters_results, comparisons, targets, text, plots):
    out.mkdir(parents=True, exist_ok=True)
    data["figures"] = {chapter.name: results.as_json() for chapter, results in chapters_results}
    data["comparisons"] = [one.as_json() for one in comparisons]
    data["targets"] = [dict(zip(("what", "target", "measured", "verdict"), row)) for row in targets.rows]
    data["fits"] = {f"{chapter.name}/{name}": line.as_json() for chapter, results in chapters_results
                    for name, line in chapter.lines(results).items() if line.a is not None}
    (out / "results.json").write_text(json.dumps(data, indent=1), encoding="utf-8")
    (out / "images").mkdir(exist_ok=True)
    (out / "page.md").write_text(text, encoding="utf-8")
    for name, svg in plots.items():
        xml.dom.minidom.parseString(svg)  # a broken plot shall fail here, not in a reader's browser
        if f"(images/{name})" not in text:
            raise ValueError(f"the page does not show {name}")
        (out / "images" / name).write_text(svg, encoding="utf-8")


def main():
    chosen = options()
    with tempfile.TemporaryDirectory() as work:
        chosen.work = pathlib.Path(work)
        data = json.loads(chosen.source.read_text(encoding="utf-8")) if chosen.source else measure(Bench(chosen))
    if not data["chapters"]:
        print("\n".join(["Nothing was measured:", *data["left_out"]]), file=sys.stderr)
        return 1
    chapters_results = [(chapter, Results(chapter.name, data["chapters"][chapter.name])) for chapter in chapters.ALL if chapter.name in data["chapters"]]
    text, plots, comparisons, targets = page.make(data, chapters_results)
    texts = page.snippets(chapters_results)
    save(chosen.out, data, chapters_results, comparisons, targets, text, plots)
    wrong = page.unknown_marks(TREE, chapters.ALL)
    verdicts = [one.verdict for one in comparisons if not one.control]
    print(f"{chosen.out}/page.md: {len(chapters_results)} chapters, {sum(len(results.names()) for _, results in chapters_results)} figures, {len(plots)} plots; "
          + ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in ("faster", "slower", "no difference", "not decided"))
          + f"; {len(targets.missed)} of {len(targets.rows)} targets missed")
    for line in data["left_out"]:
        print(f"left out: {line}")
    if chosen.numbers:
        for name, value in sorted(texts.items()):
            print(f"{name}: {value.strip()}")
    print("\n".join(wrong + data["failed"]), file=sys.stderr, end="")
    if chosen.write:
        if data["failed"] or data["options"]["names"]:
            print("\nnothing is written: chapters failed or were not asked for; see --from", file=sys.stderr)
            return 1
        page.write(TREE, text, plots, texts)
    return 1 if wrong or data["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
