"""What a forecast of a published number is made of: nothing that only the simulation's size brings in."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit

from stroma.calibration.predictive import without_noise
from stroma.calibration.targets import Target, load_targets
from stroma.disease import load_disease

HALF = 50


@pytest.fixture(scope="module")
def share() -> Target:
    return next(t for t in load_targets(load_disease("sle")).targets if t.kind == "proportion")


def simulated(rng: np.random.Generator, true: np.ndarray) -> np.ndarray:
    """The logit of a share of half of a draw's patients."""
    return logit((rng.binomial(HALF, expit(true)) / HALF).clip(0.01, 0.99))[:, None]


@pytest.mark.parametrize("sd", [0.15, 0.4])
def test_the_spread_that_remains_is_that_of_the_parameters(share: Target, sd: float):
    rng = np.random.default_rng(1)
    true = rng.normal(0.3, sd, 20_000)
    halves = {"first": simulated(rng, true), "second": simulated(rng, true)}
    assert halves["first"].std() > 1.2 * sd
    found = without_noise([share], halves)[:, 0]
    assert found.std() == pytest.approx(sd, rel=0.12)
    assert found.mean() == pytest.approx(0.3, abs=0.02)


def test_a_mean_loses_the_variance_of_its_simulated_patients(share: Target):
    rng = np.random.default_rng(2)
    true = rng.normal(-5.0, 1.0, 20_000)
    halves = {name: (true + rng.normal(0.0, 1.5, true.size))[:, None] for name in ("first", "second")}
    found = without_noise([replace(share, kind="change")], halves)[:, 0]
    assert found.std() == pytest.approx(1.0, rel=0.03)
    assert found.mean() == pytest.approx(-5.0, abs=0.03)


def test_where_noise_is_all_little_is_left_and_what_needs_no_patients_stays(share: Target):
    rng, even = np.random.default_rng(3), np.zeros(5000)
    halves = {"first": simulated(rng, even), "second": simulated(rng, even)}
    assert without_noise([share], halves).std() < 0.35 * halves["first"].std()
    same = {"first": halves["first"], "second": halves["first"]}
    np.testing.assert_allclose(without_noise([replace(share, kind="hazard")], same), halves["first"])
