"""Which parameters carry the uncertainty of a predicted number, and how much of it is assumed.

Sobol indices by SALib (Saltelli's design, doi 10.1016/j.cpc.2009.09.018) on an emulator of the draws' means: a ridge
regression on all first- and second-order terms, its penalty chosen by cross-validation. Parameters are varied
independently over their posterior margins, so that what their correlation adds or takes is not in the indices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stroma.calibration.sampler import fit_emulator
from stroma.calibration.simulate import Draws
from stroma.detail.variance import DrawMoments, weighted_variance
from stroma.errors import EXIT_ENVIRONMENT, fail
from stroma.streams import generator

ASSUMED, SOURCED = "assumed", "sourced"
LEAST_DRAWS = 100
_PENALTIES = (1.0, 10.0, 100.0, 300.0, 1000.0, 3000.0, 10000.0)
_FOLDS, _BASE, _CHUNK = 5, 512, 4096
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Index:
    """Sobol indices of one parameter or of a group of them.

    Parameters
    ----------
    name : str
    first, total : float
        Share of the variance that it explains alone, and that would vanish with it; for a group, alone means all
        its members together.
    first_error, total_error : float
        Half widths of SALib's 95 % bootstrap intervals.
    """

    name: str
    first: float
    total: float
    first_error: float
    total_error: float


@dataclass(frozen=True)
class Carried:
    """Who carries the parameters' and the structure's part of the variance of one number.

    Parameters
    ----------
    result : str
    parameters : tuple of Index
        Largest total index first.
    groups : tuple of Index
        Parameters whose prior no source supports (``assumed``), and the others (``sourced``); those there are.
    explained : float
        R²: share of the draws' variance that the emulator predicts for draws that it has not seen.
    reachable : float
        Share of the draws' variance that is no noise of finite patients: the most that could be explained.
    """

    result: str
    parameters: tuple[Index, ...]
    groups: tuple[Index, ...]
    explained: float
    reachable: float


def carried(result: str, draws: Draws, moments: DrawMoments, kinds: Sequence[str], weight: Array,
            seed: int) -> Carried | None:
    """Return the Sobol indices of one number, None where the emulator predicts nothing or draws are too few.

    Parameters
    ----------
    kinds : sequence of str
        Group of each parameter.
    weight : ndarray, shape (n_draw,)
        Of the draws under the posterior.

    Raises
    ------
    StromaError
        C070 where SALib is not installed.
    """
    try:
        from SALib.analyze import sobol as analyse
        from SALib.sample import sobol as sample
    except ImportError as error:
        raise fail("C070", f"Sobol indices need SALib: {error}", hint="pip install SALib", exit_code=EXIT_ENVIRONMENT
                   ) from error
    if draws.n < LEAST_DRAWS:
        return None
    penalty, explained = _chosen(draws.scaled, moments.mean, weight, seed)
    if explained <= 0:
        return None
    emulator = fit_emulator(draws.scaled, moments.mean[:, None], penalty)
    margins = [_margin(draws.scaled[:, i], weight) for i in range(len(draws.names))]

    def answers(points: Array) -> Array:
        scaled = np.stack([values[np.searchsorted(edges, points[:, i]).clip(0, values.size - 1)]
                           for i, (edges, values) in enumerate(margins)], axis=1)
        parts = np.array_split(scaled, scaled.shape[0] // _CHUNK + 1)
        return np.concatenate([emulator.predict(part)[:, 0] for part in parts])

    def indices(asked: dict, names: Sequence[str]) -> list[Index]:
        points = sample.sample(asked, _BASE, calc_second_order=False, seed=seed)
        table = analyse.analyze(asked, answers(points), calc_second_order=False, seed=seed)
        return [Index(name, *(float(table[k][i]) for k in ("S1", "ST", "S1_conf", "ST_conf")))
                for i, name in enumerate(names)]

    problem = {"num_vars": len(draws.names), "names": list(draws.names), "bounds": [[0.0, 1.0]] * len(draws.names)}
    groups = list(dict.fromkeys(kinds))
    grouped = [Index(groups[0], 1.0, 1.0, 0.0, 0.0)] if len(groups) == 1 else indices(
        problem | {"groups": list(kinds)}, groups)
    w = weight / weight.sum()
    whole = weighted_variance(moments.mean, w)
    return Carried(result, tuple(sorted(indices(problem, draws.names), key=lambda i: -i.total)), tuple(grouped),
                   explained, max(0.0, 1.0 - float(w @ moments.blur) / whole) if whole > 0 else 0.0)


def _chosen(scaled: Array, mean: Array, weight: Array, seed: int) -> tuple[float, float]:
    """Return the best penalty and the share of variance that it predicts out of its own sample."""
    fold = generator(seed, "folds").permutation(mean.size) % _FOLDS
    centre = weight @ mean / weight.sum()
    whole = max(float(weight @ (mean - centre) ** 2), 1e-300)
    share = []
    for penalty in _PENALTIES:
        guess = np.empty(mean.size)
        for k in range(_FOLDS):
            inside = fold != k
            guess[~inside] = fit_emulator(scaled[inside], mean[inside, None], penalty).predict(scaled[~inside])[:, 0]
        share.append(1.0 - float(weight @ (mean - guess) ** 2) / whole)
    best = int(np.argmax(share))
    return _PENALTIES[best], share[best]


def _margin(values: Array, weight: Array) -> tuple[Array, Array]:
    """Return cumulative weights and sorted values of one parameter: its posterior margin as steps."""
    order = np.argsort(values, kind="stable")
    return np.cumsum(weight[order]) / weight.sum(), values[order]
