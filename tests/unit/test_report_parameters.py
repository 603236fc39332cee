"""Contraction against closed forms: nothing learnt is 0, half the spread is 3/4."""

from __future__ import annotations

import numpy as np
import pytest

from stroma.calibration.cell_weights import SCEPTICAL_MEDIAN
from stroma.calibration.posterior import PRIORS, Posterior
from stroma.disease import Disease, load_disease
from stroma.population.priors import sample_prior
from stroma.report.parameters import learnt, learnt_all


@pytest.fixture(scope="module")
def disease() -> Disease:
    return load_disease("sle")


def flat(disease: Disease, scaled: np.ndarray) -> Posterior:
    weight = np.full(scaled.shape[0], 1.0 / scaled.shape[0])
    return Posterior(disease.uncertain, scaled, np.arange(weight.size), dict.fromkeys(PRIORS, weight), {})


def test_draws_of_the_prior_taught_nothing(disease: Disease) -> None:
    posterior = flat(disease, sample_prior(disease, disease.uncertain, 20_000, 1))
    for one in learnt_all(disease, posterior):
        assert one.contraction == pytest.approx(0.0, abs=0.05), one.parameter.parameter_id
        assert one.posterior[1] == pytest.approx(one.prior[1], rel=0.1, abs=0.05)


def test_half_the_spread_is_three_quarters(disease: Disease) -> None:
    scaled = sample_prior(disease, disease.uncertain, 20_000, 2)
    one = learnt(disease, flat(disease, scaled.mean(axis=0) + 0.5 * (scaled - scaled.mean(axis=0))), disease.amplitude)
    assert one.contraction == pytest.approx(0.75, abs=0.02)


def test_sceptical_prior_has_its_own_median(disease: Disease) -> None:
    posterior = flat(disease, sample_prior(disease, disease.uncertain, 100, 3))
    one = learnt(disease, posterior, disease.amplitude, "sceptical")
    assert one.prior[1] == pytest.approx(SCEPTICAL_MEDIAN, rel=1e-2)
    table = disease.parameters[disease.amplitude].value
    assert learnt(disease, posterior, disease.amplitude).prior[1] == pytest.approx(table, rel=2e-2)
