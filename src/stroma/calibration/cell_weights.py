"""How much each draw counts given the arms with cells, under every named prior of their effect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from stroma.calibration.likelihood import Likelihood, cells_spread, open_label_shift
from stroma.calibration.simulate import Draws
from stroma.calibration.targets import Target
from stroma.disease import Disease
from stroma.population.priors import centre, limits
from stroma.trial.rules import ResponseRule

SCEPTICAL_MEDIAN = 0.2
SCEPTICAL_SPREAD = 0.8


def log_weights(disease: Disease, rules: Mapping[str, ResponseRule], targets: Sequence[Target], draws: Draws,
                predicted: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return the log weight of draws from the prior under each named prior, shape (n_draw,) each.

    Parameters
    ----------
    predicted : ndarray, shape (n_draw, n_target)

    Returns
    -------
    dict
        ``current`` with open-label bias, ``enthusiastic`` without, ``sceptical`` with a smaller median effect,
        ``none`` without any arm with cells.
    """
    current = _log_likelihood(disease, rules, targets, draws, predicted, open_label=True)
    amplitude = draws.scaled[:, draws.names.index(disease.amplitude)]
    return {"none": np.zeros(draws.n), "sceptical": current + _sceptical_ratio(disease, amplitude), "current": current,
            "enthusiastic": _log_likelihood(disease, rules, targets, draws, predicted, open_label=False)}


def _log_likelihood(disease: Disease, rules: Mapping[str, ResponseRule], targets: Sequence[Target], draws: Draws,
                    predicted: NDArray[np.float64], open_label: bool) -> NDArray[np.float64]:
    """Return the log likelihood of the arms with cells; the series of one family count as much as ``independent``."""
    values = draws.natural(disease)
    total = np.zeros(draws.n)
    for family in dict.fromkeys(t.family for t in targets):
        trials = list(dict.fromkeys(t.trial for t in targets if t.family == family))
        share = min(1.0, disease.config["msc_series"]["independent"] / len(trials))
        for trial in trials:
            at = [i for i, t in enumerate(targets) if t.trial == trial]
            own = [targets[i] for i in at]
            shift = _shifts(disease, rules, own, values) if open_label else None
            spread = cells_spread(disease, own[0], values)
            total += share * Likelihood(disease, own).by_trial(predicted[:, at], spread, shift)[:, 0]
    return total


def _shifts(disease: Disease, rules: Mapping[str, ResponseRule], targets: Sequence[Target],
            values: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the open-label bias of some targets, shape (n_draw, n_target)."""
    return np.stack([open_label_shift(disease, rules, t, values) for t in targets], axis=1)


def _sceptical_ratio(disease: Disease, scaled: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log ratio of the sceptical to the current prior of the amplitude: median 0.2 instead of the table's."""
    p = disease.parameters[disease.amplitude]
    assert limits(p)[1] > np.log(SCEPTICAL_MEDIAN)
    current = -0.5 * ((scaled - centre(p)) / p.spread) ** 2 - np.log(p.spread)
    sceptical = -0.5 * ((scaled - np.log(SCEPTICAL_MEDIAN)) / SCEPTICAL_SPREAD) ** 2 - np.log(SCEPTICAL_SPREAD)
    return sceptical - current
