"""Statistics of the book: medians over rounds, their confidence intervals, and cost curves."""
import math
import random
import statistics

median = statistics.median


def interval(values, part=0.95, draws=1000):
    """Bootstrap of the median: rounds are drawn again and again, with putting back; the middle `part` of what their medians are.
    With few rounds it is the range from the lowest to the highest."""
    if len(values) < 2:
        return [values[0], values[0]]
    if len(set(values)) == 1:
        return [values[0], values[0]]
    source = random.Random(1)  # the same results give the same page
    medians = sorted(median(source.choices(values, k=len(values))) for _ in range(draws))
    beyond = (1 - part) / 2
    return [medians[int(beyond * draws)], medians[min(draws - 1, int((1 - beyond) * draws))]]


class Ratio:
    """A ratio that is taken within each round."""

    def __init__(self, above, below):
        self.rounds = [a / b for a, b in zip(above, below) if b]
        self.median = median(self.rounds) if self.rounds else None
        self.low, self.high = interval(self.rounds) if self.rounds else (None, None)


class Line:
    """cost = a + b * n, by least squares of the relative deviations: n goes over many powers of ten, and each counts alike.
    `r2` is the share of the (so weighted) variation that the line explains; `worst` the largest relative deviation of a point."""

    def __init__(self, points):
        self.points = [(n, y) for n, y in points if y and y > 0]
        self.a = self.b = self.r2 = self.worst = None
        if len({n for n, _ in self.points}) < 3:
            return
        weights = [1 / (y * y) for _, y in self.points]
        total = sum(weights)
        mean_n = sum(w * n for w, (n, _) in zip(weights, self.points)) / total
        mean_y = sum(w * y for w, (_, y) in zip(weights, self.points)) / total
        spread = sum(w * (n - mean_n) ** 2 for w, (n, _) in zip(weights, self.points))
        self.b = sum(w * (n - mean_n) * (y - mean_y) for w, (n, y) in zip(weights, self.points)) / spread
        self.a = mean_y - self.b * mean_n
        rest = sum(w * (y - self.at(n)) ** 2 for w, (n, y) in zip(weights, self.points))
        variation = sum(w * (y - mean_y) ** 2 for w, (_, y) in zip(weights, self.points))
        self.r2 = 1 - rest / variation if variation else 1.0
        self.worst = max(abs(y - self.at(n)) / y for n, y in self.points)

    def at(self, n):
        return self.a + self.b * n

    def as_json(self):
        return {"a": self.a, "b": self.b, "r2": self.r2, "worst_relative_deviation": self.worst, "points": self.points}


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values))
