"""Proposals for the parameters of the cells: a density that is one, draws that follow it, weights that undo it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from stroma.calibration.proposal import LEAST_SHARE, WIDER, normal_around, propose
from stroma.disease import Disease, load_disease
from stroma.population.priors import centre, sample_prior
from stroma.population.subjects import effective_size
from stroma.streams import generator

N = 40_000


@pytest.fixture(scope="module")
def lupus() -> Disease:
    return load_disease("sle")


@pytest.fixture(scope="module")
def names(lupus: Disease) -> list[str]:
    background = lupus.fitted_in("background")
    return [n for n in lupus.uncertain if n not in background]


def test_the_density_is_that_of_scipy_with_coins_for_switches(lupus: Disease, names: list[str]) -> None:
    scaled = sample_prior(lupus, names, 5000, 1)
    normal = normal_around(lupus, names, scaled, np.full(5000, 1 / 5000))
    smooth = [i for i, n in enumerate(names) if n not in lupus.switches]
    assert 0 < len(lupus.switches) == len(names) - len(smooth)
    drawn = normal.sample(200, generator(1, "test"))
    covariance = WIDER**2 * np.cov(scaled[:, smooth].T, bias=True)
    expected = multivariate_normal(scaled[:, smooth].mean(axis=0), covariance).logpdf(drawn[:, smooth])
    for i, name in enumerate(names):
        if name in lupus.switches:
            share = np.clip(scaled[:, i].mean(), LEAST_SHARE, 1 - LEAST_SHARE)
            expected += np.log(np.where(drawn[:, i] == 1.0, share, 1 - share))
    np.testing.assert_allclose(normal.log_density(drawn), expected, rtol=1e-5)


def test_a_switch_that_one_side_has_lost_still_falls_to_both(lupus: Disease, names: list[str]) -> None:
    scaled = sample_prior(lupus, names, 2000, 1)
    at = names.index(lupus.switches[0])
    scaled[:, at] = 1.0
    drawn = normal_around(lupus, names, scaled, np.full(2000, 1 / 2000)).sample(N, generator(2, "test"))
    assert set(np.unique(drawn[:, at])) == {0.0, 1.0}
    assert drawn[:, at].mean() == pytest.approx(1 - LEAST_SHARE, abs=0.01)


def test_few_draws_are_evened_out_before_a_density_is_fitted_to_them(lupus: Disease, names: list[str]) -> None:
    scaled = sample_prior(lupus, names, N, 8)
    at = [i for i, n in enumerate(names) if n not in lupus.switches]
    steep = 9.0 * (scaled[:, at] / scaled[:, at].std(axis=0)).sum(axis=1)
    weight = np.exp(steep - logsumexp(steep))
    assert effective_size(weight) < 10
    normal = normal_around(lupus, names, scaled, weight)
    spread = np.sqrt(np.diag(normal.root @ normal.root.T))
    assert (spread > 0.2 * scaled[:, at].std(axis=0)).all()


def test_weights_undo_the_proposal_and_are_bounded(lupus: Disease, names: list[str]) -> None:
    at = names.index(lupus.amplitude)
    prior = sample_prior(lupus, names, N, 3)
    tail = np.exp(4.0 * prior[:, at])
    near = normal_around(lupus, names, prior, tail / tail.sum())
    drawn, log_ratio = propose(lupus, names, near, N, 4)
    weight = np.exp(log_ratio)
    assert weight.max() <= 2.0 + 1e-9
    assert weight.mean() == pytest.approx(1.0, abs=0.02)
    for i in range(len(names)):
        average = weight @ drawn[:, i] / weight.sum()
        assert average == pytest.approx(prior[:, i].mean(), abs=5 * prior[:, i].std() / np.sqrt(N / 4)), names[i]


def test_a_likelihood_far_out_in_the_prior_is_found_with_many_draws(lupus: Disease, names: list[str]) -> None:
    """Three prior SDs out the prior has few draws; the mean is known where prior and likelihood are normal."""
    at, p = names.index(lupus.amplitude), lupus.parameters[lupus.amplitude]
    goal, sd = centre(p) - 3 * p.spread, 0.2 * p.spread
    precision = 1 / p.spread**2 + 1 / sd**2
    expected = (centre(p) / p.spread**2 + goal / sd**2) / precision

    def weight(scaled: np.ndarray, log_ratio: np.ndarray) -> np.ndarray:
        logs = log_ratio - 0.5 * ((scaled[:, at] - goal) / sd) ** 2
        return np.exp(logs - logs.max()) / np.exp(logs - logs.max()).sum()

    drawn, log_ratio = propose(lupus, names, None, N, 5)
    first = weight(drawn, log_ratio)
    for step in (6, 7):
        near = normal_around(lupus, names, drawn, weight(drawn, log_ratio))
        drawn, log_ratio = propose(lupus, names, near, N, step)
    found = weight(drawn, log_ratio)
    assert effective_size(found) > 30 * effective_size(first)
    assert found @ drawn[:, at] == pytest.approx(expected, abs=0.1 / np.sqrt(precision))
