"""Scores against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest, norm

from stroma.calibration.scores import central_interval, contains, crps, interval_score, pit


def test_interval_score_is_width_and_penalty() -> None:
    """Gneiting and Raftery 2007, equation 43, at alpha = 0.1: penalty 20 a unit."""
    assert interval_score(40.0, 70.0, 50.0) == pytest.approx(30.0)
    assert interval_score(40.0, 70.0, 40.0) == interval_score(40.0, 70.0, 70.0) == pytest.approx(30.0)
    assert interval_score(40.0, 70.0, 38.0) == pytest.approx(30.0 + 20 * 2)
    assert interval_score(40.0, 70.0, 73.0) == pytest.approx(30.0 + 20 * 3)
    assert interval_score(40.0, 70.0, 73.0, level=0.5) == pytest.approx(30.0 + 4 * 3)


def test_interval_score_is_proper() -> None:
    """Of all central intervals the true one has the least expected score."""
    x = np.random.default_rng(1).normal(size=4000)

    def mean_score(scale: float) -> float:
        z = norm.ppf(0.95) * scale
        return float(np.mean([interval_score(-z, z, v) for v in x]))

    assert mean_score(1.0) < min(mean_score(0.6), mean_score(1.6))


@pytest.mark.parametrize("observed", [-2.0, 0.5, 1.0, 4.0])
def test_crps_of_a_normal(observed: float) -> None:
    """Gneiting and Raftery 2007, equation 22: sigma (z (2 Phi(z) - 1) + 2 phi(z) - 1 / sqrt(pi))."""
    mean, sigma = 1.0, 2.0
    z = (observed - mean) / sigma
    exact = sigma * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi))
    sample = norm.ppf((np.arange(20_000) + 0.5) / 20_000, mean, sigma)
    assert crps(sample, observed) == pytest.approx(exact, abs=2e-3)


def test_crps_of_two_points_and_of_one() -> None:
    """By hand: mean distance 1/2, half of the mean distance within 1/4; and the absolute error."""
    assert crps(np.array([0.0, 1.0]), 0.5) == pytest.approx(0.25)
    assert crps(np.full(7, 3.0), 1.0) == pytest.approx(2.0)


def test_pit_of_what_was_drawn_is_flat() -> None:
    rng = np.random.default_rng(2)
    sample = rng.normal(size=4000)
    assert kstest([pit(sample, x) for x in rng.normal(size=300)], "uniform").pvalue > 0.01


def test_pit_counts_half_of_the_ties() -> None:
    assert pit(np.array([1.0, 2.0, 2.0, 3.0]), 2.0) == pytest.approx(0.5)
    assert pit(np.array([1.0, 2.0]), 0.0) == 0.0


def test_a_share_on_the_edge_is_inside() -> None:
    low, high = central_interval(100 * np.repeat(np.arange(11) / 10, 100), 0.9)
    assert contains(low, high, 100 * 0.1 * 3 / 3) == contains(low, high, high + 1e-12) is True
    assert not contains(20.0, 30.0, 30.01)
