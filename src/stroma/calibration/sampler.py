"""An emulator of the simulated statistics, an ensemble sampler (emcee) for densities under it, and their weights.

Smoothing by the emulator is needed: with some hundred patients a draw the raw statistics carry Monte-Carlo noise,
which thousands of draws average out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from stroma.population.subjects import effective_size

LogDensity = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True)
class Emulator:
    """Ridge regression of each statistic on all first- and second-order terms of the draws.

    With ``cubic``, the place of one parameter, also on that parameter's higher orders: its square times each
    parameter, and its fourth power.
    """

    centre: NDArray[np.float64]
    scale: NDArray[np.float64]
    coefficients: NDArray[np.float64]
    cubic: int | None = None

    def predict(self, scaled: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return predicted statistics, shape (n, n_target)."""
        return _features((scaled - self.centre) / self.scale, self.cubic) @ self.coefficients


def n_terms(k: int, cubic: int | None = None) -> int:
    """Return how many terms an emulator of ``k`` parameters has."""
    return (k + 1) * (k + 2) // 2 + (0 if cubic is None else k + 1)


def _features(x: NDArray[np.float64], cubic: int | None) -> NDArray[np.float64]:
    i, j = np.triu_indices(x.shape[1])
    terms = [np.ones((x.shape[0], 1)), x, x[:, i] * x[:, j]]
    if cubic is not None:
        squared = x[:, cubic:cubic + 1] ** 2
        terms += [squared * x, squared**2]
    return np.concatenate(terms, axis=1)


def fit_emulator(scaled: NDArray[np.float64], statistics: NDArray[np.float64], ridge: float = 1.0,
                 cubic: int | None = None) -> Emulator:
    """Fit the emulator to simulated draws.

    Parameters
    ----------
    scaled : ndarray, shape (n, k)
    statistics : ndarray, shape (n, n_target)
    ridge : float
        Penalty on all but the constant, in units of one draw.
    cubic : int, optional
        Which parameter also has terms of third and fourth order: the one whose prior is widest.
    """
    centre, scale = scaled.mean(axis=0), scaled.std(axis=0) + 1e-9
    features = _features((scaled - centre) / scale, cubic)
    left = features.T @ features
    penalty = np.full(features.shape[1], ridge)
    penalty[0] = 1e-8
    coefficients = np.asarray(np.linalg.solve(left + np.diag(penalty), features.T @ statistics), float)
    return Emulator(centre, scale, coefficients, cubic)


class Emulated:
    """Simulated draws and the emulator fitted to all of them.

    Parameters
    ----------
    scaled : ndarray, shape (n, k)
    predicted : ndarray, shape (n, n_target)
    """

    def __init__(self, scaled: NDArray[np.float64], predicted: NDArray[np.float64]) -> None:
        self.scaled, self.predicted = scaled, predicted
        self.emulator = fit_emulator(scaled, predicted)

    def joined(self, scaled: NDArray[np.float64], predicted: NDArray[np.float64]) -> Emulated:
        """Return these draws and further ones together."""
        return Emulated(np.concatenate([self.scaled, scaled]), np.concatenate([self.predicted, predicted]))


def explore(log_density: LogDensity, start: NDArray[np.float64], steps: int,
            seed: int) -> tuple[NDArray[np.float64], float]:
    """Sample a density with emcee's affine-invariant ensemble.

    Parameters
    ----------
    log_density : callable
        Maps (n, k) to (n,).
    start : ndarray, shape (n_walker, k)
        Points of finite density.
    steps : int
        Half of them are discarded.

    Returns
    -------
    ndarray, shape (m, k)
    float
        How many independent draws these are worth, by the longest autocorrelation time of any parameter.
    """
    import emcee

    sampler = emcee.EnsembleSampler(start.shape[0], start.shape[1], log_density, vectorize=True,
                                    moves=[(emcee.moves.DEMove(), 0.8), (emcee.moves.DESnookerMove(), 0.2)])
    state = emcee.State(start, random_state=np.random.RandomState(seed % 2**32).get_state())
    sampler.run_mcmc(state, steps, skip_initial_state_check=True)
    kept = steps - steps // 2
    slowest = float(sampler.get_autocorr_time(discard=steps // 2, tol=0).max())
    chain = np.asarray(sampler.get_chain(discard=steps // 2, thin=5, flat=True))
    return chain, start.shape[0] * kept / slowest


def distinct(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return rows once each, in order of first appearance: a move between equal walkers would divide by zero."""
    return rows[np.sort(np.unique(rows, axis=0, return_index=True)[1])]


def importance_weights(log_target: NDArray[np.float64],
                       log_proposal: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Return normalised weights and their effective sample size."""
    log_weight = np.where(np.isfinite(log_target), log_target - log_proposal, -np.inf)
    weight = np.exp(log_weight - logsumexp(log_weight))
    return weight, effective_size(weight)
