"""Checks of the background: control arms left out of the fit, and control arms published after it.

Leaving a trial out rarely needs a new fit: given the parameters the trials are independent, so that dividing the
posterior weights by the trial's own likelihood gives the posterior without it. Where too few draws would
then count, the background is fitted again without the trial.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import t as student_t

from stroma.calibration.fingerprint import fit_key
from stroma.calibration.fit import Calibration, Checkpoints, Settings, fit_background
from stroma.calibration.likelihood import Likelihood, effect_scale
from stroma.calibration.simulate import Draws, Progress, simulate_targets
from stroma.calibration.targets import Target
from stroma.disease import Disease
from stroma.engine.ensemble import Backend
from stroma.evidence.pooling import pool
from stroma.library import library_root
from stroma.population.subjects import effective_size
from stroma.streams import generator
from stroma.trial.rules import load_rules

FILE = "background_check.csv"
LEVEL = 0.90
SAMPLES = 20_000
MIN_DRAWS = 50.0
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


def interval_score(low: float, high: float, observed: float, level: float = LEVEL) -> float:
    """Return the interval score (Gneiting and Raftery 2007, JASA 102:359): width plus penalty for missing."""
    miss = max(low - observed, 0.0) + max(observed - high, 0.0)
    return high - low + 2.0 / (1.0 - level) * miss


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
            draws, predicted, weight = _refit(disease, targets, trial, [t for _, t in own], settings, backend, work,
                                              progress)
        others = [t for _, t in arms if t.trial != trial]
        checked += [_check(disease, "loto", t, predicted[:, k], _spread(draws), weight / weight.sum(),
                           _reference(others, t, settings.seed), settings.seed) for k, (_, t) in enumerate(own)]
    return checked


def _spread(draws: Draws) -> NDArray[np.float64]:
    return np.exp(draws.scaled[:, draws.names.index("study_spread")])


def _refit(disease: Disease, targets: Sequence[Target], trial: str, own: Sequence[Target], settings: Settings,
           backend: Backend, work: Path,
           progress: Progress | None) -> tuple[Draws, NDArray[np.float64], NDArray[np.float64]]:
    """Fit the background without a trial and predict its arms."""
    rest = [t for t in targets if t.trial != trial]
    kept = Checkpoints(work, fit_key(disease, rest, settings.key()))

    def report(stage: str, done: int, total: int) -> None:
        if progress:
            progress(f"without {trial}: {stage}", done, total)

    fitted, _ = fit_background(disease, rest, settings, backend, kept, report)
    rules = load_rules(library_root() / "evidence" / "response_rules.csv")
    left_out = kept.arrays("left_out", lambda: {"predicted": simulate_targets(
        disease, own, rules, fitted.draws, settings.subjects, settings.seed, backend, report)})
    return fitted.draws, left_out["predicted"], fitted.weight


def later_arms(disease: Disease, found: Calibration, targets: Sequence[Target], backend: Backend, seed: int,
               progress: Progress | None = None) -> list[CheckedArm]:
    """Predict control arms published after the fit, without fitting anything again."""
    background = found.background
    rng = generator(seed, "later control arms")
    pick = rng.choice(background.draws.n, LATE_DRAWS, p=background.weight)
    draws = Draws(background.draws.names, background.draws.scaled[pick])
    own = [n for n in disease.uncertain if n not in draws.names]
    cells = found.cells.draws
    rest = cells.scaled[:LATE_DRAWS][:, [cells.names.index(n) for n in own]]
    draws = Draws((*draws.names, *own), np.concatenate([draws.scaled, rest], axis=1))
    rules = load_rules(library_root() / "evidence" / "response_rules.csv")
    predicted = simulate_targets(disease, targets, rules, draws, LATE_SUBJECTS, seed, backend, progress)
    spread = _spread(draws)
    flat = np.full(draws.n, 1.0 / draws.n)
    return [_check(disease, "later", t, predicted[:, i], spread, flat, None, seed) for i, t in enumerate(targets)]


def _check(disease: Disease, check: str, target: Target, predicted: NDArray[np.float64],
           spread: NDArray[np.float64], weight: NDArray[np.float64], reference: NDArray[np.float64] | None,
           seed: int) -> CheckedArm:
    rng = generator(seed, f"{check}/{target.target_id}")
    draw = rng.choice(weight.size, SAMPLES, p=weight)
    effect = rng.standard_normal(SAMPLES) * spread[draw] * effect_scale(disease, target.kind, target.quantity)
    latent = predicted[draw] + effect
    sample, observed, unit = _published_scale(target, latent, rng)
    q = np.quantile(sample, [0.05, 0.25, 0.5, 0.75, 0.95])
    low, high = (np.nan, np.nan) if reference is None else tuple(np.quantile(reference, [0.05, 0.95]))
    return CheckedArm(
        check, target.trial, target.arm_label, target.outcome, target.day, target.n, target.n_assumed, unit,
        observed, float(q[2]), float(q[1]), float(q[3]), float(q[0]), float(q[4]), bool(q[1] <= observed <= q[3]),
        bool(q[0] <= observed <= q[4]), interval_score(q[0], q[4], observed), float(low), float(high),
        float("nan") if reference is None else interval_score(low, high, observed), effective_size(weight))


def _published_scale(target: Target, latent: NDArray[np.float64],
                     rng: np.random.Generator) -> tuple[NDArray[np.float64], float, str]:
    """Add the arm's own sampling and return to the scale of the publication."""
    if target.kind in ("proportion", "hazard"):
        n = max(1, round(target.n))
        return 100.0 * rng.binomial(n, expit(latent)) / n, 100.0 * target.observed, "%"
    value = latent + rng.standard_normal(latent.size) * target.standard_error
    if target.kind == "log_ratio":
        return np.exp(value), float(np.exp(target.observed)), "ratio to baseline"
    return value, target.observed, "change"


def _reference(others: Sequence[Target], target: Target, seed: int) -> NDArray[np.float64]:
    """Sample the random-effects prediction of a new arm of the target's size from the other trials' arms."""
    n = np.array([t.n for t in others])
    share = (np.array([t.observed for t in others]) * n + 0.5) / (n + 1.0)
    pooled = pool(logit(share), 1.0 / (n * share * (1.0 - share)))
    rng = generator(seed, f"reference/{target.target_id}")
    scale = np.sqrt(pooled.tau2 + pooled.se**2)
    latent = pooled.estimate + scale * student_t.rvs(len(others) - 2, size=SAMPLES, random_state=rng)
    size = max(1, round(target.n))
    return 100.0 * rng.binomial(size, expit(latent)) / size


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
