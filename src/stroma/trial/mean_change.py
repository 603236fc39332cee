"""A mean change from entry as the outcome of a trial: its moments in every replicated trial, and the tests of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from stroma.trial.conduct import PotentialOutcomes, Trials

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    """Changes from entry of the patients still observed in one arm of every trial.

    Parameters
    ----------
    mean, variance : ndarray, shape (n_trial,)
        NaN with nobody left, and of the variance with one patient left.
    n : ndarray of int64, shape (n_trial,)
    """

    mean: Values
    variance: Values
    n: NDArray[np.int64]

    def moved(self, shift: Values) -> Moments:
        """Return the moments with every change moved by ``shift`` of its trial."""
        return Moments(self.mean + shift, self.variance, self.n)


def change_moments(pool: PotentialOutcomes, trials: Trials, measure: str, arm: int, as_arm: int,
                   visit: int) -> Moments:
    """Return the moments of the change of a measure; arguments as of :func:`stroma.trial.conduct.mean_change`."""
    rows, who = trials.draw[:, None], trials.subject[arm]
    values = pool.measures[measure][as_arm, rows, who]
    change = values[:, :, visit] - values[:, :, 0]
    seen = (trials.last_visit[arm] >= visit) & np.isfinite(change)
    n = seen.sum(axis=1)
    mean = np.where(n > 0, np.where(seen, change, 0.0).sum(axis=1) / np.maximum(n, 1), np.nan)
    squares = np.where(seen, (change - mean[:, None]) ** 2, 0.0).sum(axis=1)
    return Moments(mean, np.where(n > 1, squares / np.maximum(n - 1, 1), np.nan), n)


@dataclass(frozen=True)
class Contrast:
    """A difference of means, or a mean against no change, in every trial.

    Parameters
    ----------
    estimate, error, freedom : ndarray, shape (n_trial,)
        With its standard error and degrees of freedom; NaN where too few patients are left.
    """

    estimate: Values
    error: Values
    freedom: Values

    def p_above(self, sign: int) -> Values:
        """Return the one-sided p value for ``sign`` times the estimate above zero; 1 where nothing can be said."""
        with np.errstate(invalid="ignore", divide="ignore"):
            p = student.sf(sign * self.estimate / self.error, self.freedom)
        return np.where(np.isfinite(p), p, 1.0)

    @property
    def width(self) -> Values:
        """Return the width of the two-sided 95 % interval."""
        return 2.0 * student.ppf(0.975, self.freedom) * self.error


def welch(a: Moments, b: Moments) -> Contrast:
    """Return mean a minus mean b with unequal variances.

    Source
    ------
    Welch BL. Biometrika 1947;34:28-35, degrees of freedom of Satterthwaite.

    Checked by
    ----------
    ``tests/unit/test_mean_change.py``: SciPy's Welch test, statsmodels' power of normal data.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        one, two = a.variance / a.n, b.variance / b.n
        freedom = (one + two) ** 2 / (one**2 / (a.n - 1) + two**2 / (b.n - 1))
        return Contrast(a.mean - b.mean, np.sqrt(one + two), freedom)


def paired(a: Moments) -> Contrast:
    """Return the mean change of one arm against no change: the paired t test of entry and visit."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return Contrast(a.mean, np.sqrt(a.variance / a.n), np.where(a.n > 1, a.n - 1.0, np.nan))


def true_change(pool: PotentialOutcomes, measure: str, arm: int, visit: int) -> Values:
    """Return each draw's mean change among its eligible subjects in one arm, nobody lost, shape (n_draw,)."""
    values = pool.measures[measure][arm]
    change = values[:, :, visit] - values[:, :, 0]
    usable = pool.eligible & np.isfinite(change)
    return np.where(usable, change, 0.0).sum(axis=1) / np.maximum(usable.sum(axis=1), 1)
