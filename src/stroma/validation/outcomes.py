"""Every published number of a plan forecast from its posterior, and scored beside the baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stroma.calibration import baselines
from stroma.calibration.fingerprint import fit_key
from stroma.calibration.likelihood import cells_spread, open_label_shift
from stroma.calibration.origin import has_cells
from stroma.calibration.posterior import Posterior, load_posterior, origin_file
from stroma.calibration.predictive import (
    Sample,
    posterior_draws,
    predictive_sample,
    simulate_halves,
    without_noise,
)
from stroma.calibration.rounds import Checkpoints
from stroma.calibration.scores import LEVEL, central_interval, contains, crps, interval_score, pit
from stroma.calibration.simulate import Draws, Progress
from stroma.calibration.targets import Excluded, Target, TargetList
from stroma.disease import Disease
from stroma.engine.ensemble import Backend
from stroma.errors import Problems, StromaError
from stroma.library import library_root
from stroma.therapy import load_therapy
from stroma.trial.rules import ResponseRule, load_rules
from stroma.validation.plan import Plan, Task

DRAWS, SUBJECTS = 500, 100
POOLED, NO_EFFECT, LAST = "random_effects", "no_msc_effect", "last_study"
BASELINES = (POOLED, NO_EFFECT, LAST)


@dataclass(frozen=True)
class BaselineScore:
    """Interval score and CRPS of one baseline, scaled; ``vague`` where too few earlier studies exist for it."""

    score: float
    crps: float
    vague: bool


@dataclass(frozen=True)
class Scored:
    """One published number, forecast and scored.

    Parameters
    ----------
    target : Target
    disease, origin : str
    cells : bool
        Whether the arm gets cells.
    unit : str
        Of ``observed``, ``median`` and the intervals.
    expected : float
        Mean of the forecast; arms of one trial are ranked by it.
    sd : float
        Reference SD by which ``score`` and ``crps`` are divided.
    score : float
        Interval score of the 90 % interval.
    pit : float
        Where the published number lies in the forecast, 0 to 1.
    baselines : dict of str to BaselineScore
        ``no_msc_effect`` for arms with cells only: for others it is the forecast itself.
    """

    target: Target
    disease: str
    origin: str
    cells: bool
    unit: str
    observed: float
    median: float
    expected: float
    pi50: tuple[float, float]
    pi90: tuple[float, float]
    inside_50: bool
    inside_90: bool
    sd: float
    score: float
    crps: float
    pit: float
    baselines: dict[str, BaselineScore]


@dataclass(frozen=True)
class Validation:
    """A plan carried out: scored numbers, and rows that are none, with reasons."""

    scheme: str
    scored: tuple[Scored, ...]
    excluded: tuple[Excluded, ...]


def carry_out(disease: Disease, listed: TargetList, plan: Plan, backend: Backend, seed: int, work: Path,
              progress: Progress | None = None) -> Validation:
    """Forecast and score everything in a plan.

    An origin whose posterior is not there is left out with that reason.

    Raises
    ------
    StromaError
        C010 when a posterior was fitted to a row that it is to forecast; C021 when a stored posterior is
        damaged or of another model.
    """
    scored: list[Scored] = []
    excluded = list(plan.excluded)
    for number, task in enumerate(plan.tasks):
        try:
            posterior = load_posterior(disease, origin_file(task.origin.label))
        except StromaError as error:
            if error.diagnostics[0].code != "C020":
                raise
            excluded += [Excluded(t.target_id, f"no posterior {task.origin.label} is kept",
                                  t.role, t.line) for t in task.targets]
            continue
        _require_unseen(posterior, task)
        scored += _carry_out_task(disease, listed, task, posterior, backend, seed, work)
        if progress:
            progress("forecast", number + 1, len(plan.tasks))
    return Validation(plan.scheme, tuple(scored), tuple(excluded))


def _require_unseen(posterior: Posterior, task: Task) -> None:
    """Refuse a posterior that has seen what it is to forecast: its target list must hold no row of the task."""
    seen, problems = set(posterior.manifest["target_ids"]), Problems()
    for t in task.targets:
        if t.target_id in seen:
            problems.add("C010", f"`{t.target_id}` was fitted by the posterior {task.origin.label}, which is to "
                                 "forecast it", file=t.file, line=t.line)
    problems.raise_if_any()


def _carry_out_task(disease: Disease, listed: TargetList, task: Task, posterior: Posterior, backend: Backend, seed: int,
                    work: Path) -> list[Scored]:
    rules = load_rules(library_root() / "evidence" / "response_rules.csv")
    settings = f"{posterior.content_hash}/{DRAWS}/{SUBJECTS}/{seed}"
    kept = Checkpoints(work, fit_key(disease, task.targets, settings, "simulate"))

    def predict(name: str, of: Disease, targets: Sequence[Target], draws: Draws) -> NDArray[np.float64]:
        return without_noise(kept.arrays(f"{name}, halves", lambda: simulate_halves(
            of, targets, draws, SUBJECTS, seed, backend)))

    treated = [t for t in task.targets if has_cells(disease, t)]
    control = [t for t in task.targets if not has_cells(disease, t)]
    bare = posterior_draws(posterior, "none", DRAWS, seed)
    full = posterior_draws(posterior, "current", DRAWS, seed)
    scored = _score_arms(disease, rules, listed, task, control, predict("control", disease, control, bare), bare, None,
                         seed)
    if treated:
        inert = predict("no effect", without_cells(disease), treated, bare)
        scored += _score_arms(disease, rules, listed, task, treated, predict("cells", disease, treated, full), full,
                              (inert, bare), seed)
    return scored


def without_cells(disease: Disease) -> Disease:
    """Return the disease with regimens in which nobody gets cells."""
    regimens = {code: {**entry, "therapies": [t for t in entry["therapies"] if load_therapy(t).kind != "cells"]}
                for code, entry in disease.regimens.items()}
    return replace(disease, regimens=regimens)


def _score_arms(disease: Disease, rules: Mapping[str, ResponseRule], listed: TargetList, task: Task,
                targets: Sequence[Target], predicted: NDArray[np.float64], draws: Draws,
                inert: tuple[NDArray[np.float64], Draws] | None, seed: int) -> list[Scored]:
    """Score the forecasts of several arms; ``inert`` is the same without an effect of the cells."""
    out = []
    for i, target in enumerate(targets):
        sample = _sample(disease, rules, target, predicted[:, i], draws, inert is not None, seed)
        earlier = baselines.comparable(target, [t for t in listed.targets if task.origin.refusal(t) is None])
        sd = baselines.reference_sd(target, listed.targets)
        scores = {POOLED: _baseline(baselines.random_effects(earlier, target, seed) if _studies(earlier) > 1
                                    else baselines.vague(target, sd, seed), sd, _studies(earlier) < 2),
                  LAST: _baseline(baselines.last_study(earlier, target, seed) if earlier
                                  else baselines.vague(target, sd, seed), sd, not earlier)}
        if inert is not None:
            same = _sample(disease, rules, target, inert[0][:, i], inert[1], True, seed)
            scores[NO_EFFECT] = _baseline(same, sd, False)
        out.append(score(disease.disease_id, task.origin.label, target, sample, inert is not None, sd, scores))
    return out


def _studies(targets: Sequence[Target]) -> int:
    return len({t.trial for t in targets})


def _sample(disease: Disease, rules: Mapping[str, ResponseRule], target: Target, predicted: NDArray[np.float64],
            draws: Draws, cells: bool, seed: int) -> Sample:
    values = draws.natural(disease)
    spread = cells_spread(disease, target, values) if cells else values["study_spread"]
    shift = open_label_shift(disease, rules, target, values) if cells else None
    return predictive_sample(disease, target, predicted, spread, np.full(draws.n, 1.0 / draws.n), seed,
                             f"validate/{target.target_id}", shift)


def _baseline(sample: Sample, sd: float, is_vague: bool) -> BaselineScore:
    values, observed = sample.scored()
    return BaselineScore(interval_score(*central_interval(values, LEVEL), observed) / sd, crps(values, observed) / sd,
                         is_vague)


def score(disease: str, origin: str, target: Target, sample: Sample, cells: bool, sd: float,
          scores: dict[str, BaselineScore]) -> Scored:
    """Score one forecast.

    Parameters
    ----------
    sd : float
        Reference SD, on the scale on which the sample is scored.
    scores : dict of str to BaselineScore
        Of the baselines.
    """
    values, observed = sample.scored()
    pi50, pi90 = central_interval(sample.values, 0.5), central_interval(sample.values, LEVEL)
    return Scored(
        target, disease, origin, cells, sample.unit, sample.observed, float(np.median(sample.values)),
        float(np.mean(values)), pi50, pi90, contains(*pi50, sample.observed), contains(*pi90, sample.observed), sd,
        interval_score(*central_interval(values, LEVEL), observed) / sd, crps(values, observed) / sd,
        pit(values, observed), scores)
