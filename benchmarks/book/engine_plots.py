"""The engine's own plots: targets, flips beside other ways to patch, checks that are off."""
import math

import engine_tables
import results as shown
from svg import Drawing


def flip_series(results, busy):
    """Name, colour, dashed, and (sites, nanoseconds) of each way to flip."""
    sizes = [1, 1_000, 20_000, 100_000, 1_000_000]

    def measured(pattern, counter="p50_ns"):
        points = [(sites, results.of(pattern.format(sites, busy), counter)) for sites in sizes]
        return [(sites, value) for sites, value in points if value]

    xray = [(2, results.of(f"xray/function/{busy}")), (20_000, results.of(f"xray/map/{busy}"))]
    java = [(sites, results.of(f"switch_point/{sites}/{busy}")) for sites in (1, 8)]
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
        drawing.text(left - 8, y(10**exponent) + 4, shown.duration(10**exponent), kind="faint", anchor="end")
    for exponent in range(0, 7):
        drawing.line(x(10**exponent), top + height, x(10**exponent), top + height + 5, "axis")
        if exponent % 3 == 0 or exponent == 5:
            drawing.text(x(10**exponent), top + height + 20, engine_tables.count(10**exponent), kind="faint", anchor="middle")
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
    rows = [(loop, check) for loop in engine_tables.LOOPS for check in engine_tables.CHECKS]
    drawing = Drawing(900, 110 + len(rows) * 22 + len(engine_tables.LOOPS) * 26, "A check that is off: time of a loop",
                      "Relative to the loop without checks (the dashed line), medians over 16 places of the code; logarithmic.")
    left, width, top = 300, 520, 84
    highest = 5

    def x(ratio):
        return left + width * max(0.0, math.log2(ratio / 0.9)) / (highest - math.log2(0.9))

    place = top
    colours = {"word": "c0", "toggle": "c1", "load": "c4", "pointer": "c6", "virtual": "c5"}
    for loop, loop_name in engine_tables.LOOPS:
        drawing.text(24, place + 14, loop_name, weight=600)
        place += 22
        for check, name in engine_tables.CHECKS:
            ratio = results.combined(f"disabled_check/{loop}", lambda site, none: site / none, f"{check}_ns", "none_ns")
            if ratio:
                drawing.text(left - 8, place + 13, name.replace("`", ""), anchor="end", size=11)
                drawing.parts.append(f'<g class="{colours[check]}">')
                drawing.rectangle(left, place + 2, x(ratio) - left, 15, "solid")
                drawing.parts.append("</g>")
                shown = f"{ratio:.1f} times" if ratio >= 2 else engine_tables.percent(ratio - 1)
                drawing.text(x(ratio) + 6, place + 14, shown, kind="faint", size=11)
            place += 22
        place += 4
    drawing.line(x(1), top, x(1), place, "limit")
    return drawing.svg()


def targets_plot(out):
    bars = out.bars
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
