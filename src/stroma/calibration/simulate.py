"""Draws × subjects through the arms that targets need, reduced to one number a draw and target.

Every draw has its own patients, so that what a fit averages over draws also averages over patients. The
arms of one draw share patients: both arms of a trial start alike.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from stroma.calibration.logits import empirical_logit
from stroma.calibration.targets import Target
from stroma.disease import Disease
from stroma.engine.ensemble import Backend, Tolerance
from stroma.population.baseline import sample_baselines
from stroma.population.priors import from_scale
from stroma.population.subjects import Subjects, build_subjects
from stroma.therapy import CellDose, Therapy, load_therapy
from stroma.trial.observe import Quantities, observe
from stroma.trial.pool import YEAR, solve_pool
from stroma.trial.rules import ResponseRule

VISIT_DAY = np.array([0.0, 30, 90, 168, 180, 270, 365])
LATE_VISIT_DAY = np.array([0.0, 30, 60, 90, 120, 168, 180, 270, 365, 450, 532, 630, 728, 840, 1095, 1460, 1826])
# A target further than this from every visit of the grid gets a visit of its own.
NEAR_DAY = 4.0
# Loose enough to be fast, tight enough that the error is far below the noise of a visit.
TOLERANCE = Tolerance(relative=1e-4, absolute=1e-7)
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Draws:
    """Parameter draws on the scale of their priors.

    Parameters
    ----------
    names : tuple of str
    scaled : ndarray, shape (n_draw, n_name)
    """

    names: tuple[str, ...]
    scaled: NDArray[np.float64]

    @property
    def n(self) -> int:
        """Return the number of draws."""
        return self.scaled.shape[0]

    def natural(self, disease: Disease) -> dict[str, NDArray[np.float64]]:
        """Return each parameter on its natural scale, shape (n_draw,)."""
        return {name: from_scale(disease.parameters[name], self.scaled[:, i]) for i, name in enumerate(self.names)}


def people_of(disease: Disease, draws: Draws, per_draw: int, population: str, region: str, seed: int,
              first_draw: int = 0) -> Subjects:
    """Return ``per_draw`` subjects for each draw; row ``j * per_draw + s`` is subject ``s`` of draw ``j``.

    Subject numbers count on from ``first_draw * per_draw``: a draw keeps its patients in any chunk.
    """
    slot = np.arange(draws.n * per_draw, dtype=np.int64) + first_draw * per_draw
    drawn = population if population in disease.config["populations"] else disease.config["populations"][-1]
    covariates = sample_baselines(disease, drawn, seed, slot)
    values = {k: np.repeat(v, per_draw) for k, v in draws.natural(disease).items()}
    shifts = disease.config.get("shift_weight", {})
    terms = {term: float(weight.get(drawn, 0.0)) for term, weight in shifts.items()} | {region: 1.0}
    return build_subjects(disease, covariates, values, seed, slot, terms)


def regimen(disease: Disease, code: str, dose: CellDose | None = None) -> list[Therapy]:
    """Return the therapies behind a therapy code; cells get the arm's dose, else the usual one of the series."""
    found = [load_therapy(t) for t in disease.regimens[code]["therapies"]]
    given = dose or CellDose(float(disease.config["msc_series"]["cells_per_kg"]), True)
    return [t.with_dose(given) if t.kind == "cells" else t for t in found]


def visits_of(targets: Sequence[Target]) -> NDArray[np.float64]:
    """Return the visits at which an arm is seen: a grid as long as its targets need, and days far from that grid."""
    days = np.array([t.day for t in targets])
    last = days.max()
    grid = VISIT_DAY if last <= VISIT_DAY[-1] + NEAR_DAY else LATE_VISIT_DAY[last + NEAR_DAY >= LATE_VISIT_DAY]
    far = days[np.abs(days[:, None] - grid).min(axis=1) > NEAR_DAY]
    return np.union1d(grid, far)


def simulate_targets(disease: Disease, targets: Sequence[Target], rules: Mapping[str, ResponseRule], draws: Draws,
                     per_draw: int, seed: int, backend: Backend, progress: Progress | None = None,
                     chunk: int = 20_000) -> NDArray[np.float64]:
    """Return the predicted statistic of every draw and target, on the scale of the likelihood.

    Parameters
    ----------
    draws : Draws
    per_draw : int
        Subjects a draw.
    progress : callable, optional
        Called with (stage, done, total).
    chunk : int
        Subjects solved at once; bounds memory.

    Returns
    -------
    ndarray, shape (n_draw, n_target)
        Logit of a share (also of a hazard target), mean change, or log ratio.
    """
    out = np.full((draws.n, len(targets)), np.nan)
    arms: dict[tuple[str, str, str, CellDose | None], list[int]] = defaultdict(list)
    for i, target in enumerate(targets):
        if target.kind == "hazard":
            hazard = draws.natural(disease)[disease.config["flare_hazard"]]
            out[:, i] = logit(np.clip(1.0 - np.exp(-hazard * target.day / YEAR), 1e-4, 1 - 1e-4))
        else:
            arms[target.regimen, target.population, target.region, target.dose].append(i)
    step = max(1, chunk // per_draw)
    total, done = len(arms) * draws.n, 0
    for (code, population, region, dose), members in arms.items():
        visit_day = visits_of([targets[i] for i in members])
        for first in range(0, draws.n, step):
            part = Draws(draws.names, draws.scaled[first:first + step])
            people = people_of(disease, part, per_draw, population, region, seed, first)
            pool = solve_pool(disease, people, regimen(disease, code, dose), visit_day, seed, backend, TOLERANCE)
            seen = observe(disease, pool, seed)
            for i in members:
                out[first:first + part.n, i] = statistic(disease, targets[i], seen, visit_day, rules, per_draw,
                                                        pool.solved)
            done += part.n
            if progress:
                progress("simulate", done, total)
    return out


def statistic(disease: Disease, target: Target, seen: Quantities, visit_day: NDArray[np.float64],
              rules: Mapping[str, ResponseRule], per_draw: int, solved: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Reduce one arm's quantities to the target's statistic for every draw, shape (n_draw,)."""
    if target.kind == "proportion":
        return empirical_logit(*share(disease, target, seen, visit_day, rules, per_draw, solved))
    visit, weight = _visit(target, visit_day), _counted(disease, target, seen, per_draw, solved)
    values = seen[target.quantity]
    if target.kind == "change":
        return _mean(values[:, visit] - values[:, 0], weight)
    return np.log(np.maximum(_mean(values[:, visit], weight), 1e-6) / np.maximum(_mean(values[:, 0], weight), 1e-6))


def share(disease: Disease, target: Target, seen: Quantities, visit_day: NDArray[np.float64],
          rules: Mapping[str, ResponseRule], per_draw: int,
          solved: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the share of responders of every draw and of how many patients it is, effectively; shape (n_draw,)."""
    weight = _counted(disease, target, seen, per_draw, solved)
    responds = rules[target.quantity].evaluate(seen, visit_day)[:, _visit(target, visit_day)]
    return _mean(responds, weight), weight.sum(axis=1) ** 2 / np.maximum((weight**2).sum(axis=1), 1e-300)


def _visit(target: Target, visit_day: NDArray[np.float64]) -> int:
    return int(np.argmin(np.abs(visit_day - target.day)))


def _counted(disease: Disease, target: Target, seen: Quantities, per_draw: int,
             solved: NDArray[np.bool_]) -> NDArray[np.float64]:
    return entry_weight(disease, target, seen, per_draw) * solved.reshape(-1, per_draw)


def _mean(values: NDArray, weight: NDArray[np.float64]) -> NDArray[np.float64]:
    table = np.nan_to_num(np.asarray(values, float)).reshape(weight.shape)
    return (table * weight).sum(axis=1) / np.maximum(weight.sum(axis=1), 1e-12)


def entry_weight(disease: Disease, target: Target, seen: Quantities, per_draw: int) -> NDArray[np.float64]:
    """Weights that truncate at entry and tilt the mean severity to the arm's own, shape (n_draw, per_draw).

    Truncation acts on the measured baseline, so that regression to the mean follows by itself.
    """
    says = disease.config["severity"]
    measured = np.nan_to_num(seen[disease.severity][:, 0]).reshape(-1, per_draw)
    admitted = (measured >= says["entry"]).astype(float)
    if target.severity is None:
        return admitted
    tilt = _tilt(measured, admitted, target.severity, says["tilt"])
    return admitted * np.exp(tilt * (measured - target.severity))


def _tilt(values: NDArray[np.float64], weight: NDArray[np.float64], goal: float,
          bounds: Sequence[float]) -> float:
    """Return the exponential tilt within bounds that moves the overall weighted mean to ``goal``."""
    low, high = bounds
    for _ in range(50):
        middle = 0.5 * (low + high)
        w = weight * np.exp(middle * (values - goal))
        mean = float((w * values).sum() / w.sum())
        low, high = (middle, high) if mean < goal else (low, middle)
        if math.isclose(mean, goal, rel_tol=1e-4):
            break
    return 0.5 * (low + high)
