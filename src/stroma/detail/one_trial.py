"""One simulated trial, patient by patient, as a data set would have it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stroma.calibration.arm_pools import RESCUE
from stroma.detail.flares import observed_time
from stroma.detail.replicas import Replicas


@dataclass(frozen=True)
class Patient:
    """One simulated patient.

    Parameters
    ----------
    number : int
        From 1, in the order of the arms.
    arm : int
    age, weight : float
        Years, kg.
    female : bool
    infusions : int
        Infusions of cells that came before leaving.
    leaves_day : float or None
        Day of leaving before the last visit.
    rescue_day : float or None
        First visit after rescue began.
    flare : dict of str to (float, bool)
        By hazard: last day observed free of it, and whether a flare ended that.
    measured : dict of str to ndarray, shape (n_visit,)
        Quantities as measured, and the primary outcome (1 or 0) where it is a response; NaN after leaving.
    """

    number: int
    arm: int
    age: float
    weight: float
    female: bool
    infusions: int
    leaves_day: float | None
    rescue_day: float | None
    flare: Mapping[str, tuple[float, bool]]
    measured: Mapping[str, NDArray[np.float64]]


def one_trial(made: Replicas) -> tuple[Patient, ...]:
    """Return the patients of the first replicate, those of the first arm first."""
    pool, trials = made.potential, made.trials
    draw, visit = int(trials.draw[0]), pool.visit_day
    rule = made.design.outcomes[0].rule_id
    patients: list[Patient] = []
    for arm in range(len(made.design.arms)):
        fixed = {n: made.pools[arm].seen[n][:, 0].reshape(pool.eligible.shape) for n in ("age", "weight", "female")}
        for place, subject in enumerate(trials.subject[arm][0]):
            at = (draw, int(subject))
            leaves = float(trials.leaves_day[arm][0, place])
            kept = np.arange(visit.size) <= trials.last_visit[arm][0, place]
            measured = {n: np.where(kept, v[(arm, *at)], np.nan) for n, v in pool.measures.items()}
            if rule:
                measured[rule] = np.where(kept, pool.events[rule][(arm, *at)].astype(float), np.nan)
            rescued = np.flatnonzero(pool.events[RESCUE][(arm, *at)] & kept)
            flare = {}
            for name, begins in made.flare_day.items():
                time, happened = observed_time(begins[at][None], np.array([leaves]), made.end)
                flare[name] = (float(time[0]), bool(happened[0]))
            patients.append(Patient(
                len(patients) + 1, arm, float(fixed["age"][at]), float(fixed["weight"][at]), bool(fixed["female"][at]),
                int((made.infusion_day[arm][:, draw] <= leaves).sum()), leaves if leaves < made.end else None,
                float(visit[rescued[0]]) if rescued.size else None, flare, measured))
    return tuple(patients)
