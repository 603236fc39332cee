"""Draws of cells on a background, weighed by an emulator: against a posterior that is known in closed form."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stroma.calibration.cell_pool import CellDraws, Pool
from stroma.calibration.cell_weights import SCEPTICAL_MEDIAN, SCEPTICAL_SPREAD
from stroma.calibration.likelihood import effect_scale
from stroma.calibration.origin import has_cells
from stroma.calibration.posterior import distinct_size
from stroma.calibration.rounds import Round
from stroma.calibration.sampler import Emulator, n_terms
from stroma.calibration.simulate import Draws
from stroma.calibration.targets import load_targets
from stroma.disease import Disease, load_disease
from stroma.population.priors import centre, sample_prior
from stroma.streams import generator

GROUPS, ERROR, FAR, SIZE = 300, 0.3, 2.5, 100_000


@pytest.fixture(scope="module")
def knee() -> Disease:
    return load_disease("oa")


@pytest.fixture(scope="module")
def background(knee: Disease) -> Round:
    names = knee.fitted_in("background")
    weight = np.arange(1.0, GROUPS + 1) / (np.arange(1.0, GROUPS + 1)).sum()
    return Round(Draws(names, sample_prior(knee, names, GROUPS, 1)), np.zeros((GROUPS, 0)), np.arange(GROUPS), weight,
                 float(GROUPS), np.zeros(0))


@pytest.fixture(scope="module")
def found(knee: Disease, background: Round) -> tuple[Pool, float, float]:
    """A blinded series whose published change is the log amplitude itself; return pool, published number, its SD."""
    arm = next(t for t in load_targets(knee).targets if has_cells(knee, t) and t.kind == "change")
    p = knee.parameters[knee.amplitude]
    number = centre(p) + FAR * p.spread
    series = replace(arm, observed=number, standard_error=ERROR, blinding="double_blind", design="single_arm")
    source = CellDraws(knee, [series], background, 1)
    k = len(source.names)
    coefficients = np.zeros((n_terms(k), 1))
    coefficients[1 + source.names.index(knee.amplitude)] = 1.0
    pool = source.pool(Emulator(np.zeros(k), np.ones(k), coefficients), 3, SIZE)
    spread = knee.parameters["series_spread"].value * effect_scale(knee, series.kind, series.quantity)
    return pool, number, float(np.hypot(ERROR, spread))


@pytest.mark.parametrize("prior", ["current", "enthusiastic", "sceptical"])
def test_mean_and_sd_are_those_of_the_conjugate_posterior(knee: Disease, found: tuple[Pool, float, float],
                                                          prior: str) -> None:
    pool, number, sd = found
    p = knee.parameters[knee.amplitude]
    mean, spread = (np.log(SCEPTICAL_MEDIAN), SCEPTICAL_SPREAD) if prior == "sceptical" else (centre(p), p.spread)
    precision = 1 / spread**2 + 1 / sd**2
    amplitude = pool.draws.scaled[:, pool.draws.names.index(knee.amplitude)]
    weight = pool.weights[prior]
    average = weight @ amplitude
    assert average == pytest.approx((mean / spread**2 + number / sd**2) / precision, abs=0.05)
    assert np.sqrt(weight @ (amplitude - average) ** 2) == pytest.approx(precision**-0.5, rel=0.08)
    assert distinct_size(weight, pool.group) > 0.5 * GROUPS


def test_without_credit_it_is_background_and_prior_as_they_were(knee: Disease, background: Round,
                                                                found: tuple[Pool, float, float]) -> None:
    pool, _, _ = found
    weight = pool.weights["none"]
    assert weight.max() <= 2.1 / SIZE * 1.1
    for i, name in enumerate(pool.draws.names):
        values = pool.draws.scaled[:, i]
        before = (sample_prior(knee, [name], 50_000, 9)[:, 0].mean() if i >= len(background.draws.names)
                  else background.weight @ background.draws.scaled[:, i])
        assert weight @ values == pytest.approx(before, abs=0.03 * values.std()), name


def test_what_is_taken_carries_the_weights_of_each_prior(knee: Disease, found: tuple[Pool, float, float]) -> None:
    pool, _, _ = found
    draws, weights = pool.take(4000, generator(1, "test"))
    at = pool.draws.names.index(knee.amplitude)
    for prior, weight in weights.items():
        assert weight @ draws.scaled[:, at] == pytest.approx(
            pool.weights[prior] @ pool.draws.scaled[:, at], abs=0.15), prior


def test_without_arms_with_cells_there_is_one_step_and_even_weight(knee: Disease, background: Round) -> None:
    pool = CellDraws(knee, [], background, 1).pool(None, 0, 500)
    assert pool.draws.n == 500 and all(np.ptp(w) == 0 for p, w in pool.weights.items() if p != "sceptical")
