#!/usr/bin/env python3
"""Means with intervals, paired tests and Holm's correction of the engine against SciPy on 100 random tables, and of
Holm against a few lines of NumPy, and statsmodels where it is. Ends with 77 where SciPy is missing.

    tests/sweep/statistics_test.py --numbers build/release/bin/sweep_statistics_numbers
"""

import argparse
import os
import subprocess
import sys
import unittest
import warnings

SYSTEM = "/usr/bin/python3"  # whose packages are the distribution's, when another Python comes first
try:
    import numpy as np
    import scipy.stats
except ImportError as error:
    if os.access(SYSTEM, os.X_OK) and "ENGINE_SYSTEM_PYTHON" not in os.environ:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        os.execve(SYSTEM, [SYSTEM, *sys.argv], dict(environment, ENGINE_SYSTEM_PYTHON="1"))
    print(f"skipped: {error} (apt-get install python3-scipy)")
    sys.exit(77)
try:
    from statsmodels.stats.multitest import multipletests
except ImportError:
    multipletests = None

TABLES = 100
LIMIT = 1e-9  # relative


def draw_table(random, number):
    """Accuracies of two configurations by seed: of all sizes and scales, with ties and without variance."""
    seeds = int(random.integers(2, 31))
    scale = 10.0 ** random.integers(-6, 4)
    first = random.normal(random.uniform(-2, 2), 1, seeds) * scale
    second = first + random.normal(random.uniform(-1, 1), 10.0 ** random.uniform(-2, 0), seeds) * scale
    kind = number % 5
    if kind == 1:  # shares of 100 images: many ties
        first, second = (np.round(random.uniform(0.6, 0.7, seeds), 2) for _ in range(2))
    elif kind == 2:  # equal differences, exactly
        first = random.integers(0, 64, seeds) / 64.0
        second = first + random.integers(-2, 3) / 64.0
    elif kind == 3:  # no variance in one of them
        first = np.full(seeds, first[0])
    elif kind == 4:  # large values that differ little
        first, second = 1000 + first / scale, 1000 + second / scale
    return first, second


def holm(p):
    """The definition: the k-th smallest of m times m - k + 1, at most 1, and never below one before it."""
    order = np.argsort(p, kind="stable")
    steps = np.minimum(1, p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty(len(p))
    corrected[order] = np.maximum.accumulate(steps)
    return corrected


def interval(mean, deviation, count):
    """scipy.stats.t.interval, with its quantile made exact: SciPy finds it by a search that ends at about 1e-9. One step
    of Newton's with SciPy's distribution function, which is exact to the last digits, takes it there."""
    t = scipy.stats.t(count - 1)
    quantile = t.ppf(0.975)
    quantile -= (t.cdf(quantile) - 0.975) / t.pdf(quantile)
    half = quantile * deviation / np.sqrt(count)
    searched = scipy.stats.t.interval(0.95, count - 1, mean, deviation / np.sqrt(count))
    assert np.allclose([mean - half, mean + half], searched, rtol=0, atol=1e-8 * half)
    return [mean - half, mean + half]


def line(what, *lists):
    return what + " " + " ; ".join(" ".join(repr(float(value)) for value in values) for values in lists)


class Statistics(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        random = np.random.default_rng(7)
        cls.tables = [draw_table(random, number) for number in range(TABLES)]
        cls.families = []
        for number in range(TABLES):
            p = random.uniform(0, 1, int(random.integers(1, 31))) ** random.integers(1, 8)
            cls.families.append(np.round(p, 2) if number % 3 == 0 else p)  # with ties
        lines = [line("mean", values) for values, _ in cls.tables]
        lines += [line("paired", *table) for table in cls.tables]
        lines += [line("holm", p) for p in cls.families]
        answer = subprocess.run([ARGUMENTS.numbers], input="\n".join(lines), capture_output=True, text=True, check=True)
        numbers = [np.array([float(word) for word in text.split()]) for text in answer.stdout.splitlines()]
        assert len(numbers) == 3 * TABLES
        cls.means, cls.pairs, cls.corrected = (numbers[i * TABLES : (i + 1) * TABLES] for i in range(3))

    def close(self, got, expected, unit=0.0):
        """unit: what a rounding of the values themselves is relative to."""
        expected = np.asarray(expected, dtype=float)
        limit = LIMIT * np.maximum(np.abs(expected), unit)
        self.assertTrue(np.all(np.abs(got - expected) <= limit), f"{got} instead of {expected}")

    def test_means(self):
        for (values, _), got in zip(self.tables, self.means):
            deviation = np.std(values, ddof=1)
            if np.all(values == values[0]):
                self.assertEqual(list(got), [values[0], 0, values[0], values[0]])
                continue
            mean = np.mean(values)
            self.close(got, [mean, deviation, *interval(mean, deviation, len(values))], unit=1e-3 * deviation)

    def test_pairs(self):
        tested = 0
        for (first, second), got in zip(self.tables, self.pairs):
            differences = first - second
            if np.all(differences == differences[0]):
                value = differences[0]
                expected = [value] * 3 + [0 if value == 0 else np.copysign(np.inf, value), 1 if value == 0 else 0]
                self.assertEqual(list(got), expected)
                continue
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                test = scipy.stats.ttest_rel(first, second)
            mean, deviation = np.mean(differences), np.std(differences, ddof=1)
            expected = interval(mean, deviation, len(first))
            if hasattr(test, "confidence_interval"):  # since SciPy 1.10
                np.testing.assert_allclose(test.confidence_interval(0.95), expected, rtol=0, atol=1e-7 * deviation)
            self.close(got[:3], [mean, *expected], unit=1e-3 * deviation)
            self.close(got[3:], [test.statistic, test.pvalue], unit=0)
            tested += 1
        self.assertGreater(tested, 70)

    def test_holm(self):
        for p, got in zip(self.families, self.corrected):
            self.close(got, holm(p))
            if multipletests is not None:
                self.close(got, multipletests(p, method="holm")[1])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--numbers", required=True)
    ARGUMENTS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
