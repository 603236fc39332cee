"""Scores of a forecast that is a sample, against what was published; pure functions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.90


def interval_score(low: float, high: float, observed: float, level: float = LEVEL) -> float:
    """Return the interval score (Gneiting and Raftery 2007, JASA 102:359): width plus penalty for missing."""
    miss = max(low - observed, 0.0) + max(observed - high, 0.0)
    return high - low + 2.0 / (1.0 - level) * miss


def central_interval(sample: NDArray[np.float64], level: float) -> tuple[float, float]:
    """Return the ends of the central interval of a sample."""
    low, high = np.quantile(sample, [0.5 - level / 2, 0.5 + level / 2])
    return float(low), float(high)


def contains(low: float, high: float, observed: float) -> bool:
    """Return whether a number lies inside an interval, its ends included and rounding forgiven."""
    rounding = 1e-9 * max(1.0, abs(observed))
    return bool(low - rounding <= observed <= high + rounding)


def crps(sample: NDArray[np.float64], observed: float) -> float:
    """Return the continuous ranked probability score of a sample (Gneiting and Raftery 2007, eq. 21).

    Mean distance to the observation minus half the mean distance within the sample; smaller is better, and a
    forecast without spread scores its absolute error.
    """
    x = np.sort(np.asarray(sample, float))
    n = x.size
    within = 2.0 * float((x * (2.0 * np.arange(1, n + 1) - n - 1)).sum()) / n**2
    return float(np.abs(x - observed).mean()) - 0.5 * within


def pit(sample: NDArray[np.float64], observed: float) -> float:
    """Return where the observation lies in the sample, 0 to 1; half of what equals it counts as below."""
    rounding = 1e-9 * max(1.0, abs(observed))
    below = np.mean(sample < observed - rounding)
    return float(below + 0.5 * np.mean(np.abs(sample - observed) <= rounding))
