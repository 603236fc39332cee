"""From replicated trials to what a forecast says: intervals, operating characteristics, courses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from stroma.calibration.arm_pools import RESCUE, ArmPool, control_arm
from stroma.calibration.likelihood import effect_scale, open_label_bias
from stroma.calibration.prediction import Band, OutcomeForecast, Settings
from stroma.calibration.targets import Target
from stroma.disease import Disease
from stroma.streams import generator
from stroma.therapy import load_therapy
from stroma.trial.conduct import (
    PotentialOutcomes,
    Trials,
    judged,
    mean_change,
    responders,
    run_trials,
    true_share,
)
from stroma.trial.design import Arm, TrialDesign
from stroma.trial.rules import AT_VISIT, ResponseRule

PRIMARY, CHOSEN = "primary outcome", "chosen outcome"
MAIN = (PRIMARY, CHOSEN)
"""What the outcome that decides a trial is called: the record's own, or one chosen for the forecast."""


def summarise_outcomes(disease: Disease, design: TrialDesign, published: Sequence[Target], pool: PotentialOutcomes,
                       rules: Mapping[str, ResponseRule], weight: NDArray[np.float64], units: Mapping[str, str],
                       values: Mapping[str, NDArray[np.float64]], settings: Settings) -> list[OutcomeForecast]:
    """Predict the design's outcomes and everything that was published, arm by arm.

    Each outcome has a study effect of its own that the arms of a trial share, as in the likelihood of the fit.
    Where the patients know their arm, those with cells carry the open-label bias.

    Parameters
    ----------
    published : sequence of Target
        Results of this trial; an arm without one has None.
    units : mapping of str to str
        Unit of each quantity.
    values : mapping of str to ndarray, shape (n_draw,)
        Parameters on their natural scale.
    """
    primary = design.outcomes[0]
    control, sizes = control_arm(design), [a.n for a in design.arms]
    found = []
    for (kind, quantity, day), outcome in _wanted(design, published).items():
        share = kind == "proportion"
        purpose = design.variant if outcome in MAIN else f"{design.variant}/{quantity}/{day:g}"
        visit = int(np.argmin(np.abs(pool.visit_day - day)))
        trials = run_trials(pool, quantity if share else None, control, sizes, weight, settings.trials, settings.seed,
                            purpose, visit, [a.label for a in design.arms])
        deviation = generator(settings.seed, f"{purpose}/study effect").standard_normal(settings.trials)
        effect = deviation * pool.study_spread[trials.draw] * (
            0.0 if share else effect_scale(disease, kind, quantity))
        for i, arm in enumerate(design.arms):
            shift = open_label_bias(disease, rules, kind, quantity, values) if is_open_label(design, arm) else None
            if share:
                failure = RESCUE if quantity == primary.rule_id else None
                cumulative = rules[quantity].kind != AT_VISIT
                number = responders(pool, trials, quantity, i, i, visit, cumulative, failure)
                if shift is not None:
                    number = judged_responders(pool, trials, quantity, i, i, visit, number, shift, failure,
                                               settings.seed, f"{purpose}/judged/{arm.label}")
                sample = 100.0 * number / arm.n
            else:
                sample = mean_change(pool, trials, quantity, i, i, visit) + effect
                sample = sample if shift is None else sample + shift[trials.draw]
            observed = [t.observed for t in published if (t.kind, t.quantity, t.day) == (kind, quantity, day)
                        and arm_of(disease, t, design) == i]
            shown = observed[0] * (100.0 if share else 1.0) if observed else None
            q = np.nanquantile(sample, [0.05, 0.25, 0.5, 0.75, 0.95])
            found.append(OutcomeForecast(
                design.variant, outcome, arm.label, arm.control, "percent" if share else "mean_change", day,
                float(q[2]), (float(q[1]), float(q[3])), (float(q[0]), float(q[4])), shown, quantity,
                "%" if share else units.get(quantity, ""), sample, trials.draw))
    return found


def _wanted(design: TrialDesign, published: Sequence[Target]) -> dict[tuple[str, str, float], str]:
    """Return what to predict, by kind, quantity and day: the primary outcome first, each once."""
    wanted: dict[tuple[str, str, float], str] = {}
    for number, outcome in enumerate(design.outcomes):
        kind, quantity = ("change", outcome.quantity) if outcome.quantity else ("proportion", outcome.rule_id)
        wanted.setdefault((kind, quantity, outcome.day), _name(design, number))
    for t in published:
        if t.kind in ("proportion", "change"):
            wanted.setdefault((t.kind, t.quantity, t.day), t.outcome)
    return wanted


def _name(design: TrialDesign, number: int) -> str:
    """Return what the forecast calls an outcome of the design."""
    outcome = design.outcomes[number]
    if number:
        return outcome.words
    return CHOSEN if outcome.chosen else PRIMARY


def is_open_label(design: TrialDesign, arm: Arm) -> bool:
    """Return whether the patients of an arm know that they get cells."""
    return not design.blinded and _has_cells(arm)


def judged_responders(pool: PotentialOutcomes, trials: Trials, event: str, arm: int, as_arm: int, visit: int,
                      number: NDArray[np.int64], shift: NDArray[np.float64], failure: str | None, seed: int,
                      purpose: str) -> NDArray[np.int64]:
    """Return the responders of an open arm as reported."""
    share = true_share(pool, event, as_arm, visit, failure)
    u = generator(seed, purpose).random(trials.draw.size)
    return judged(number, trials.subject[arm].shape[1], share[trials.draw], shift[trials.draw], u)


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


def weighted_points(values: NDArray[np.float64], weight: NDArray[np.float64],
                    levels: Sequence[float]) -> tuple[float, ...]:
    """Return weighted quantiles."""
    order = np.argsort(values)
    edges = np.cumsum(weight[order]) / weight.sum()
    at = np.searchsorted(edges, levels).clip(0, values.size - 1)
    return tuple(float(x) for x in values[order][at])


def clustered_error(values: NDArray, cluster: NDArray[np.int64], weight: NDArray[np.float64] | None = None) -> float:
    """Return the standard error of a mean when the values of one cluster belong together.

    Parameters
    ----------
    values : ndarray, shape (n,)
    cluster : ndarray of int64, shape (n,)
    weight : ndarray, shape (n,), optional
        Equal by default.
    """
    w = np.full(values.size, 1.0) if weight is None else weight
    w = w / w.sum()
    residual = np.bincount(cluster, weights=w * (values - (w * values).sum()))
    return float(np.sqrt((residual**2).sum()))


def share_error(happened: NDArray[np.bool_], cluster: NDArray[np.int64]) -> float:
    """Return the standard error of a share over clustered trials; never quite zero."""
    share = happened.mean()
    floor = np.sqrt(max(share * (1.0 - share), 1e-9) / happened.size)
    return float(max(clustered_error(happened.astype(float), cluster), floor))


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
