"""Events of a new trial: the beta-binomial where studies are alike, the studies' own spread where they are many."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import betabinom, binom

from stroma.evidence.pooling.predictive import learn_rate

N = 20000


def counts(rate, size: int, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.binomial(size, rate.shares(N, rng))


@pytest.mark.parametrize(("events", "patients"), [([1, 0, 2], [20, 15, 40]), ([0, 0], [12, 16]), ([5], [5])])
def test_alike_studies_of_the_same_length_give_the_beta_binomial(events: list[int], patients: list[int]) -> None:
    rate = learn_rate(events, patients, [180.0] * len(events), 180.0, spread=0.0)
    x, n = sum(events), sum(patients)
    expected = betabinom.pmf(np.arange(16), 15, x + 0.5, n - x + 0.5)
    found = np.bincount(counts(rate, 15), minlength=16) / N
    assert found == pytest.approx(expected, abs=4 * np.sqrt(0.25 / N))


def test_time_at_risk_counts() -> None:
    """Twice the follow-up of the studies, twice the hazard: with many patients the share is known."""
    rate = learn_rate([2000], [20000], [90.0], 180.0, spread=0.0)
    assert rate.shares(N, np.random.default_rng(2)).mean() == pytest.approx(1 - 0.9**2, abs=0.01)


def test_many_large_studies_give_their_own_spread_of_log_hazards() -> None:
    rng = np.random.default_rng(3)
    eta = np.log(-np.log(0.8)) + 0.7 * rng.standard_normal(400)
    events = rng.binomial(500, 1 - np.exp(-np.exp(eta)))
    rate = learn_rate(events.tolist(), [500] * 400, [365.0] * 400, 365.0, spread=1.0)
    seen = np.log(-np.log1p(-rate.shares(N, rng)))
    assert seen.mean() == pytest.approx(eta.mean(), abs=0.06)
    assert seen.std() == pytest.approx(eta.std(), rel=0.08)


def test_a_badly_known_spread_widens_the_answer() -> None:
    events, patients, days = [0, 1, 0], [20, 15, 30], [180.0, 365.0, 90.0]
    alike = counts(learn_rate(events, patients, days, 180.0, spread=0.0), 50)
    apart = counts(learn_rate(events, patients, days, 180.0), 50)
    assert np.quantile(apart, 0.99) > np.quantile(alike, 0.99)
    assert binom.cdf(0, 50, 0.012) < (apart == 0).mean() + 0.5, "no event stays possible"
