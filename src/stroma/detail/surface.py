"""A smooth surface through noisy values at draws: kernel ridge regression on first- and second-order terms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_SECOND_ORDER = (0.0, 0.01, 0.1, 1.0)
_PENALTY = tuple(np.logspace(-6.0, 2.5, 18).tolist())


@dataclass(frozen=True)
class Surface:
    """The fitted surface.

    Parameters
    ----------
    centre, scale : ndarray, shape (k,)
        Of the draws.
    points : ndarray, shape (n, k)
        Standardised draws.
    level : float
    coefficient : ndarray, shape (n,)
    second_order : float
        How freely squares and products may enter beside the linear terms; 0 for a plane.
    explained : float
        R² at draws left out one at a time: share of the weighted variance that the others predict.
    """

    centre: Array
    scale: Array
    points: Array
    level: float
    coefficient: Array
    second_order: float
    explained: float

    def predict(self, draws: Array) -> Array:
        """Return the surface at draws of shape (m, k), shape (m,)."""
        z = (draws - self.centre) / self.scale
        return self.level + _kernel(z, self.points, self.second_order) @ self.coefficient


def fit_surfaces(draws: Array, values: Array, weight: Array) -> list[Surface]:
    """Fit one surface to each column of values; the work that they share is done once.

    Penalty and freedom of second-order terms are those that predict left-out draws best.

    Parameters
    ----------
    draws : ndarray, shape (n, k)
        No two rows alike.
    values : ndarray, shape (n, m)
    weight : ndarray, shape (n,)
        Counts in judging what predicts best; the fit itself treats draws alike.
    """
    centre, scale = draws.mean(axis=0), draws.std(axis=0) + 1e-12
    z, w = (draws - centre) / scale, weight / weight.sum()
    level = w @ values
    y = values - level
    whole = np.maximum(w @ y**2, 1e-300)
    best: list[tuple[float, float, Array]] = [(-np.inf, 0.0, y[:, 0])] * y.shape[1]
    for second in _SECOND_ORDER:
        size, axes = np.linalg.eigh(_kernel(z, z, second))
        turned = axes.T @ y
        for penalty in _PENALTY:
            shrunk = size / (size + penalty)
            left_out = (y - axes @ (shrunk[:, None] * turned)) / np.maximum(1.0 - (axes**2) @ shrunk, 1e-9)[:, None]
            explained = 1.0 - (w @ left_out**2) / whole
            for i in np.flatnonzero(explained > [b[0] for b in best]):
                best[i] = float(explained[i]), second, axes @ (turned[:, i] / (size + penalty))
    return [Surface(centre, scale, z, float(level[i]), coefficient, second, explained)
            for i, (explained, second, coefficient) in enumerate(best)]


def _kernel(a: Array, b: Array, second_order: float) -> Array:
    linear = a @ b.T
    return 1.0 + (linear + second_order * linear**2) / a.shape[1]
