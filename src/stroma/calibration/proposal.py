"""Where to draw the parameters of the cells: half from their prior, half around where the posterior lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from stroma.disease import Disease
from stroma.population.priors import log_prior, sample_prior
from stroma.population.subjects import effective_size
from stroma.streams import generator

# The normal part is a little wider than the draws it was fitted to. In some 17 dimensions more of it would be waste:
# half of all draws come from the prior anyway and reach the tails.
WIDER = 1.1
# A normal density is fitted to no fewer effective draws for each parameter.
DRAWS_A_PARAMETER = 10
# A switch falls to either side at least so often.
LEAST_SHARE = 0.1


@dataclass(frozen=True)
class Normal:
    """A normal density of some parameters on the scale of their priors, switches falling independently of it.

    Parameters
    ----------
    mean : ndarray, shape (n_name,)
        Of a switch, the share of ones.
    root : ndarray, shape (n_smooth, n_smooth)
        Lower Cholesky factor of the covariance of all but the switches.
    switch : ndarray of bool, shape (n_name,)
    """

    mean: NDArray[np.float64]
    root: NDArray[np.float64]
    switch: NDArray[np.bool_]

    def sample(self, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Return draws, shape (count, n_name)."""
        drawn = np.empty((count, self.mean.size))
        smooth = ~self.switch
        drawn[:, smooth] = self.mean[smooth] + rng.standard_normal((count, int(smooth.sum()))) @ self.root.T
        drawn[:, self.switch] = rng.random((count, int(self.switch.sum()))) < self.mean[self.switch]
        return drawn

    def log_density(self, scaled: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the log density of draws, shape (n,)."""
        smooth = ~self.switch
        z = solve_triangular(self.root, (scaled[:, smooth] - self.mean[smooth]).T, lower=True)
        normal = -0.5 * (z**2).sum(axis=0) - np.log(np.diag(self.root)).sum() - 0.5 * z.shape[0] * np.log(2 * np.pi)
        share = self.mean[self.switch]
        return normal + np.log(np.where(scaled[:, self.switch] == 1.0, share, 1.0 - share)).sum(axis=1)


def normal_around(disease: Disease, names: Sequence[str], scaled: NDArray[np.float64],
                  weight: NDArray[np.float64]) -> Normal:
    """Fit the normal density to weighted draws, their weights evened out as far as needed for enough of them to count.

    Parameters
    ----------
    scaled : ndarray, shape (n, n_name)
    weight : ndarray, shape (n,)
        Sums to one.
    """
    switch = np.array([n in disease.switches for n in names], bool)
    weight = _evened(weight, DRAWS_A_PARAMETER * len(names))
    mean = weight @ scaled
    mean[switch] = mean[switch].clip(LEAST_SHARE, 1.0 - LEAST_SHARE)
    away = (scaled - mean)[:, ~switch]
    cov = WIDER**2 * (away * weight[:, None]).T @ away
    root = np.linalg.cholesky(cov + 1e-9 * np.diag(1.0 + np.diag(cov)))
    return Normal(mean, np.asarray(root, np.float64), switch)


def _evened(weight: NDArray[np.float64], least: float) -> NDArray[np.float64]:
    """Return the weights to the highest power up to one under which so many draws count."""
    if effective_size(weight) >= least:
        return weight
    low, high = 0.0, 1.0
    for _ in range(20):
        power = 0.5 * (low + high)
        low, high = (power, high) if effective_size(weight**power) >= least else (low, power)
    return weight**low / (weight**low).sum()


def propose(disease: Disease, names: Sequence[str], near: Normal | None, count: int,
            seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw parameters, half of them from the prior and half near the posterior; all from the prior without ``near``.

    Returns
    -------
    scaled : ndarray, shape (count, len(names))
    log_ratio : ndarray, shape (count,)
        Log of the prior's density over that of the mixture of both halves, so never above log 2: the weight of a
        draw under the prior.
    """
    if near is None:
        return sample_prior(disease, names, count, seed), np.zeros(count)
    rng = generator(seed, "near the posterior")
    scaled = np.concatenate([sample_prior(disease, names, count - count // 2, seed), near.sample(count // 2, rng)])
    prior = log_prior(disease, names, scaled)
    return scaled, prior - np.logaddexp(prior, near.log_density(scaled)) + np.log(2.0)
