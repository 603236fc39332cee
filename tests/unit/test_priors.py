"""Priors against SciPy's truncated normal and uniform: moments, quantiles and density; switches as what they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import bernoulli, binomtest, kstest, truncnorm, uniform

from stroma.disease import Disease, Parameter, load_disease
from stroma.population.priors import centre, from_scale, limits, log_prior, sample_prior

COUNT = 20_000


@pytest.fixture(scope="module")
def disease() -> Disease:
    return load_disease("sle")


def reference(p: Parameter) -> Any:
    low, high = limits(p)
    if p.distribution == "uniform":
        return uniform(low, high - low)
    mid = centre(p)
    return truncnorm((low - mid) / p.spread, (high - mid) / p.spread, mid, p.spread)


def graded(disease: Disease) -> list[str]:
    return [n for n in disease.uncertain if n not in disease.switches]


def test_draws_follow_the_truncated_prior(disease: Disease) -> None:
    smooth = graded(disease)
    drawn = sample_prior(disease, smooth, COUNT, 11)
    assert drawn.shape == (COUNT, len(smooth))
    for i, name in enumerate(smooth):
        want = reference(disease.parameters[name])
        assert abs(drawn[:, i].mean() - want.mean()) < 4.5 * want.std() / np.sqrt(COUNT), name
        assert drawn[:, i].std() == pytest.approx(want.std(), rel=0.04), name
        assert kstest(drawn[:, i], want.cdf).pvalue > 1e-5, name


def test_density_is_that_of_scipy_inside_and_nothing_outside(disease: Disease) -> None:
    for name in graded(disease):
        want = reference(disease.parameters[name])
        inside = want.ppf(np.linspace(0.001, 0.999, 41))
        assert np.allclose(log_prior(disease, [name], inside[:, None]), want.logpdf(inside), atol=1e-9), name
        beyond = np.array([x + s for x, s in zip(limits(disease.parameters[name]), (-1e-6, 1e-6), strict=True)])
        finite = np.isfinite(beyond)
        assert np.all(log_prior(disease, [name], beyond[finite][:, None]) == -np.inf), name


def test_parameters_are_independent_and_a_new_one_moves_no_draw(disease: Disease) -> None:
    first, second, third = disease.uncertain[:3]
    three = sample_prior(disease, [first, second, third], 500, 2)
    assert np.array_equal(sample_prior(disease, [third, first], 500, 2), three[:, [2, 0]])
    both = log_prior(disease, [first, second], three[:, :2])
    alone = log_prior(disease, [first], three[:, :1]) + log_prior(disease, [second], three[:, 1:2])
    assert np.allclose(both, alone)
    assert np.abs(np.corrcoef(sample_prior(disease, disease.uncertain, COUNT, 5).T)
                  - np.eye(len(disease.uncertain))).max() < 0.05


def test_a_switch_is_drawn_by_its_weight_and_nothing_between(disease: Disease) -> None:
    assert {"host_by_apoptosis", "licence_steroid_blocks", "host_dose_falls"} == set(disease.switches)
    for name in disease.switches:
        p = disease.parameters[name]
        drawn = sample_prior(disease, [name], COUNT, 7)
        assert set(np.unique(drawn)) == {0.0, 1.0}
        assert binomtest(int(drawn.sum()), COUNT, p.spread).pvalue > 1e-4, name
        assert np.array_equal(from_scale(p, drawn), drawn)
        found = log_prior(disease, [name], np.array([[0.0], [1.0], [0.5], [1.5]]))
        assert np.allclose(found[:2], bernoulli(p.spread).logpmf([0, 1])) and np.all(found[2:] == -np.inf)


def test_no_parameters_no_columns(disease: Disease) -> None:
    assert sample_prior(disease, [], 7, 1).shape == (7, 0)
    assert np.array_equal(log_prior(disease, [], np.zeros((7, 0))), np.zeros(7))
