"""Exact power against SciPy's own Fisher test over every table."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import binom, fisher_exact
from statsmodels.stats.proportion import confint_proportions_2indep

from stroma.trial.power import fisher_power, least_detectable, least_winning, newcombe_interval

ALPHA = 0.025


def wins(a: int, n_a: int, b: int, n_b: int) -> bool:
    return fisher_exact([[a, n_a - a], [b, n_b - b]], alternative="greater").pvalue < ALPHA


@pytest.mark.parametrize(("n_a", "n_b", "share_a", "share_b"), [(12, 6, 0.9, 0.4), (17, 8, 0.8, 0.3), (9, 9, 1.0, 0.5)])
def test_power_is_the_chance_of_the_winning_tables(n_a: int, n_b: int, share_a: float, share_b: float) -> None:
    expected = sum(binom.pmf(a, n_a, share_a) * binom.pmf(b, n_b, share_b)
                   for a, b in itertools.product(range(n_a + 1), range(n_b + 1)) if wins(a, n_a, b, n_b))
    assert fisher_power(share_a, n_a, share_b, n_b, ALPHA) == pytest.approx(expected, rel=1e-12)


def test_least_detectable_is_just_enough() -> None:
    found = least_detectable(0.3, 40, 40, ALPHA, 0.8)
    assert found is not None
    assert fisher_power(found, 40, 0.3, 40, ALPHA) >= 0.8 > fisher_power(found - 0.001, 40, 0.3, 40, ALPHA)


def test_eighteen_patients_cannot_beat_a_good_control_arm() -> None:
    assert least_detectable(0.75, 12, 6, ALPHA, 0.8) is None
    assert least_winning(5, 12, 6, ALPHA) is None
    assert not wins(12, 12, 5, 6)


@pytest.mark.parametrize("b", range(4))
def test_least_winning_is_the_first_that_wins(b: int) -> None:
    found = least_winning(b, 12, 6, ALPHA)
    assert found is not None
    assert wins(found, 12, b, 6) and not wins(found - 1, 12, b, 6)


@pytest.mark.parametrize(("a", "n_a", "b", "n_b", "low", "high"), [
    (56, 70, 48, 80, 0.0524, 0.3339), (9, 10, 3, 10, 0.1705, 0.8090), (6, 7, 2, 7, 0.0582, 0.8062),
    (5, 56, 0, 29, -0.0381, 0.1926), (0, 10, 0, 20, -0.1611, 0.2775), (0, 10, 0, 10, -0.2775, 0.2775),
    (10, 10, 0, 20, 0.6791, 1.0000), (10, 10, 0, 10, 0.6075, 1.0000)])
def test_interval_is_that_printed_by_newcombe(a: int, n_a: int, b: int, n_b: int, low: float, high: float) -> None:
    """Newcombe 1998, table II, method 10."""
    found = newcombe_interval(np.array([a]), n_a, np.array([b]), n_b)
    assert [float(x[0]) for x in found] == pytest.approx([low, high], abs=6e-5)


@pytest.mark.parametrize(("a", "n_a", "b", "n_b"), [(9, 12, 5, 6), (41, 120, 60, 118)])
def test_interval_is_that_of_statsmodels(a: int, n_a: int, b: int, n_b: int) -> None:
    expected = confint_proportions_2indep(a, n_a, b, n_b, method="newcomb", compare="diff")
    found = newcombe_interval(np.array([a]), n_a, np.array([b]), n_b)
    assert [float(x[0]) for x in found] == pytest.approx(expected, rel=1e-9)
