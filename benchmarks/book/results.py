"""The book's results: figures by chapter and name, one value a round; what is compared with what; what was aimed at."""
import figures


class Comparison:
    """shunt beside another way to do the same. `speed` is how many times as fast shunt is: above 1 it wins."""

    def __init__(self, chapter, what, other, ours, theirs, more_is_better=False, control=False):
        above, below = (ours, theirs) if more_is_better else (theirs, ours)
        self.chapter, self.what, self.other, self.control = chapter, what, other, control
        self.speed = figures.Ratio(above, below)
        self.ours, self.theirs = figures.median(ours), figures.median(theirs)

    @property
    def verdict(self):
        if self.speed.low > 1.01:
            return "faster"
        if self.speed.high < 0.99:
            return "slower"
        return "no difference" if 0.95 < self.speed.low and self.speed.high < 1.05 else "not decided"

    def as_json(self):
        return {"chapter": self.chapter, "what": self.what, "other": self.other, "control": self.control, "ours": self.ours, "theirs": self.theirs,
                "speed": self.speed.median, "interval": [self.speed.low, self.speed.high], "verdict": self.verdict}


class Results:
    """One chapter's figures. Names are `benchmark:counter`."""

    def __init__(self, chapter, rounds):
        self.chapter, self.rounds = chapter, rounds

    def names(self):
        return sorted({name for one in self.rounds for name in one})

    def values(self, name):
        """One value a round; empty if it was not measured in each."""
        values = [one[name] for one in self.rounds if name in one]
        return values if len(values) == len(self.rounds) else []

    def of(self, name, counter="p50_ns"):
        """Median over the rounds; None if it was not measured."""
        values = self.values(f"{name}:{counter}")
        return figures.median(values) if values else None

    def combined(self, name, function, *counters):
        """Median over the rounds of a function of counters of one benchmark; None if it was not measured."""
        columns = [self.values(f"{name}:{counter}") for counter in counters]
        return figures.median(list(map(function, *columns))) if all(columns) else None

    def ratio(self, name, counter, control):
        return self.combined(name, lambda a, b: a / b, counter, control)

    def compare(self, what, other, ours, theirs, **how):
        """A list with one comparison, or without any if one of the two was not measured."""
        ours, theirs = self.values(ours), self.values(theirs)
        return [Comparison(self.chapter, what, other, ours, theirs, **how)] if ours and theirs else []

    def as_json(self):
        return {name: {"rounds": self.values(name), "median": figures.median(self.values(name)), "interval": figures.interval(self.values(name))}
                for name in self.names() if self.values(name)}


class Chapter:
    """A chapter of the book: what it needs, how a round of it is measured, and what its page says. Chapters keep no state between rounds."""

    name = title = ""
    snippet_names = ()  # that snippets() may have
    rounds_at_most = 1000  # counts do not get better by repetition

    def lacks(self, bench):
        """Why it cannot be measured at all: sentences, none if it can."""
        return []

    def left_out(self, bench):
        """What of it is left out: sentences."""
        return []

    def measure(self, bench):
        """One round: figure -> number."""
        raise NotImplementedError

    def page(self, results):
        """Markdown below the chapter's title."""
        raise NotImplementedError

    def comparisons(self, results):
        return []

    def targets(self, out, results):
        """Adds to an engine_tables.Targets."""

    def plots(self, results):
        """File name -> SVG."""
        return {}

    def snippets(self, results):
        """Name -> text that stands between `<!-- book: NAME -->` and `<!-- book end -->` in README and docs."""
        return {}

    def lines(self, results):
        """Name -> figures.Line, the fitted curves."""
        return {}


def table(head, rows):
    row = lambda cells: "| " + " | ".join(cells) + " |"
    return "\n".join([row(head), "|" + "---|" * len(head), *(row(cells) for cells in rows)]) + "\n"


def duration(nanoseconds):
    if nanoseconds is None:
        return ""
    for limit, unit, name in ((1e3, 1, "ns"), (1e6, 1e3, "µs"), (1e9, 1e6, "ms"), (1e99, 1e9, "s")):
        if abs(nanoseconds) < limit:
            return f"{nanoseconds / unit:.3g} {name}"
    return ""


def factor(value):
    """A ratio for people."""
    if value is None:
        return ""
    return f"{value:.3f}" if 0.5 < value < 2 else f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def span(ratio):
    return f"{factor(ratio.low)} to {factor(ratio.high)}"


def count(number):
    if number and number % 1_000_000 == 0:
        return f"{number // 1_000_000} million"
    return f"{number:,}"
