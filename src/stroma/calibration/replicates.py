"""The comparison that decides a trial, in every replicated trial and in truth: of shares, or of mean changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stroma.calibration.arm_pools import RESCUE, cells_arm, control_arm, is_controlled
from stroma.calibration.posterior import distinct_size
from stroma.calibration.prediction import ALPHA, PriorForecast, Settings
from stroma.calibration.summaries import is_open_label, judged_responders, share_error, weighted_points
from stroma.streams import generator
from stroma.trial.conduct import PotentialOutcomes, fisher_one_sided, responders, run_trials, true_difference
from stroma.trial.design import TrialDesign
from stroma.trial.mean_change import change_moments, paired, true_change, welch
from stroma.trial.power import newcombe_interval
from stroma.trial.rules import AT_VISIT, ResponseRule


@dataclass(frozen=True)
class Replicates:
    """The comparison of cells and control in every replicated trial, and in truth.

    Parameters
    ----------
    draw : ndarray of int64, shape (n_trial,)
        Posterior draw of each trial.
    success : ndarray of bool, shape (n_trial,)
        Which trials win: one-sided at :data:`ALPHA`; Fisher's test of shares, Welch's of mean changes, the paired t
        test where one arm stands alone.
    own, width : ndarray, shape (n_trial,)
        The trial's own difference and the width of its 95 % interval: percentage points, or the measure's unit.
    truth : ndarray, shape (n_draw,)
        True difference in the same unit: nobody lost, no open-label bias.
    usable : ndarray, shape (n_draw,)
        Weights of the draws that have an eligible patient; they sum to one.
    improves : int
        Sign of a difference in favour of the cells.
    share : bool
        Whether shares are compared.
    idle : bool
        Whether the cells do nothing, by the prior.
    """

    draw: NDArray[np.int64]
    success: NDArray[np.bool_]
    own: NDArray[np.float64]
    width: NDArray[np.float64]
    truth: NDArray[np.float64]
    usable: NDArray[np.float64]
    improves: int
    share: bool
    idle: bool

    @property
    def wrong_sign(self) -> NDArray[np.bool_]:
        """Return which trials point against cells that do something, and no harm, shape (n_trial,).

        By assumption no prior lets cells harm, so that a true difference of zero is one below a simulated patient.
        """
        return (self.improves * self.own < 0) & (self.improves * self.truth[self.draw] >= 0) & (not self.idle)

    @property
    def favours(self) -> NDArray[np.bool_]:
        """Return under which draws the true difference is in favour of the cells, shape (n_draw,)."""
        return self.improves * self.truth > 0


def is_compared(design: TrialDesign) -> bool:
    """Return whether the main outcome decides something: against a control, or one arm's mean against its entry."""
    return is_controlled(design) or bool(design.outcomes[0].quantity and len(design.arms) == 1)


def replicate_shares(prior: str, design: TrialDesign, pool: PotentialOutcomes, rules: Mapping[str, ResponseRule],
              weight: NDArray[np.float64], settings: Settings, bias: NDArray[np.float64] | None = None,
              failure: str | None = RESCUE) -> Replicates:
    """Replicate a controlled trial under one prior.

    Parameters
    ----------
    weight : ndarray, shape (n_draw,)
        Of the draws under the prior.
    bias : ndarray, shape (n_draw,), optional
        Open-label bias of the arm with cells, logit; applied where its patients know their arm.
    failure : str or None
        Event that makes a failure (composite strategy); None for treatment policy.
    """
    primary = design.outcomes[0]
    control, cells = control_arm(design), cells_arm(design)
    given = control if prior == "none" else cells
    sizes = [a.n for a in design.arms]
    visit = int(np.argmin(np.abs(pool.visit_day - primary.day)))
    purpose = f"prior/{prior}"
    trials = run_trials(pool, primary.rule_id, control, sizes, weight, settings.trials, settings.seed, purpose, visit,
                        [a.label for a in design.arms])
    cumulative = rules[primary.rule_id].kind != AT_VISIT
    a = responders(pool, trials, primary.rule_id, cells, given, visit, cumulative, failure)
    b = responders(pool, trials, primary.rule_id, control, control, visit, cumulative, failure)
    if bias is not None and is_open_label(design, design.arms[cells]):
        a = judged_responders(pool, trials, primary.rule_id, cells, given, visit, a, bias, failure, settings.seed,
                              f"{purpose}/judged/{design.arms[cells].label}")
    n_a, n_b = sizes[cells], sizes[control]
    low, high = newcombe_interval(a, n_a, b, n_b)
    truth = 100.0 * true_difference(pool, primary.rule_id, given, control, visit, failure)
    usable = weight * pool.eligible.any(axis=1)
    return Replicates(trials.draw, fisher_one_sided(a, n_a, b, n_b) < ALPHA, 100.0 * (a / n_a - b / n_b),
                      100.0 * (high - low), truth, usable / usable.sum(), 1, True,
                      given == control)


def replicate_change(prior: str, design: TrialDesign, pool: PotentialOutcomes, improves: int, scale: float,
                     weight: NDArray[np.float64], settings: Settings,
                     bias: NDArray[np.float64] | None = None) -> Replicates:
    """Replicate a trial that is decided by a mean change, against a control or, with one arm, against entry.

    Patients who have left do not count; rescue changes nothing (treatment policy). The study effect moves all arms
    alike and cancels between them.

    Parameters
    ----------
    improves : int
        Sign of an improvement of the measure.
    scale : float
        How far one unit of study effect moves the mean of a lone arm.
    weight : ndarray, shape (n_draw,)
        Of the draws under the prior.
    bias : ndarray, shape (n_draw,), optional
        Open-label bias of the arm with cells, in the measure's unit; applied where its patients know their arm.
    """
    primary = design.outcomes[0]
    control, cells = control_arm(design), cells_arm(design)
    alone = not is_controlled(design)
    given = control if prior == "none" else cells
    visit = int(np.argmin(np.abs(pool.visit_day - primary.day)))
    purpose = f"prior/{prior}"
    trials = run_trials(pool, None, control, [a.n for a in design.arms], weight, settings.trials, settings.seed,
                        purpose, visit, [a.label for a in design.arms])
    a = change_moments(pool, trials, primary.quantity, cells, given, visit)
    if bias is not None and is_open_label(design, design.arms[cells]):
        a = a.moved(bias[trials.draw])
    if alone:
        effect = generator(settings.seed, f"{purpose}/study effect").standard_normal(settings.trials)
        found = paired(a.moved(scale * effect * pool.study_spread[trials.draw]))
        truth = true_change(pool, primary.quantity, cells, visit)
    else:
        found = welch(a, change_moments(pool, trials, primary.quantity, control, control, visit))
        truth = (true_change(pool, primary.quantity, given, visit)
                 - true_change(pool, primary.quantity, control, visit))
    usable = weight * pool.eligible.any(axis=1)
    return Replicates(trials.draw, found.p_above(improves) < ALPHA, found.estimate, found.width, truth,
                      usable / usable.sum(), improves, False, given != cells)


def summarise_prior(prior: str, found: Replicates, weight: NDArray[np.float64],
                    group: NDArray[np.int64]) -> PriorForecast:
    """Operating characteristics at the planned size under one prior.

    Parameters
    ----------
    weight : ndarray, shape (n_draw,)
        Of the draws under the prior.
    group : ndarray of int64, shape (n_draw,)
        Draws that share their background.
    """
    low, middle, high = weighted_points(found.truth, found.usable, (0.05, 0.5, 0.95))
    return PriorForecast(prior, float(found.success.mean()), share_error(found.success, group[found.draw]),
                         (low, middle, high),
                         float(found.usable[found.truth >= 10.0].sum()) if found.share else None,
                         float(found.usable[found.favours].sum()), float(found.wrong_sign.mean()),
                         float(np.nanmean(found.width)), distinct_size(weight, group))
