"""Which parameters carry the uncertainty of a predicted number, and how much of it is assumed.

Sobol indices by SALib (Saltelli's design, doi 10.1016/j.cpc.2009.09.018) on an emulator of the draws' means, the
:mod:`~stroma.detail.surface`. Parameters are varied independently over their posterior margins, so that what their
correlation adds or takes is not in the indices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stroma.calibration.simulate import Draws
from stroma.detail.surface import Surface, fit_surfaces
from stroma.detail.variance import DrawMoments, weighted_variance

ASSUMED, SOURCED = "assumed", "sourced"
LEAST_DRAWS = 100
_BASE, _CHUNK = 512, 4096
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


def carried(draws: Draws, moments: Mapping[str, DrawMoments], kinds: Sequence[str], weight: Array,
            seed: int) -> tuple[Carried, ...]:
    """Return the Sobol indices of each number; of none with fewer than :data:`LEAST_DRAWS` draws.

    A number of which the emulator predicts nothing is left out.

    Parameters
    ----------
    moments : mapping of str to DrawMoments
        By result.
    kinds : sequence of str
        Group of each parameter.
    weight : ndarray, shape (n_draw,)
        Of the draws under the posterior.
    """
    from SALib.sample import sobol as sample

    if draws.n < LEAST_DRAWS:
        return ()
    points, which = np.unique(draws.scaled, axis=0, return_inverse=True)  # a draw taken twice is one
    which = which.ravel()
    means = [np.bincount(which, m.mean) / np.bincount(which) for m in moments.values()]
    surfaces = fit_surfaces(points, np.stack(means, axis=1), np.asarray(np.bincount(which, weight), float))
    margins = [_margin(draws.scaled[:, i], weight) for i in range(len(draws.names))]
    single = {"num_vars": len(draws.names), "names": list(draws.names), "bounds": [[0.0, 1.0]] * len(draws.names)}
    asked = [(single, draws.names), (single | {"groups": list(kinds)}, tuple(dict.fromkeys(kinds)))]
    designs = [_scaled(sample.sample(problem, _BASE, calc_second_order=False, seed=seed), margins)
               for problem, _ in asked]
    w, found = weight / weight.sum(), []
    for (result, moment), surface in zip(moments.items(), surfaces, strict=True):
        if surface.explained <= 0:
            continue
        one, group = (_indices(problem, names, _answers(surface, design), seed)
                      for (problem, names), design in zip(asked, designs, strict=True))
        whole = weighted_variance(moment.mean, w)
        reachable = max(0.0, 1.0 - float(w @ moment.blur) / whole) if whole > 0 else 0.0
        found.append(Carried(result, tuple(sorted(one, key=lambda i: -i.total)), tuple(group), surface.explained,
                             reachable))
    return tuple(found)


def _scaled(shares: Array, margins: Sequence[tuple[Array, Array]]) -> Array:
    """Return draws from points of the unit cube."""
    return np.stack([values[np.searchsorted(edges, shares[:, i]).clip(0, values.size - 1)]
                     for i, (edges, values) in enumerate(margins)], axis=1)


def _answers(surface: Surface, design: Array) -> Array:
    return np.concatenate([surface.predict(part) for part in np.array_split(design, design.shape[0] // _CHUNK + 1)])


def _indices(problem: Mapping[str, Any], names: Sequence[str], answers: Array, seed: int) -> list[Index]:
    from SALib.analyze import sobol as analyse

    if len(names) == 1:  # one group of all parameters
        return [Index(names[0], 1.0, 1.0, 0.0, 0.0)]
    table = analyse.analyze(problem, answers, calc_second_order=False, seed=seed)
    return [Index(name, *(float(table[k][i]) for k in ("S1", "ST", "S1_conf", "ST_conf")))
            for i, name in enumerate(names)]


def _margin(values: Array, weight: Array) -> tuple[Array, Array]:
    """Return cumulative weights and sorted values of one parameter: its posterior margin as steps."""
    order = np.argsort(values, kind="stable")
    return np.cumsum(weight[order]) / weight.sum(), values[order]
