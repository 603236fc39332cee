"""From replicated trials to what a forecast says: intervals, operating characteristics, courses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from stroma.calibration.arm_pools import RESCUE, ArmPool, cells_arm, control_arm
from stroma.calibration.likelihood import effect_scale
from stroma.calibration.posterior import distinct_size
from stroma.calibration.prediction import ALPHA, Band, OutcomeForecast, PriorForecast, Settings
from stroma.calibration.targets import Target
from stroma.disease import Disease
from stroma.streams import generator
from stroma.therapy import load_therapy
from stroma.trial.conduct import (
    PotentialOutcomes,
    fisher_one_sided,
    mean_change,
    responders,
    run_trials,
    true_difference,
)
from stroma.trial.design import Arm, TrialDesign
from stroma.trial.rules import AT_VISIT, ResponseRule

PRIMARY = "primary outcome"


def summarise_outcomes(disease: Disease, design: TrialDesign, published: Sequence[Target], pool: PotentialOutcomes,
                       rules: Mapping[str, ResponseRule], weight: NDArray[np.float64], units: Mapping[str, str],
                       settings: Settings) -> list[OutcomeForecast]:
    """Predict the primary outcome and everything that was published, arm by arm.

    Each outcome has a study effect of its own that the arms of a trial share, as in the likelihood of the fit.

    Parameters
    ----------
    published : sequence of Target
        Results of this trial; an arm without one has None.
    units : mapping of str to str
        Unit of each quantity.
    """
    primary = design.outcomes[0]
    control, sizes = control_arm(design), [a.n for a in design.arms]
    wanted: dict[tuple[str, str, float], str] = {("proportion", primary.rule_id, primary.day): PRIMARY}
    for t in published:
        if t.kind in ("proportion", "change"):
            wanted.setdefault((t.kind, t.quantity, t.day), t.outcome)
    found = []
    for (kind, quantity, day), outcome in wanted.items():
        share = kind == "proportion"
        purpose = design.variant if outcome == PRIMARY else f"{design.variant}/{quantity}/{day:g}"
        visit = int(np.argmin(np.abs(pool.visit_day - day)))
        trials = run_trials(pool, quantity if share else None, control, sizes, weight, settings.trials, settings.seed,
                            purpose, visit)
        deviation = generator(settings.seed, f"{purpose}/study effect").standard_normal(settings.trials)
        effect = deviation * pool.study_spread[trials.draw] * (
            0.0 if share else effect_scale(disease, kind, quantity))
        for i, arm in enumerate(design.arms):
            if share:
                failure = RESCUE if quantity == primary.rule_id else None
                cumulative = rules[quantity].kind != AT_VISIT
                sample = 100.0 * responders(pool, trials, quantity, i, i, visit, cumulative, failure) / arm.n
            else:
                sample = mean_change(pool, trials, quantity, i, i, visit) + effect
            observed = [t.observed for t in published if (t.kind, t.quantity, t.day) == (kind, quantity, day)
                        and arm_of(disease, t, design) == i]
            shown = observed[0] * (100.0 if share else 1.0) if observed else None
            q = np.nanquantile(sample, [0.05, 0.25, 0.5, 0.75, 0.95])
            found.append(OutcomeForecast(
                design.variant, outcome, arm.label, arm.control, "percent" if share else "mean_change", day,
                float(q[2]), (float(q[1]), float(q[3])), (float(q[0]), float(q[4])), shown, quantity,
                "%" if share else units.get(quantity, ""), sample))
    return found


def arm_of(disease: Disease, target: Target, design: TrialDesign) -> int | None:
    """Return the arm that a published number belongs to: by its label, else by whether its regimen has cells."""
    labels = [a.label for a in design.arms]
    if target.arm_label in labels:
        return labels.index(target.arm_label)
    code = disease.regimens.get(target.regimen, {"therapies": ()})
    cells = any(load_therapy(t).kind == "cells" for t in code["therapies"])
    alike = [i for i, arm in enumerate(design.arms) if _has_cells(arm) == cells]
    return alike[0] if len(alike) == 1 else None


def _has_cells(arm: Arm) -> bool:
    return any(t.dose is not None for t in arm.treatments)


def summarise_prior(prior: str, design: TrialDesign, pool: PotentialOutcomes, rules: Mapping[str, ResponseRule],
                    weight: NDArray[np.float64], group: NDArray[np.int64], settings: Settings) -> PriorForecast:
    """Operating characteristics at the planned size under one prior.

    Parameters
    ----------
    weight : ndarray, shape (n_draw,)
        Of the draws under the prior.
    group : ndarray of int64, shape (n_draw,)
        Draws that share their background.
    """
    primary = design.outcomes[0]
    control, cells = control_arm(design), cells_arm(design)
    given = control if prior == "none" else cells
    sizes = [a.n for a in design.arms]
    visit = int(np.argmin(np.abs(pool.visit_day - primary.day)))
    trials = run_trials(pool, primary.rule_id, control, sizes, weight, settings.trials, settings.seed,
                        f"prior/{prior}", visit)
    cumulative = rules[primary.rule_id].kind != AT_VISIT
    a = responders(pool, trials, primary.rule_id, cells, given, visit, cumulative, RESCUE)
    b = responders(pool, trials, primary.rule_id, control, control, visit, cumulative, RESCUE)
    success = fisher_one_sided(a, sizes[cells], b, sizes[control]) < ALPHA
    truth = 100.0 * true_difference(pool, primary.rule_id, given, control, visit, RESCUE)
    usable = weight * pool.eligible.any(axis=1)
    order = np.argsort(truth)
    edges = np.cumsum(usable[order]) / usable.sum()
    q = truth[order][np.searchsorted(edges, [0.05, 0.5, 0.95]).clip(0, truth.size - 1)]
    own = a / sizes[cells] - b / sizes[control]
    share = float(success.mean())
    return PriorForecast(prior, share, _clustered_error(success, group[trials.draw]),
                         (float(q[0]), float(q[1]), float(q[2])), float(usable[truth >= 10.0].sum() / usable.sum()),
                         float(np.mean((own < 0) & (truth[trials.draw] > 0))), distinct_size(weight, group))


def _clustered_error(success: NDArray[np.bool_], cluster: NDArray[np.int64]) -> float:
    """Return the standard error of a share when trials of one draw belong together; never quite zero."""
    share = success.mean()
    residual = np.bincount(cluster, weights=success - share)
    floor = np.sqrt(max(share * (1.0 - share), 1e-9) / success.size)
    return float(max(np.sqrt((residual**2).sum()) / success.size, floor))


def courses(disease: Disease, pools: Sequence[ArmPool], weight: NDArray[np.float64],
            eligible: NDArray[np.bool_]) -> tuple[Band, ...]:
    """Return the course of every quantity that the disease shows, arm by arm, over eligible patients."""
    each = (weight[:, None] * eligible).ravel()
    return tuple(Band(name, pool.arm.label, pool.day, _quantiles(pool.seen[name].astype(float), each))
                 for pool in pools for name in disease.shown if name in pool.seen)


def _quantiles(values: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weighted 5, 25, 50, 75, 95 % points at every visit, shape (5, n_visit)."""
    out = np.empty((5, values.shape[1]))
    for i in range(values.shape[1]):
        usable = np.isfinite(values[:, i]) & (weight > 0)
        order = np.argsort(values[usable, i], kind="stable")
        edges = np.cumsum(weight[usable][order])
        at = np.searchsorted(edges / edges[-1], [0.05, 0.25, 0.5, 0.75, 0.95]).clip(0, order.size - 1)
        out[:, i] = values[usable, i][order][at]
    return out
