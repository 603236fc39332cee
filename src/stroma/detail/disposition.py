"""What becomes of the patients of a trial: randomised, infused, rescued, gone, analysed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stroma.calibration.arm_pools import RESCUE
from stroma.detail.replicas import Replicas

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class ArmFlow:
    """One arm of the flow; every count has one number a replicated trial, shape (n_trial,).

    Parameters
    ----------
    infused : tuple of ndarray
        Patients still in the trial on the day of the first, second, ... infusion; empty without cells.
    left, left_rescued : ndarray
        Gone before the visit of the primary outcome: without rescue treatment, and after it was begun.
    rescued : ndarray
        Seen at that visit, rescue begun.
    unaided : ndarray
        Seen at that visit without rescue. These four add up to ``randomised``.
    responders : ndarray or None
        Of all randomised, who left or was rescued counted as without response unless the rule is cumulative; None
        where the primary outcome is a mean change.
    """

    arm: str
    control: bool
    randomised: int
    infused: tuple[Counts, ...]
    left: Counts
    left_rescued: Counts
    rescued: Counts
    unaided: Counts
    responders: Counts | None

    @property
    def analysed(self) -> Counts | int:
        """Return who enters the primary analysis: all randomised for a response, those seen for a mean change."""
        return self.randomised if self.responders is not None else self.rescued + self.unaided


def patient_flow(made: Replicas) -> tuple[ArmFlow, ...]:
    """Count what becomes of the patients of every replicated trial, arm by arm."""
    pool, trials, visit = made.potential, made.trials, made.visit
    rows, found = trials.draw[:, None], []
    rule = made.design.outcomes[0].rule_id
    for i, arm in enumerate(made.design.arms):
        who, last, leaves = trials.subject[i], trials.last_visit[i], trials.leaves_day[i]
        here = last >= visit
        seen = np.minimum(last, visit)
        rescue = pool.events[RESCUE][i, rows, who, seen]
        responders = None
        if rule:
            happened = pool.events[rule][i, rows, who, seen] & ~rescue
            responders = (happened if made.cumulative else happened & here).sum(axis=1)
        infused = tuple((leaves >= day[trials.draw][:, None]).sum(axis=1) for day in made.infusion_day[i])
        found.append(ArmFlow(arm.label, arm.control, arm.n, infused, (~here & ~rescue).sum(axis=1),
                             (~here & rescue).sum(axis=1), (here & rescue).sum(axis=1), (here & ~rescue).sum(axis=1),
                             responders))
    return tuple(found)
