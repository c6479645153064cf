"""Drawings and plots as SVG, by hand: a plotting library would be one more thing to install. Each follows the reader's light or dark
scheme."""
import math
from xml.sax.saxutils import escape

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

    def curve(self, points, colour, dashed=False, marks=True):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<g class="{colour}"><polyline class="line{" dash" if dashed else ""}" points="{path}"/>')
        if marks:
            self.parts += [f'<circle class="solid" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in points]
        self.parts.append("</g>")

    def svg(self):
        return "\n".join(self.parts + ["</svg>"]) + "\n"


def decades(values):
    """The powers of ten that hold all values."""
    return math.floor(math.log10(min(values))), math.ceil(math.log10(max(values) * 1.0001))


class Series:
    """A named curve: measured points, joined unless `marks` only; `whisker`: (x, low, high) of intervals."""

    def __init__(self, name, colour, points, dashed=False, marks=True, whiskers=()):
        self.name, self.colour, self.dashed, self.marks, self.whiskers = name, colour, dashed, marks, whiskers
        self.points = [(x, y) for x, y in points if y and y > 0]


def curves(title, subtitle, across, series, shown_x, shown_y):
    """A plot with both axes logarithmic, and its legend on the right."""
    series = [one for one in series if one.points]
    drawing = Drawing(900, 500, title, subtitle)
    if not series:
        return drawing.svg()
    left, top, width, height = 90, 84, 560, 340
    x_low, x_high = decades([x for one in series for x, _ in one.points])
    y_low, y_high = decades([y for one in series for _, y in one.points])
    x_high, y_high = max(x_high, x_low + 1), max(y_high, y_low + 1)

    def x(value):
        return left + width * (math.log10(value) - x_low) / (x_high - x_low)

    def y(value):
        return top + height * (1 - (math.log10(value) - y_low) / (y_high - y_low))

    for exponent in range(y_low, y_high + 1):
        drawing.line(left, y(10**exponent), left + width, y(10**exponent), "grid")
        drawing.text(left - 8, y(10**exponent) + 4, shown_y(10**exponent), kind="faint", anchor="end")
    for exponent in range(x_low, x_high + 1):
        drawing.line(x(10**exponent), top + height, x(10**exponent), top + height + 5, "axis")
        drawing.text(x(10**exponent), top + height + 20, shown_x(10**exponent), kind="faint", anchor="middle")
    drawing.line(left, top + height, left + width, top + height, "axis")
    drawing.text(left + width / 2, top + height + 42, across, kind="faint", anchor="middle")
    for number, one in enumerate(series):
        drawing.curve([(x(a), y(b)) for a, b in one.points], one.colour, one.dashed, one.marks)
        for at, low, high in one.whiskers:
            drawing.parts.append(f'<g class="{one.colour}">')
            drawing.line(x(at), y(max(low, 10**y_low)), x(at), y(min(high, 10**y_high)), "line")
            drawing.parts.append("</g>")
        place = top + 14 + number * 22
        drawing.curve([(left + width + 24, place - 4), (left + width + 42, place - 4)], one.colour, one.dashed, one.marks)
        drawing.text(left + width + 50, place, one.name, size=11)
    return drawing.svg()


def bars(title, subtitle, groups, shown, limit=1.0):
    """Horizontal bars on a logarithmic axis, grouped: [(group, [(name, value, low, high, colour)])]. The dashed line is `limit`."""
    rows = [row for _, some in groups for row in some]
    drawing = Drawing(900, 100 + len(rows) * 22 + len(groups) * 26, title, subtitle)
    if not rows:
        return drawing.svg()
    left, width, top = 330, 470, 76
    low = math.log2(min(0.9 * limit, min(row[2] for row in rows) * 0.95))
    high = math.log2(max(1.1 * limit, max(row[3] for row in rows) * 1.05))

    def x(value):
        return left + width * (math.log2(value) - low) / (high - low)

    place = top
    for group, some in groups:
        drawing.text(24, place + 14, group, weight=600)
        place += 22
        for name, value, least, most, colour in some:
            drawing.text(left - 8, place + 13, name, anchor="end", size=11)
            drawing.parts.append(f'<g class="{colour}">')
            drawing.rectangle(min(x(value), x(limit)), place + 2, abs(x(value) - x(limit)), 15, "solid")
            drawing.parts.append("</g>")
            drawing.line(x(least), place + 9.5, x(most), place + 9.5, "limit")
            drawing.text(max(x(most), x(limit)) + 6, place + 14, shown(value), kind="faint", size=11)
            place += 22
        place += 4
    drawing.line(x(limit), top, x(limit), place, "limit")
    return drawing.svg()
