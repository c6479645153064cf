"""The plots of docs/benchmarks.md that engine_table.py writes: SVG by hand, since a plotting library would be one more thing to install.
Each follows the reader's light or dark scheme."""

import math
from xml.sax.saxutils import escape

import engine_targets

LIGHT = ["#2563eb", "#0891b2", "#7c3aed", "#16a34a", "#ea580c", "#dc2626", "#a16207", "#6b7280"]
DARK = ["#60a5fa", "#22d3ee", "#a78bfa", "#4ade80", "#fb923c", "#f87171", "#facc15", "#9ca3af"]


def scheme(paper, ink, faint, grid, axis, colours):
    rules = [f".paper {{ fill: {paper} }} .ink {{ fill: {ink} }} .faint {{ fill: {faint} }} .grid {{ stroke: {grid} }} .axis {{ stroke: {axis} }} "
             f".limit {{ stroke: {ink} }}"]
    rules += [f".c{i} .line {{ stroke: {colour} }} .c{i} .solid {{ fill: {colour} }}" for i, colour in enumerate(colours)]
    return "\n  ".join(rules)


STYLE = f"""<style>
  .line {{ fill: none; stroke-width: 2 }} .dash {{ stroke-dasharray: 5 4 }} .limit {{ stroke-width: 1.5; stroke-dasharray: 4 3 }}
  {scheme("#ffffff", "#1f2937", "#6b7280", "#e5e7eb", "#9ca3af", LIGHT)}
  @media (prefers-color-scheme: dark) {{
  {scheme("#0d1117", "#e6edf3", "#9198a1", "#262c36", "#6e7681", DARK)}
  }}
</style>"""


class Drawing:
    def __init__(self, width, height, title, subtitle):
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            f'font-family="system-ui, \'DejaVu Sans\', sans-serif" font-size="12" role="img" aria-label="{escape(title)}">',
            STYLE,
            f'<rect class="paper" width="{width}" height="{height}"/>',
        ]
        self.text(24, 34, title, size=18, weight=600)
        self.text(24, 54, subtitle, kind="faint")

    def text(self, x, y, text, kind="ink", anchor="start", size=12, weight=400):
        self.parts.append(f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" font-weight="{weight}">'
                          f"{escape(text)}</text>")

    def line(self, x1, y1, x2, y2, kind):
        self.parts.append(f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>')

    def rectangle(self, x, y, width, height, kind):
        self.parts.append(f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{max(width, 1):.1f}" height="{height:.1f}" rx="2"/>')

    def curve(self, points, colour, dashed=False):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<g class="{colour}"><polyline class="line{" dash" if dashed else ""}" points="{path}"/>')
        self.parts += [f'<circle class="solid" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in points]
        self.parts.append("</g>")

    def svg(self):
        return "\n".join(self.parts + ["</svg>"]) + "\n"


def flip_series(results, busy):
    """Name, colour, dashed, and (sites, nanoseconds) of each way to flip."""
    sizes = [1, 1_000, 20_000, 100_000, 1_000_000]

    def measured(pattern, counter="p50_ns"):
        points = [(sites, results.of(pattern.format(sites, busy), counter)) for sites in sizes]
        return [(sites, value) for sites, value in points if value]

    xray = [(2, results.of(f"xray/function/{busy}")), (20_000, results.of(f"xray/map/{busy}"))]
    java = [(1, results.of(f"switch_point/1/{busy}")), (8, results.of(f"switch_point/8/{busy}"))]
    return [
        ("mprotect a site", "c5", False, measured("mprotect_site/{}/{}")),
        ("/proc/self/mem", "c6", False, measured("proc_self_mem/{}/{}")),
        ("mprotect a batch", "c4", False, measured("mprotect_batch/{}/{}")),
        ("Java SwitchPoint", "c3", False, [point for point in java if point[1]]),
        ("LLVM XRay", "c2", False, [point for point in xray if point[1]]),
        ("shunt, breakpoints", "c1", True, measured("flip/unaligned/{}/{}")),
        ("shunt, aligned words", "c0", False, measured("flip/word/{}/{}")),
        ("shunt, toggles", "c1", False, measured("flip/toggle/{}/{}")),
        ("blind store", "c7", True, measured("flip/word/{}/{}", "blind_p50_ns")),
        ("membarrier", "c7", True, measured("flip/word/{}/{}", "membarrier_p50_ns")),
    ]


def flip_panel(drawing, results, busy, left, title, low, high):
    width, top, height = 360, 92, 380

    def x(sites):
        return left + width * math.log10(sites) / 6

    def y(value):
        return top + height * (1 - (math.log10(value) - low) / (high - low))

    drawing.text(left, top - 14, title, weight=600)
    for exponent in range(low, high + 1):
        drawing.line(left, y(10**exponent), left + width, y(10**exponent), "grid")
        drawing.text(left - 8, y(10**exponent) + 4, engine_targets.duration(10**exponent), kind="faint", anchor="end")
    for exponent in range(0, 7):
        drawing.line(x(10**exponent), top + height, x(10**exponent), top + height + 5, "axis")
        if exponent % 3 == 0 or exponent == 5:
            drawing.text(x(10**exponent), top + height + 20, engine_targets.count(10**exponent), kind="faint", anchor="middle")
    drawing.line(left, top + height, left + width, top + height, "axis")
    drawing.text(left + width / 2, top + height + 38, "sites", kind="faint", anchor="middle")
    for _, colour, dashed, points in flip_series(results, busy):
        if points:
            drawing.curve([(x(sites), y(value)) for sites, value in points], colour, dashed)


def flip_plot(results):
    values = [value for busy in (0, 1) for *_, points in flip_series(results, busy) for _, value in points]
    if not values:
        values = [1, 10]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    drawing = Drawing(1080, 540, "A flip: time by number of sites", "Medians, both axes logarithmic. XRay does not tell running threads; all others do.")
    flip_panel(drawing, results, 0, 80, "nobody running", low, high)
    flip_panel(drawing, results, 1, 530, "one busy thread", low, high)
    place = 110
    shown = {name for busy in (0, 1) for name, _, _, points in flip_series(results, busy) if points}
    for name, colour, dashed, _ in flip_series(results, 1):
        if name in shown:
            drawing.curve([(912, place - 4), (930, place - 4)], colour, dashed)
            drawing.text(938, place, name, size=11)
            place += 22
    return drawing.svg()


def check_plot(results):
    rows = [(loop, check) for loop in engine_targets.LOOPS for check in engine_targets.CHECKS]
    drawing = Drawing(900, 110 + len(rows) * 22 + len(engine_targets.LOOPS) * 26, "A check that is off: time of a loop",
                      "Relative to the loop without checks (the dashed line), medians over 16 places of the code; logarithmic.")
    left, width, top = 300, 520, 84
    highest = 5

    def x(ratio):
        return left + width * max(0.0, math.log2(ratio / 0.9)) / (highest - math.log2(0.9))

    place = top
    colours = {"word": "c0", "toggle": "c1", "load": "c4", "pointer": "c6", "virtual": "c5"}
    for loop, loop_name in engine_targets.LOOPS:
        drawing.text(24, place + 14, loop_name, weight=600)
        place += 22
        for check, name in engine_targets.CHECKS:
            ratio = results.combined(f"disabled_check/{loop}", lambda site, none: site / none, f"{check}_ns", "none_ns")
            if ratio:
                drawing.text(left - 8, place + 13, name.replace("`", ""), anchor="end", size=11)
                drawing.parts.append(f'<g class="{colours[check]}">')
                drawing.rectangle(left, place + 2, x(ratio) - left, 15, "solid")
                drawing.parts.append("</g>")
                shown = f"{ratio:.1f} times" if ratio >= 2 else engine_targets.percent(ratio - 1)
                drawing.text(x(ratio) + 6, place + 14, shown, kind="faint", size=11)
            place += 22
        place += 4
    drawing.line(x(1), top, x(1), place, "limit")
    return drawing.svg()


def targets_plot(results):
    bars = engine_targets.targets(results).bars
    drawing = Drawing(1040, 100 + len(bars) * 20, "Measured against target", "Length: measured / target. The dashed line is the target; beyond it the target is missed.")
    left, width, top = 590, 360, 74

    def x(part):
        return left + width * min(max(part, 0), 2) / 2

    place = top
    for what, part in bars:
        met = part <= 1
        drawing.text(left - 8, place + 12, what if len(what) < 92 else what[:90] + "…", anchor="end", size=11)
        drawing.parts.append(f'<g class="{"c3" if met else "c5"}">')
        drawing.rectangle(left, place + 2, x(part) - left, 13, "solid")
        drawing.parts.append("</g>")
        drawing.text(left + width + 44, place + 13, f"{part:.2f}", anchor="end", size=11)
        place += 20
    drawing.line(x(1), top - 6, x(1), place + 4, "limit")
    return drawing.svg()


def plots(results):
    """File name in docs/images -> SVG."""
    return {"engine-targets.svg": targets_plot(results), "engine-flip.svg": flip_plot(results), "engine-check.svg": check_plot(results)}
