"""Draws for the second stage of a fit: parameters of the cells on top of background draws, weighed by an emulator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stroma.calibration.cell_weights import log_weights
from stroma.calibration.posterior import PRIORS
from stroma.calibration.proposal import Normal, normal_around, propose
from stroma.calibration.rounds import Round
from stroma.calibration.sampler import Emulator, importance_weights
from stroma.calibration.simulate import Draws
from stroma.calibration.targets import Target
from stroma.disease import Disease
from stroma.library import library_root
from stroma.streams import generator
from stroma.trial.rules import load_rules

# How often a pool is drawn nearer to where its draws count.
NEARER = 3
CHUNK = 10_000
CREDITING = tuple(p for p in PRIORS if p != "none")


@dataclass(frozen=True)
class Pool:
    """Draws that are weighed and never simulated.

    Parameters
    ----------
    draws : Draws
    group : ndarray of int64, shape (n_draw,)
        Which background draw each row has.
    smooth : ndarray, shape (n_draw, n_target)
        Predictions of an emulator.
    weights : mapping of str to ndarray, shape (n_draw,)
        Under each named prior; each sums to one.
    """

    draws: Draws
    group: NDArray[np.int64]
    smooth: NDArray[np.float64]
    weights: Mapping[str, NDArray[np.float64]]

    @property
    def credited(self) -> NDArray[np.float64]:
        """Return the mean weight under the priors that credit the cells, shape (n_draw,)."""
        return np.mean([self.weights[p] for p in CREDITING], axis=0)

    def take(self, count: int, rng: np.random.Generator) -> tuple[Draws, dict[str, NDArray[np.float64]]]:
        """Return draws taken by that weight, and their weights under each prior that credits the cells."""
        at = _systematic(self.credited, count, rng)
        weights = {p: self.weights[p][at] / self.credited[at] for p in CREDITING}
        return Draws(self.draws.names, self.draws.scaled[at]), {p: w / w.sum() for p, w in weights.items()}


class CellDraws:
    """Makes and weighs the draws of one fit.

    Parameters
    ----------
    disease : Disease
    targets : sequence of Target
        The arms with cells; perhaps none.
    background : Round
        The fitted background.
    seed : int
    """

    def __init__(self, disease: Disease, targets: Sequence[Target], background: Round, seed: int) -> None:
        self._disease, self._targets, self._background, self._seed = disease, targets, background, seed
        self.rules = load_rules(library_root() / "evidence" / "response_rules.csv")
        self._own = [n for n in disease.uncertain if n not in background.draws.names]
        self.names = (*background.draws.names, *self._own)

    def draw(self, count: int, number: int, near: Normal | None = None
             ) -> tuple[Draws, NDArray[np.int64], NDArray[np.float64]]:
        """Put parameters of the cells on top of background draws; another ``number``, other draws.

        Returns
        -------
        Draws
        ndarray of int64, shape (count,)
            Which background draw each row has.
        ndarray, shape (count,)
            Log weight that makes them draws from the prior.
        """
        whole, seed = self._background, self._seed + number
        rng = generator(seed, "background draws for cells")
        rows = rng.permutation(_systematic(whole.weight, count, rng))
        own, log_ratio = propose(self._disease, self._own, near, count, seed)
        drawn = Draws(self.names, np.concatenate([whole.draws.scaled[rows], own], axis=1))
        return drawn, whole.group[rows], log_ratio

    def pool(self, emulator: Emulator | None, number: int, count: int) -> Pool:
        """Return weighed draws, in steps from the prior to where they count; without an emulator from the prior."""
        steps = NEARER if emulator else 1
        near = found = None
        for step in range(steps):
            if found:
                own = found.draws.scaled[:, len(self._background.draws.names):]
                near = normal_around(self._disease, self._own, own, found.credited)
            draws, group, log_ratio = self.draw(count, steps * number + step, near)
            smooth = _predicted(emulator, draws, len(self._targets))
            logs = log_weights(self._disease, self.rules, self._targets, draws, smooth)
            weights = {p: importance_weights(logs[p], -log_ratio)[0] for p in PRIORS}
            found = Pool(draws, group, smooth, weights)
        assert found is not None
        return found


def _predicted(emulator: Emulator | None, draws: Draws, n_target: int) -> NDArray[np.float64]:
    if emulator is None:
        return np.zeros((draws.n, n_target))
    return np.concatenate([emulator.predict(draws.scaled[i:i + CHUNK]) for i in range(0, draws.n, CHUNK)])


def _systematic(weight: NDArray[np.float64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the places of draws taken by their weight."""
    position = (np.arange(count) + rng.random()) / count
    whole = np.cumsum(weight)
    return np.searchsorted(whole / whole[-1], position).clip(0, weight.size - 1)
