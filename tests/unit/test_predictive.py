"""What a forecast of a published number is made of: nothing that only the simulation's size brings in."""

import numpy as np
import pytest
from scipy.special import expit, logit

from stroma.calibration.logits import empirical_logit
from stroma.calibration.predictive import without_noise

HALF = 50


def simulated(rng: np.random.Generator, true: np.ndarray) -> np.ndarray:
    """The logit of a share of half of a draw's patients."""
    return empirical_logit(rng.binomial(HALF, expit(true)) / HALF, np.full(true.size, HALF))[:, None]


@pytest.mark.parametrize("sd", [0.15, 0.4])
def test_the_spread_that_remains_is_that_of_the_parameters(sd: float):
    rng = np.random.default_rng(1)
    true = rng.normal(0.3, sd, 20_000)
    halves = {"first": simulated(rng, true), "second": simulated(rng, true)}
    assert halves["first"].std() > 1.2 * sd
    found = without_noise(halves)[:, 0]
    assert found.std() == pytest.approx(sd, rel=0.12)
    assert found.mean() == pytest.approx(0.3, abs=0.02)


@pytest.mark.parametrize("share", [0.06, 0.3, 0.95])
def test_a_rare_share_of_few_patients_is_not_forecast_rarer(share: float):
    rng, even = np.random.default_rng(4), np.full(20_000, logit(share))
    halves = {"first": simulated(rng, even), "second": simulated(rng, even)}
    assert without_noise(halves).mean() == pytest.approx(logit(share), abs=0.05)


def test_a_mean_loses_the_variance_of_its_simulated_patients():
    rng = np.random.default_rng(2)
    true = rng.normal(-5.0, 1.0, 20_000)
    halves = {name: (true + rng.normal(0.0, 1.5, true.size))[:, None] for name in ("first", "second")}
    found = without_noise(halves)[:, 0]
    assert found.std() == pytest.approx(1.0, rel=0.03)
    assert found.mean() == pytest.approx(-5.0, abs=0.03)


def test_where_noise_is_all_little_is_left_and_what_needs_no_patients_stays():
    rng, even = np.random.default_rng(3), np.zeros(5000)
    halves = {"first": simulated(rng, even), "second": simulated(rng, even)}
    assert without_noise(halves).std() < 0.35 * halves["first"].std()
    same = {"first": halves["first"], "second": halves["first"]}
    np.testing.assert_allclose(without_noise(same), halves["first"])
