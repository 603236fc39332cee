"""The variance between studies as an exact sum: what is known to differ, chance, and the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stroma.explanation.conflict_parts import CHANCE

Array = NDArray[np.float64]
TINY = 1e-12


@dataclass(frozen=True)
class Spread:
    """Studies beside one another, draw by draw, in logits of improvement.

    Parameters
    ----------
    published : ndarray, shape (n_study, n_draw)
        Distance from the reference, as published.
    parts : mapping of str to ndarray, each (n_study, n_draw)
        What each factor adds to the prediction.
    chance : ndarray, shape (n_study, n_draw)
        Sampling variance of ``published``.
    """

    published: Array
    parts: Mapping[str, Array]
    chance: Array

    @property
    def predicted(self) -> Array:
        """Return the sum of the parts."""
        return np.sum(list(self.parts.values()), axis=0)

    @property
    def variance(self) -> Array:
        """Return the variance between the published numbers, shape (n_draw,)."""
        return self.published.var(axis=0, ddof=1)

    @property
    def predicted_variance(self) -> Array:
        """Return the variance between the predicted numbers, shape (n_draw,)."""
        return self.predicted.var(axis=0, ddof=1)

    def component(self, name: str) -> Array:
        """Return what one part, chance or the rest adds to the published variance, shape (n_draw,).

        Over all parts, chance and the rest these sum to :attr:`variance`.
        """
        if name in self.parts:
            return _covariance(self.parts[name], self.published)
        chance = self.chance.mean(axis=0)
        return chance if name == CHANCE else _covariance(self.published - self.predicted, self.published) - chance

    def of_predicted(self, name: str) -> Array:
        """Return one part's share of the variance between the predicted numbers, percent, shape (n_draw,)."""
        return 100.0 * _covariance(self.parts[name], self.predicted) / np.maximum(self.predicted_variance, TINY)

    def without(self, study: int) -> Spread:
        """Return what is left when one study, a row, is left out."""
        keep = np.arange(self.published.shape[0]) != study
        return Spread(self.published[keep], {k: v[keep] for k, v in self.parts.items()}, self.chance[keep])


def _covariance(a: Array, b: Array) -> Array:
    return ((a - a.mean(axis=0)) * (b - b.mean(axis=0))).sum(axis=0) / (a.shape[0] - 1)
