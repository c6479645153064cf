"""The page: docs/benchmarks.md, made of results alone. Nothing on it is written by hand but what the chapters' sources say."""
import pathlib
import re

import engine_plots
import engine_tables
import machine
from results import factor, table

MARK = re.compile(r"<!-- book: ([\w-]+) -->(.*?)<!-- book end -->", re.S)

INTRODUCTION = """# Benchmarks

This page is written by `benchmarks/run.sh --write`, which measures all of it; nothing is edited by hand. `benchmarks/run.sh --quick` measures the same in
about five minutes, less exactly; `benchmarks/run.sh NAME...` single chapters; `--help` tells the rest.

**How to read it.** Every figure has its control, or the other way to do the same, in the same round; rounds of all programs are interleaved. A ratio is
taken within a round; shown is the median over {rounds} rounds, and the 95 % interval of that median by bootstrap over the rounds{few}. *Speed* is how many
times as fast shunt is: above 1 it wins. It is called faster or slower only where the whole interval lies on one side, by more than 1 %. Absolute
times belong to this machine; ratios carry over better.
"""


def verdict_table(comparisons):
    rows = [(one.chapter, one.what, one.other, factor(one.speed.median), f"{factor(one.speed.low)} to {factor(one.speed.high)}")
            for one in sorted(comparisons, key=lambda one: one.speed.median)]
    return table(["chapter", "shunt", "against", "speed", "95 % interval"], rows) if rows else "None.\n"


def summary(comparisons):
    peers = [one for one in comparisons if not one.control]
    controls = [one for one in comparisons if one.control]
    of = lambda some, *verdicts: [one for one in some if one.verdict in verdicts]
    return "\n".join([
        "## Where shunt is slower\n", verdict_table(of(peers, "slower")),
        "## Where shunt is faster\n", verdict_table(of(peers, "faster")),
        "## Where there is no difference, or none that these rounds decide\n", verdict_table(of(peers, "no difference", "not decided")),
        "## What it costs against doing without\n",
        "Against the same code without what was measured, or against a floor that nothing can be below. Less than 1 is what it costs.\n",
        verdict_table(controls),
    ])


def make(data, chapters_results):
    """The page and the plots: (markdown, {file name: svg}, comparisons, engine_tables.Targets)."""
    comparisons, plots, out = [], {}, engine_tables.Targets()
    sections = []
    for chapter, results in chapters_results:
        comparisons += chapter.comparisons(results)
        chapter.targets(out, results)
        plots |= chapter.plots(results)
        sections.append(f"## {chapter.title}\n\n{chapter.page(results)}")
    rounds = data["options"]["rounds"]
    few = "; with so few it is the whole range" if rounds < 6 else ""
    parts = [INTRODUCTION.format(rounds=rounds, few=few)]
    if data["options"]["quick"]:
        parts.append("**This was a quick run:** short, few rounds; a look, not a result.\n")
    parts += ["## The machine\n", machine.page(data["machine"])]
    if out.rows:
        plots["engine-targets.svg"] = engine_plots.targets_plot(out)
        parts += ["## What was aimed at\n", f"{len(out.rows) - len(out.missed)} of {len(out.rows)} targets are met.\n",
                  table(["what", "target", "measured", ""], out.rows), engine_tables.reasons(out),
                  "![How far each measured figure is from its target](images/engine-targets.svg)\n"]
    parts += [summary(comparisons), *sections]
    parts.append("## What was left out\n\n" + ("".join(f"- {line}\n" for line in data["left_out"]) or "Nothing.\n"))
    return "\n".join(part for part in parts if part), plots, comparisons, out


def snippets(chapters_results):
    found = {}
    for chapter, results in chapters_results:
        made = chapter.snippets(results)
        unknown = set(made) - set(chapter.snippet_names)
        if unknown:
            raise ValueError(f"chapter {chapter.name} does not announce {unknown}")
        found |= made
    return found


def documents(tree):
    return [tree / "README.md", *sorted((tree / "docs").glob("*.md"))]


def marks(path):
    """The names of a document's marks."""
    return {name for name, _ in MARK.findall(path.read_text(encoding="utf-8"))}


def unknown_marks(tree, chapters):
    """Marks of README and docs that no chapter fills: sentences."""
    known = {name for chapter in chapters for name in chapter.snippet_names}
    return [f"{path.relative_to(tree)}: <!-- book: {name} -->: no chapter has it" for path in documents(tree)
            for name in sorted(marks(path)) if name not in known]


def fill(text, texts):
    """A document with its marks filled; marks whose text was not measured stay as they are."""
    return MARK.sub(lambda mark: f"<!-- book: {mark.group(1)} -->{texts.get(mark.group(1), mark.group(2))}<!-- book end -->", text)


def write(tree: pathlib.Path, page, plots, texts):
    for path in documents(tree):
        before = path.read_text(encoding="utf-8")
        after = page if path.name == "benchmarks.md" else fill(before, texts)
        if after != before:
            path.write_text(after, encoding="utf-8")
    for name, svg in plots.items():
        (tree / "docs" / "images" / name).write_text(svg, encoding="utf-8")
