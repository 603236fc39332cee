"""The primary outcome of every simulated patient, drop-out averaged out, and how the trial's number follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from stroma.calibration.arm_pools import RESCUE, control_arm
from stroma.calibration.likelihood import effect_scale, open_label_bias
from stroma.calibration.predict import Simulated
from stroma.calibration.summaries import is_open_label
from stroma.trial.conduct import PotentialOutcomes, true_share
from stroma.trial.design import TrialDesign
from stroma.trial.pool import YEAR
from stroma.trial.rules import AT_VISIT

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ArmResponses:
    """One arm.

    Parameters
    ----------
    label : str
    value : ndarray, shape (n_draw, n_subject)
        Chance to be counted a responder (drop-out averaged out), or the change of who stays.
    size : ndarray, shape (n_draw,)
        Patients that the arm's number rests on: all randomised, or those expected to stay.
    share : bool
        Whether the number is a share of patients.
    slope, level : ndarray, shape (n_draw,)
        The reported number is ``level + slope × mean``: judgement by people who know the treatment.
    effect_sd : ndarray, shape (n_draw,)
        SD of the study effect that is added to a mean change; 0 for a share, whose patients it tilts.
    """

    label: str
    value: Array
    size: Array
    share: bool
    slope: Array
    level: Array
    effect_sd: Array


def chance(pool: PotentialOutcomes, event: str, arm: int, visit: int, cumulative: bool) -> Array:
    """Return everybody's chance to be counted a responder, over the day of leaving, shape (n_draw, n_subject).

    As :func:`stroma.trial.conduct.responders` counts with rescue as failure.
    """
    happened = pool.events[event][arm] & ~pool.events[RESCUE][arm]
    stays = np.exp(-pool.dropout_hazard[:, None] * np.maximum(pool.visit_day, 0.0) / YEAR)
    if not cumulative:
        return happened[:, :, visit] * stays[:, visit, None]
    last = np.concatenate([stays[:, :visit] - stays[:, 1:visit + 1], stays[:, visit:visit + 1]], axis=1)
    last[:, 0] += 1.0 - stays[:, 0]
    return np.einsum("dsv,dv->ds", happened[:, :, :visit + 1], last)


def arm_responses(found: Simulated, design: TrialDesign, pool: PotentialOutcomes,
                  some: slice = slice(None)) -> list[ArmResponses]:
    """Return the primary outcome of every arm.

    Parameters
    ----------
    pool : PotentialOutcomes
        Of the draws in ``some``.
    """
    primary, n = design.outcomes[0], pool.n_draw
    visit = int(np.argmin(np.abs(pool.visit_day - primary.day)))
    values = {k: v[some] for k, v in found.drawn.draws.natural(found.disease).items()}
    stays = np.exp(-pool.dropout_hazard * pool.visit_day[visit] / YEAR)
    one, none, out = np.ones(n), np.zeros(n), []
    for i, arm in enumerate(design.arms):
        kind, name = ("change", primary.quantity) if primary.quantity else ("proportion", primary.rule_id)
        shift = open_label_bias(found.disease, found.rules, kind, name, values) if is_open_label(design, arm) else none
        if primary.quantity:
            measured = pool.measures[name][i]
            sd = pool.study_spread * effect_scale(found.disease, kind, name)
            out.append(ArmResponses(arm.label, np.nan_to_num(measured[:, :, visit] - measured[:, :, 0]),
                                    np.maximum(arm.n * stays, 1.0), False, one, shift, sd))
            continue
        inside = np.clip(true_share(pool, name, i, visit, RESCUE), 1e-9, 1 - 1e-9)
        moved = expit(logit(inside) + shift)
        up, down = (np.clip(x, 0.0, 1.0) for x in ((moved - inside) / (1 - inside), (inside - moved) / inside))
        cumulative = found.rules[name].kind != AT_VISIT
        out.append(ArmResponses(arm.label, chance(pool, name, i, visit, cumulative), arm.n * one, True, 1 - up - down,
                                up, none))
    return out


def leanings(found: Simulated, design: TrialDesign, pool: PotentialOutcomes) -> Array | None:
    """Return what the study effect tilts enrolment by: response in the control arm; None for a mean change."""
    primary = design.outcomes[0]
    if primary.quantity:
        return None
    visit = int(np.argmin(np.abs(pool.visit_day - primary.day)))
    return pool.events[primary.rule_id][control_arm(design)][:, :, visit].astype(float)


def compared(responses: Sequence[ArmResponses], design: TrialDesign) -> tuple[int, int] | None:
    """Return the arms whose difference is taken: the first with cells and the control; None where there is no pair."""
    cells = next((i for i, a in enumerate(design.arms) if not a.control), None)
    control = next((i for i, a in enumerate(design.arms) if a.control), None)
    return None if cells is None or control is None or len(responses) < 2 else (cells, control)
