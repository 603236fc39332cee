"""Checks of the background: control arms in the fit, left out of it, and published after it.

Leaving a trial out rarely needs a new fit: given the parameters the trials are independent, so that dividing the
posterior weights by the trial's own likelihood gives the posterior without it. Where too few draws would
then count, the posterior without the trial is sampled anew, with the emulator of all that the fit simulated.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stroma.calibration.background import GUIDE_STEPS, BackgroundDensity
from stroma.calibration.baselines import random_effects
from stroma.calibration.fingerprint import fit_key
from stroma.calibration.fit import Calibration
from stroma.calibration.likelihood import Likelihood
from stroma.calibration.predictive import (
    Sample,
    posterior_draws,
    predictive_sample,
    simulate_halves,
    without_noise,
)
from stroma.calibration.rounds import Checkpoints, Settings, Simulated
from stroma.calibration.scores import LEVEL, central_interval, contains, interval_score
from stroma.calibration.simulate import Draws, Progress
from stroma.calibration.targets import Target
from stroma.disease import Disease
from stroma.engine.ensemble import Backend
from stroma.population.subjects import effective_size

FILE = "background_check.csv"
MIN_DRAWS = 50.0
MIN_OTHERS = 3
LATE_DRAWS, LATE_SUBJECTS = 500, 100
WITHOUT_DRAWS = 500


@dataclass(frozen=True)
class CheckedArm:
    """One number of a control arm beside its prediction.

    Parameters
    ----------
    check : {"loto", "later", "fitted"}
        Left out with its whole trial, published after the fit, or fitted.
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
        Of the fit; a trial without which fewer than 50 draws count is left out by sampling anew.
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
            draws, predicted = _explored(disease, found.simulated, trial, [t for _, t in own], settings, backend, work,
                                         progress)
            weight = np.ones(draws.n)
        for k, (_, t) in enumerate(own):
            others = [o for _, o in arms if o.trial != trial and o.kind == t.kind]
            reference = random_effects(others, t, settings.seed) if len(others) >= MIN_OTHERS else None
            checked.append(_check(disease, "loto", t, predicted[:, k], _spread(draws), weight / weight.sum(),
                                  reference, settings.seed))
    return checked


def fitted_arms(disease: Disease, found: Calibration, seed: int) -> list[CheckedArm]:
    """Compare every fitted number of a control arm with the posterior: what the fit cannot reach, not a forecast."""
    whole, targets = found.background, found.background_targets
    spread = _spread(whole.draws)
    checked = []
    for i, t in enumerate(targets):
        others = [o for o in targets if o.trial != t.trial and (o.kind, o.quantity) == (t.kind, t.quantity)]
        reference = random_effects(others, t, seed) if len(others) >= MIN_OTHERS else None
        checked.append(_check(disease, "fitted", t, whole.predicted[:, i], spread, whole.weight, reference, seed))
    return checked


def _spread(draws: Draws) -> NDArray[np.float64]:
    return np.exp(draws.scaled[:, draws.names.index("study_spread")])


def _explored(disease: Disease, whole: Simulated, trial: str, own: Sequence[Target], settings: Settings,
              backend: Backend, work: Path, progress: Progress | None) -> tuple[Draws, NDArray[np.float64]]:
    """Sample the background posterior without a trial and simulate that trial's arms at what was found.

    The likelihood of the other trials is that of the emulator fitted to all that the whole fit simulated; the arms
    left out are simulated anew.
    """
    rest = [t for t in whole.targets if t.trial != trial]
    kept = Checkpoints(work, fit_key(disease, rest, f"{settings.key()}/explored from {whole.key}", "background"))

    def explored() -> dict[str, NDArray]:
        draws, _ = BackgroundDensity(disease, rest).sample(whole.of(rest), WITHOUT_DRAWS, GUIDE_STEPS, settings.seed,
                                                           f"without {trial}")
        return {"scaled": draws.scaled, **simulate_halves(disease, own, draws, settings.subjects, settings.seed,
                                                          backend, report)}

    def report(_: str, done: int, total: int) -> None:
        if progress:
            progress(f"without {trial}", done, total)

    found = kept.arrays("left_out_halves", explored)
    return Draws(disease.fitted_in("background"), found["scaled"]), without_noise(found)


def later_arms(disease: Disease, found: Calibration, targets: Sequence[Target], backend: Backend, seed: int,
               progress: Progress | None = None) -> list[CheckedArm]:
    """Predict control arms published after the fit, without fitting anything again."""
    draws = posterior_draws(found.posterior, "none", LATE_DRAWS, seed)
    predicted = without_noise(simulate_halves(disease, targets, draws, LATE_SUBJECTS, seed, backend, progress))
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
