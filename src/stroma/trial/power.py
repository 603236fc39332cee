"""What a two-arm trial of a given size can show: exact power of the one-sided Fisher test."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import binom

from stroma.trial.conduct import fisher_one_sided

_GRID = 1000


def fisher_power(share_a: float, n_a: int, share_b: float, n_b: int, alpha: float) -> float:
    """Return the chance that arm a is shown to respond more than arm b.

    Parameters
    ----------
    share_a, share_b : float
        True shares of responders, 0 to 1.
    n_a, n_b : int
        Patients per arm.
    alpha : float
        One-sided level; a p value below it wins.

    Returns
    -------
    float
        Sum over every pair of counts, no simulation.

    Checked by
    ----------
    ``tests/unit/test_power.py``: SciPy's own Fisher test over all tables.
    """
    a, b = np.arange(n_a + 1)[:, None], np.arange(n_b + 1)[None, :]
    wins = fisher_one_sided(a, n_a, b, n_b) < alpha
    return float((binom.pmf(a, n_a, share_a) * binom.pmf(b, n_b, share_b) * wins).sum())


def least_detectable(share_b: float, n_a: int, n_b: int, alpha: float, power: float) -> float | None:
    """Return the smallest share in arm a that is shown with the wanted power, None if not even 100 % is."""
    if fisher_power(1.0, n_a, share_b, n_b, alpha) < power:
        return None
    low, high = round(share_b * _GRID), _GRID
    while high - low > 1:
        middle = (low + high) // 2
        if fisher_power(middle / _GRID, n_a, share_b, n_b, alpha) >= power:
            high = middle
        else:
            low = middle
    return high / _GRID


def least_winning(b: int, n_a: int, n_b: int, alpha: float) -> int | None:
    """Return the fewest responders in arm a that win against ``b`` of ``n_b``, None if not even all do."""
    wins = np.flatnonzero(fisher_one_sided(np.arange(n_a + 1), n_a, np.full(n_a + 1, b), n_b) < alpha)
    return int(wins[0]) if wins.size else None


def newcombe_interval(a: NDArray[np.int64], n_a: int, b: NDArray[np.int64],
                      n_b: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the 95 % interval of a difference in shares, from Wilson's intervals of both shares.

    Parameters
    ----------
    a, b : ndarray of int64, shape (n_trial,)
        Responders of ``n_a`` and ``n_b`` patients.

    Returns
    -------
    (ndarray, ndarray)
        Lower and upper end of share a minus share b.

    Source
    ------
    Newcombe RG. Stat Med 1998;17:873-890, method 10, without continuity correction.

    Checked by
    ----------
    ``tests/unit/test_power.py``: examples printed in the paper, and statsmodels.
    """
    low_a, high_a = _wilson(a, n_a)
    low_b, high_b = _wilson(b, n_b)
    p_a, p_b = np.asarray(a, np.float64) / n_a, np.asarray(b, np.float64) / n_b
    difference = p_a - p_b
    return (difference - np.sqrt((p_a - low_a) ** 2 + (high_b - p_b) ** 2),
            difference + np.sqrt((high_a - p_a) ** 2 + (p_b - low_b) ** 2))


def _wilson(count: NDArray[np.int64], n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    z2, number = float(ndtri(0.975)) ** 2, np.asarray(count, np.float64)
    middle, root = 2 * number + z2, np.sqrt(z2 * (z2 + 4 * number * (1 - number / n)))
    return (middle - root) / (2 * (n + z2)), (middle + root) / (2 * (n + z2))
