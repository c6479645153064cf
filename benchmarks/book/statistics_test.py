#!/usr/bin/env python3
"""Tests the book's statistics: intervals, ratios, verdicts, fitted lines; and that a page without results is not made of thin air."""
import random
import unittest

import figures
from results import Comparison, Results


class Intervals(unittest.TestCase):
    def test_hold_the_median_and_lie_within_the_values(self):
        source = random.Random(7)
        values = [source.gauss(100, 5) for _ in range(15)]
        low, high = figures.interval(values)
        self.assertLess(low, figures.median(values))
        self.assertGreater(high, figures.median(values))
        self.assertGreaterEqual(low, min(values))
        self.assertLessEqual(high, max(values))

    def test_become_narrower_with_more_rounds(self):
        source = random.Random(7)
        values = [source.gauss(100, 5) for _ in range(400)]
        few, many = figures.interval(values[:9]), figures.interval(values)
        self.assertLess(many[1] - many[0], (few[1] - few[0]) / 2)

    def test_cover_the_true_median_about_as_often_as_they_say(self):
        source = random.Random(3)
        held = 0
        for _ in range(200):
            low, high = figures.interval([source.gauss(0, 1) for _ in range(25)], draws=300)
            held += low <= 0 <= high
        self.assertTrue(175 <= held <= 200, held)

    def test_of_few_rounds_are_their_range(self):
        self.assertEqual(figures.interval([3.0]), [3.0, 3.0])
        self.assertEqual(figures.interval([1.0, 5.0, 2.0]), [1.0, 5.0])


class Verdicts(unittest.TestCase):
    def verdict(self, ours, theirs, **how):
        return Comparison("", "", "", ours, theirs, **how).verdict

    def test_need_the_whole_interval_on_one_side(self):
        self.assertEqual(self.verdict([10, 11, 10], [20, 22, 21]), "faster")
        self.assertEqual(self.verdict([20, 22, 21], [10, 11, 10]), "slower")
        self.assertEqual(self.verdict([10, 20, 10], [15, 15, 15]), "not decided")
        self.assertEqual(self.verdict([10, 10, 10], [10.05, 9.95, 10]), "no difference")

    def test_of_rates_are_the_other_way_round(self):
        self.assertEqual(self.verdict([20, 22, 21], [10, 11, 10], more_is_better=True), "faster")

    def test_ratios_are_taken_within_a_round(self):
        # A round in which the machine was half as fast changes both.
        self.assertEqual(figures.Ratio([10, 20, 10], [5, 10, 5]).rounds, [2, 2, 2])


class Lines(unittest.TestCase):
    def test_are_found_over_many_powers_of_ten(self):
        line = figures.Line([(10**i, 650 + 3.2 * 10**i) for i in range(8)])
        self.assertAlmostEqual(line.a, 650, delta=1)
        self.assertAlmostEqual(line.b, 3.2, delta=0.01)
        self.assertGreater(line.r2, 0.9999)
        self.assertLess(line.worst, 0.001)

    def test_say_when_the_cost_is_no_line(self):
        line = figures.Line([(10**i, (10**i) ** 2) for i in range(6)])
        self.assertGreater(line.worst, 0.9)
        self.assertLess(line.r2, 0.9)

    def test_need_three_points(self):
        self.assertIsNone(figures.Line([(1, 5), (2, 6)]).a)


class Figures(unittest.TestCase):
    def test_that_lack_a_round_are_not_shown(self):
        results = Results("", [{"a:ns": 1, "b:ns": 2}, {"a:ns": 3}])
        self.assertEqual(results.of("a", "ns"), 2)
        self.assertIsNone(results.of("b", "ns"))
        self.assertEqual(results.compare("", "", "a:ns", "b:ns"), [])


if __name__ == "__main__":
    unittest.main()
