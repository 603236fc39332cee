"""Checks of the background: control arms left out of the fit, and control arms published after it.

Leaving a trial out rarely needs a new fit: given the parameters the trials are independent, so that dividing the
posterior weights by the trial's own likelihood gives the posterior without it. Where too few draws would
then count, the background is fitted again without the trial, beginning where the fit of all trials simulated.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stroma.calibration.baselines import random_effects
from stroma.calibration.fingerprint import fit_key
from stroma.calibration.fit import Calibration, Checkpoints, Settings, Simulated, fit_background
from stroma.calibration.likelihood import Likelihood
from stroma.calibration.predictive import Sample, posterior_draws, predictive_sample
from stroma.calibration.scores import LEVEL, central_interval, contains, interval_score
from stroma.calibration.simulate import Draws, Progress, simulate_targets
from stroma.calibration.targets import Target
from stroma.disease import Disease
from stroma.engine.ensemble import Backend
from stroma.library import library_root
from stroma.population.subjects import effective_size
from stroma.trial.rules import load_rules

FILE = "background_check.csv"
MIN_DRAWS = 50.0
MIN_OTHERS = 3
LATE_DRAWS, LATE_SUBJECTS = 500, 100


@dataclass(frozen=True)
class CheckedArm:
    """One control arm, predicted without having been fitted.

    Parameters
    ----------
    check : {"loto", "later"}
        Left out with its whole trial, or published after the fit.
    unit : str
        Percent for shares, else the outcome's own unit.
    score, reference_score : float
        Interval score of the 90 % interval, and that of a random-effects prediction interval of the other
        trials' arms (NaN where there is none); smaller is better.
    draws : float
        Effective number of draws behind the prediction.
    """

    check: str
    trial: str
    arm: str
    outcome: str
    day: float
    n: float
    n_assumed: bool
    unit: str
    observed: float
    median: float
    lo50: float
    hi50: float
    lo90: float
    hi90: float
    inside_50: bool
    inside_90: bool
    score: float
    reference_lo90: float
    reference_hi90: float
    reference_score: float
    draws: float


def leave_one_trial_out(disease: Disease, found: Calibration, settings: Settings, backend: Backend, work: Path,
                        progress: Progress | None = None) -> list[CheckedArm]:
    """Predict the disease's main outcome of each fitted control arm from all other trials.

    Parameters
    ----------
    found : Calibration
    settings : Settings
        Of the fit; a trial without which fewer than 50 draws count is left out by a fit of its own.
    work : Path
        Folder for checkpoints.
    """
    targets, whole = found.background_targets, found.background
    likelihood = Likelihood(disease, targets)
    by_trial = likelihood.by_trial(whole.predicted, _spread(whole.draws))
    arms = [(i, t) for i, t in enumerate(targets) if t.outcome == disease.config["check_outcome"]]
    checked = []
    for trial in dict.fromkeys(t.trial for _, t in arms):
        own = [(i, t) for i, t in arms if t.trial == trial]
        log_weight = np.log(np.maximum(whole.weight, 1e-300)) - by_trial[:, likelihood.trials.index(trial)]
        weight = np.exp(log_weight - log_weight.max())
        draws, predicted = whole.draws, whole.predicted[:, [i for i, _ in own]]
        if effective_size(weight) < MIN_DRAWS:
            draws, predicted, weight = _refit(disease, found.simulated, trial, [t for _, t in own], settings, backend,
                                              work, progress)
        for k, (_, t) in enumerate(own):
            others = [o for _, o in arms if o.trial != trial and o.kind == t.kind]
            reference = random_effects(others, t, settings.seed) if len(others) >= MIN_OTHERS else None
            checked.append(_check(disease, "loto", t, predicted[:, k], _spread(draws), weight / weight.sum(),
                                  reference, settings.seed))
    return checked


def _spread(draws: Draws) -> NDArray[np.float64]:
    return np.exp(draws.scaled[:, draws.names.index("study_spread")])


def _refit(disease: Disease, whole: Simulated, trial: str, own: Sequence[Target], settings: Settings,
           backend: Backend, work: Path,
           progress: Progress | None) -> tuple[Draws, NDArray[np.float64], NDArray[np.float64]]:
    """Fit the background without a trial and predict its arms."""
    rest = [t for t in whole.targets if t.trial != trial]
    kept = Checkpoints(work, fit_key(disease, rest, f"{settings.key()}/from {whole.key}"))

    def report(stage: str, done: int, total: int) -> None:
        if progress:
            progress(f"without {trial}: {stage}", done, total)

    fitted, _ = fit_background(disease, rest, settings, backend, kept, report, start=whole.of(rest))
    rules = load_rules(library_root() / "evidence" / "response_rules.csv")
    left_out = kept.arrays("left_out", lambda: {"predicted": simulate_targets(
        disease, own, rules, fitted.draws, settings.subjects, settings.seed, backend, report)})
    return fitted.draws, left_out["predicted"], fitted.weight


def later_arms(disease: Disease, found: Calibration, targets: Sequence[Target], backend: Backend, seed: int,
               progress: Progress | None = None) -> list[CheckedArm]:
    """Predict control arms published after the fit, without fitting anything again."""
    draws = posterior_draws(found.posterior, "none", LATE_DRAWS, seed)
    rules = load_rules(library_root() / "evidence" / "response_rules.csv")
    predicted = simulate_targets(disease, targets, rules, draws, LATE_SUBJECTS, seed, backend, progress)
    spread = _spread(draws)
    flat = np.full(draws.n, 1.0 / draws.n)
    return [_check(disease, "later", t, predicted[:, i], spread, flat, None, seed) for i, t in enumerate(targets)]


def _check(disease: Disease, check: str, target: Target, predicted: NDArray[np.float64],
           spread: NDArray[np.float64], weight: NDArray[np.float64], reference: Sample | None, seed: int) -> CheckedArm:
    sample = predictive_sample(disease, target, predicted, spread, weight, seed, f"{check}/{target.target_id}")
    observed, (low50, high50), (low90, high90) = (
        sample.observed, central_interval(sample.values, 0.5), central_interval(sample.values, LEVEL))
    low, high = (np.nan, np.nan) if reference is None else central_interval(reference.values, LEVEL)
    return CheckedArm(
        check, target.trial, target.arm_label, target.outcome, target.day, target.n, target.n_assumed, sample.unit,
        observed, float(np.median(sample.values)), low50, high50, low90, high90, contains(low50, high50, observed),
        contains(low90, high90, observed), interval_score(low90, high90, observed), low, high,
        float("nan") if reference is None else interval_score(low, high, observed), effective_size(weight))


def save_checks(checked: Sequence[CheckedArm], folder: Path) -> Path:
    """Write ``background_check.csv`` beside the posterior."""
    path = folder / FILE
    part = path.with_suffix(".part")
    with part.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([f.name for f in fields(CheckedArm)])
        for arm in checked:
            writer.writerow([f"{v:.4g}" if isinstance(v, float) else v for v in astuple(arm)])
    part.replace(path)
    return path
