"""What a forecast of a published number is made of: nothing that only the simulation's size brings in."""

from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit, logit

from stroma.calibration.predictive import without_noise
from stroma.calibration.targets import Target
from stroma.disease import Disease, load_disease

SUBJECTS = 100


@pytest.fixture(scope="module")
def lupus() -> Disease:
    return load_disease("sle")


def _target(kind: str, quantity: str, n: float = 40, se: float = np.nan) -> Target:
    return Target("a|x", "a", "a", "a", "arm", "x", kind, quantity, 168.0, 0.5, se, n, False, "mmf", "mixed", "", None,
                  "fit_background", 2009, "fit", Path("x"), 1)


@pytest.mark.parametrize("sd", [0.15, 0.4])
def test_the_spread_that_remains_is_that_of_the_parameters(lupus: Disease, sd: float):
    rng = np.random.default_rng(1)
    true = rng.normal(0.3, sd, 20_000)
    simulated = logit(rng.binomial(SUBJECTS, expit(true)) / SUBJECTS)
    found = without_noise(lupus, [_target("proportion", "ln_deng_remission")], simulated[:, None], SUBJECTS)[:, 0]
    assert simulated.std() > 1.1 * sd
    assert found.std() == pytest.approx(sd, rel=0.1)
    assert found.mean() == pytest.approx(simulated.mean())


def test_a_mean_loses_the_variance_of_its_simulated_patients(lupus: Disease):
    """A patient's change has an SD of 8: an arm of 16 has a standard error of 2, 100 simulated patients one of 0.8."""
    rng = np.random.default_rng(2)
    simulated = rng.normal(-5.0, 1.0, 20_000) + rng.normal(0.0, 0.8, 20_000)
    target = _target("change", "sledai_2k", 16, 2.0)
    found = without_noise(lupus, [target], simulated[:, None], SUBJECTS)[:, 0]
    assert found.std() == pytest.approx(1.0, rel=0.03)


def test_where_noise_is_all_nothing_is_left_and_a_formula_has_none(lupus: Disease):
    rng = np.random.default_rng(3)
    noise = logit(rng.binomial(SUBJECTS, 0.5, 5000) / SUBJECTS)[:, None]
    assert without_noise(lupus, [_target("proportion", "ln_deng_remission")], noise, SUBJECTS).std() < 0.05
    np.testing.assert_array_equal(without_noise(lupus, [_target("hazard", "ln_deng_remission")], noise, SUBJECTS),
                                  noise)
