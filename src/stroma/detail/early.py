"""The first week: what the model says happens before anybody has looked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stroma.calibration.predict import Simulated
from stroma.calibration.summaries import weighted_points
from stroma.calibration.targets import load_targets

DAY = 7.0
Three = tuple[float, float, float]
_POINTS = (0.05, 0.5, 0.95)


@dataclass(frozen=True)
class EarlyChange:
    """The mean change of one quantity in the first week; 5, 50 and 95 % points over draws, endless patients.

    Parameters
    ----------
    arms : tuple of (str, bool, (float, float, float))
        Label, whether a control arm, points.
    difference : (float, float, float) or None
        First arm with cells less the control arm, draw by draw; None where nothing is compared.
    """

    quantity: str
    arms: tuple[tuple[str, bool, Three], ...]
    difference: Three | None


@dataclass(frozen=True)
class FirstWeek:
    """Changes by day 7, and the day of the first published number of the disease that the library holds."""

    first_published_day: float
    changes: tuple[EarlyChange, ...]


def first_week(found: Simulated) -> FirstWeek | None:
    """Return the changes by day 7; None where day 7 is not simulated or somebody has published from then."""
    days = [t.day for t in load_targets(found.disease).targets if t.day > 0]
    day = found.pools[0].day
    if not days or min(days) <= DAY or DAY not in day:
        return None
    column, eligible = int(np.flatnonzero(day == DAY)[0]), found.potential.eligible
    share = eligible / np.maximum(eligible.sum(axis=1, keepdims=True), 1)
    weight = found.drawn.weights["current"] * eligible.any(axis=1)
    arms = found.design.arms
    cells = next((i for i, a in enumerate(arms) if not a.control), None)
    control = next((i for i, a in enumerate(arms) if a.control), None)
    changes = []
    for name in found.disease.shown:
        if any(name not in p.seen for p in found.pools):
            continue
        means = []
        for pool in found.pools:
            change = np.nan_to_num(pool.seen[name][:, column] - pool.seen[name][:, 0]).reshape(eligible.shape)
            means.append((change * share).sum(axis=1))
        points = [_three(m, weight) for m in means]
        difference = None if cells is None or control is None else _three(means[cells] - means[control], weight)
        changes.append(EarlyChange(name, tuple((a.label, a.control, p) for a, p in zip(arms, points, strict=True)),
                                   difference))
    return FirstWeek(min(days), tuple(changes))


def _three(values: np.ndarray, weight: np.ndarray) -> Three:
    low, middle, high = weighted_points(values, weight, _POINTS)
    return low, middle, high
