"""Time to the first flare in simulated trials: Kaplan-Meier estimates with their risk tables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stroma.detail.replicas import Replicas

POINTS = (0.05, 0.5, 0.95)
_GRID, _TABLE = 121, 5
Array = NDArray[np.float64]


@dataclass(frozen=True)
class FlareCurve:
    """Freedom from a flare in one arm.

    Parameters
    ----------
    flare : str
        Parameter that is the flare's hazard.
    day : ndarray, shape (n_day,)
    free : ndarray, shape (n_day,)
        Kaplan-Meier estimate of the trial that is shown, the first replicate.
    band : ndarray, shape (3, n_day)
        5, 50 and 95 % points of the estimate over replicated trials of this size.
    risk_day : ndarray, shape (n_risk,)
    at_risk, events : ndarray of int64, shape (n_risk,)
        Of the trial that is shown: observed and free of flare just before the day; flares up to it.
    """

    flare: str
    arm: str
    control: bool
    n: int
    day: Array
    free: Array
    band: Array
    risk_day: Array
    at_risk: NDArray[np.int64]
    events: NDArray[np.int64]


def flare_curves(made: Replicas) -> tuple[FlareCurve, ...]:
    """Return one curve for each kind of flare and arm; who leaves, or reaches the last visit, is censored."""
    end, found = made.end, []
    day, risk_day = np.linspace(0.0, end, _GRID), np.linspace(0.0, end, _TABLE)
    for flare, begins in made.flare_day.items():
        for i, arm in enumerate(made.design.arms):
            time, happened = observed_time(begins[made.trials.draw[:, None], made.trials.subject[i]],
                                           made.trials.leaves_day[i], end)
            free = kaplan_meier(time, happened, day)
            found.append(FlareCurve(
                flare, arm.label, arm.control, arm.n, day, free[0], np.quantile(free, POINTS, axis=0), risk_day,
                (time[0][:, None] >= risk_day).sum(axis=0),
                (happened[0][:, None] & (time[0][:, None] <= risk_day)).sum(axis=0)))
    return tuple(found)


def observed_time(flare_day: Array, leaves_day: Array, end: float) -> tuple[Array, NDArray[np.bool_]]:
    """Return until when each patient was observed free of flare, and whether a flare ended that."""
    until = np.minimum(leaves_day, end)
    return np.minimum(flare_day, until), flare_day <= until


def kaplan_meier(time: Array, happened: NDArray[np.bool_], day: Array) -> Array:
    """Return the product-limit estimate of many samples at once.

    Parameters
    ----------
    time : ndarray, shape (n_sample, n)
        Of the event, or of leaving; an event comes before a leaving at the same time.
    happened : ndarray of bool, shape (n_sample, n)
    day : ndarray, shape (n_day,)

    Returns
    -------
    ndarray, shape (n_sample, n_day)

    References
    ----------
    Kaplan and Meier 1958, doi 10.1080/01621459.1958.10501452.
    """
    n = time.shape[1]
    order = np.lexsort((~happened, time), axis=1)
    time, happened = np.take_along_axis(time, order, 1), np.take_along_axis(happened, order, 1)
    step = np.where(happened, 1.0 - 1.0 / (n - np.arange(n)), 1.0)
    free = np.concatenate([np.ones((time.shape[0], 1)), np.cumprod(step, axis=1)], axis=1)
    passed = (time[:, :, None] <= day).sum(axis=1)
    return np.asarray(np.take_along_axis(free, passed, 1), float)
