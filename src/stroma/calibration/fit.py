"""`stroma calibrate`: the background on control arms first, then the MSC effect, each round resumable."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stroma import __version__
from stroma.calibration.fingerprint import code_hash, data_hash, fit_key
from stroma.calibration.likelihood import Likelihood, open_label_shift
from stroma.calibration.posterior import PRIORS, Posterior, distinct_size
from stroma.calibration.sampler import (
    Emulated,
    Emulator,
    explore,
    importance_weights,
)
from stroma.calibration.simulate import VISIT_DAY, Draws, Progress, simulate_targets
from stroma.calibration.targets import Target, TargetList, load_targets, require_fit_side
from stroma.disease import Disease
from stroma.engine.ensemble import Backend
from stroma.errors import fail
from stroma.library import library_root
from stroma.population.priors import centre, limits, log_prior, sample_prior
from stroma.streams import generator
from stroma.trial.rules import load_rules

MIN_EFFECTIVE_SIZE = 100.0
ENOUGH_EFFECTIVE_SIZE = 400.0
SCEPTICAL_MEDIAN = 0.2
SCEPTICAL_SPREAD = 0.8
CHAIN_STEPS = 4000


@dataclass(frozen=True)
class Settings:
    """Sizes of a calibration.

    Parameters
    ----------
    prior_draws, draws : int
        Draws of the first round and of each later one.
    subjects : int
        Subjects a draw.
    rounds : int
        Most rounds after the first.
    seed : int
    """

    prior_draws: int = 2000
    draws: int = 2000
    subjects: int = 100
    rounds: int = 4
    seed: int = 1

    def key(self) -> str:
        """Return a text that changes with every setting."""
        return f"{self.prior_draws}/{self.draws}/{self.subjects}/{self.rounds}/{self.seed}"


@dataclass(frozen=True)
class Round:
    """Draws of one round, their predicted statistics and weights.

    Parameters
    ----------
    draws : Draws
    predicted : ndarray, shape (n_draw, n_target)
        Smoothed over draws in the background stage, as simulated in the other.
    group : ndarray of int64, shape (n_draw,)
        Which background draw each row has.
    weight : ndarray, shape (n_draw,)
    effective : float
        Effective number of distinct background draws.
    residual_sd : ndarray, shape (n_target,)
        What the emulator leaves unexplained: mostly the Monte-Carlo noise of the patients of a draw.
    """

    draws: Draws
    predicted: NDArray[np.float64]
    group: NDArray[np.int64]
    weight: NDArray[np.float64]
    effective: float
    residual_sd: NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """What a calibration found: the posterior and the background round behind it."""

    posterior: Posterior
    background: Round
    background_targets: tuple[Target, ...]
    cells: Round
    cell_targets: tuple[Target, ...]


class Checkpoints:
    """Rounds kept on disk by content, so that an interrupted calibration goes on where it stopped."""

    def __init__(self, folder: Path, key: str) -> None:
        self.folder = folder / key
        self.folder.mkdir(parents=True, exist_ok=True)

    def arrays(self, name: str, make: Callable[[], dict[str, NDArray]]) -> dict[str, NDArray]:
        """Return the named arrays, computing and keeping them when they are not there."""
        path = self.folder / f"{name}.npz"
        if path.is_file():
            with np.load(path) as kept:
                return dict(kept)
        found = make()
        part = path.with_suffix(".part.npz")
        np.savez(part, **found)  # type: ignore[arg-type]
        part.replace(path)
        return found


def calibrate(disease: Disease, backend: Backend, settings: Settings, work: Path,
              progress: Progress | None = None, targets: TargetList | None = None) -> Calibration:
    """Fit a disease's posterior.

    Parameters
    ----------
    disease : Disease
    backend : Backend
    settings : Settings
    work : Path
        Folder for checkpoints.
    progress : callable, optional
        Called with (stage, done, total).
    targets : TargetList, optional
        Instead of the library's own list (synthetic checks).

    Raises
    ------
    StromaError
        C010-C012 when a target of the validation side reaches the fit; C030 when the effective sample
        size stays below 100.
    """
    listed = targets or load_targets(disease)
    background, cells = listed.of("fit_background"), listed.of("fit_msc")
    require_fit_side([*background, *cells])
    kept = Checkpoints(work, fit_key(disease, [*background, *cells], settings.key()))
    first = fit_background(disease, background, settings, backend, kept, progress)
    second, log_bias = _fit_cells(disease, cells, first, settings, backend, kept, progress)
    posterior = _posterior(disease, first, second, log_bias, listed, settings)
    return Calibration(posterior, first, tuple(background), second, tuple(cells))


def _staged(progress: Progress | None, stage: str) -> Progress | None:
    return None if progress is None else lambda _, done, total: progress(stage, done, total)


def fit_background(disease: Disease, targets: Sequence[Target], settings: Settings, backend: Backend,
                   kept: Checkpoints, progress: Progress | None) -> Round:
    """Fit the background parameters to control arms, round by round until enough draws count.

    Raises
    ------
    StromaError
        C010-C011 for targets of the validation side, C030 when the effective sample size stays below 100.
    """
    require_fit_side(targets)
    names = disease.fitted_in("background")
    rules = load_rules(library_root() / "evidence" / "response_rules.csv")
    spread_at = names.index("study_spread")
    likelihood = Likelihood(disease, targets)

    def simulate(scaled: NDArray[np.float64], label: str) -> NDArray[np.float64]:
        return simulate_targets(disease, targets, rules, Draws(names, scaled), settings.subjects, settings.seed,
                                backend, VISIT_DAY, _staged(progress, label))

    def log_posterior(scaled: NDArray[np.float64], predicted: NDArray[np.float64]) -> NDArray[np.float64]:
        prior = log_prior(disease, names, scaled)
        spread = np.exp(np.clip(scaled[:, spread_at], -5, 2))
        return prior + likelihood.total(predicted, spread)

    def next_round(emulator: Emulator, best: NDArray[np.float64], number: int) -> dict[str, NDArray]:
        points, log_proposed = _propose(emulator, log_posterior, best, settings, number)
        return {"scaled": points, "log_proposed": log_proposed,
                "predicted": simulate(points, f"control arms, round {number + 1}")}

    scaled = sample_prior(disease, names, settings.prior_draws, settings.seed)
    first = kept.arrays("background_0", lambda: {"predicted": simulate(scaled, "control arms, round 1")})
    near = Emulated(scaled, first["predicted"])
    found: Round | None = None
    for number in range(1, settings.rounds + 1):
        best = near.scaled[np.argsort(-log_posterior(near.scaled, near.emulator.predict(near.scaled)))]
        arrays = kept.arrays(f"background_{number}", partial(next_round, near.emulator, best, number))
        scaled = arrays["scaled"]
        near = near.joined(scaled, arrays["predicted"]) if number > 1 else Emulated(scaled, arrays["predicted"])
        smooth = near.emulator.predict(scaled)
        weight, effective = importance_weights(log_posterior(scaled, smooth), arrays["log_proposed"])
        found = Round(Draws(names, scaled), smooth, np.arange(weight.size), weight, effective,
                      near.emulator.residual_sd)
        if effective >= ENOUGH_EFFECTIVE_SIZE:
            break
    assert found is not None
    if found.effective < MIN_EFFECTIVE_SIZE:
        raise fail("C030", f"the background posterior has an effective sample size of {found.effective:.0f}, "
                           f"{MIN_EFFECTIVE_SIZE:.0f} are needed", hint="more --draws or --rounds", exit_code=3)
    return found


def _propose(emulator: Emulator, log_posterior: Callable, best: NDArray[np.float64], settings: Settings,
             number: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw from the emulated posterior, starting at the best draws so far; return draws and log density."""

    def density(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.nan_to_num(log_posterior(x, emulator.predict(x)), nan=-np.inf)

    chain = explore(density, best[:4 * best.shape[1]], CHAIN_STEPS, settings.seed + number)
    points = chain[generator(settings.seed, f"proposal/{number}").choice(chain.shape[0], settings.draws)]
    return points, density(points)


def _fit_cells(disease: Disease, targets: list[Target], first: Round, settings: Settings, backend: Backend,
               kept: Checkpoints, progress: Progress | None) -> tuple[Round, dict[str, NDArray[np.float64]]]:
    """Weigh draws of the background posterior with prior draws of the MSC parameters."""
    rules = load_rules(library_root() / "evidence" / "response_rules.csv")
    rng = generator(settings.seed, "background draws for cells")
    position = (np.arange(settings.draws) + rng.random()) / settings.draws
    pick = rng.permutation(np.searchsorted(np.cumsum(first.weight), position).clip(0, first.draws.n - 1))
    own = [n for n in disease.uncertain if n not in first.draws.names]
    scaled = np.concatenate([first.draws.scaled[pick], sample_prior(disease, own, settings.draws, settings.seed + 1)],
                            axis=1)
    draws = Draws((*first.draws.names, *own), scaled)
    predicted = kept.arrays("cells", lambda: {"predicted": simulate_targets(
        disease, targets, rules, draws, settings.subjects, settings.seed, backend, VISIT_DAY,
        _staged(progress, "MSC series"))})["predicted"]
    log_bias = {"current": _cells_log_likelihood(disease, targets, draws, predicted, open_label=True),
                "enthusiastic": _cells_log_likelihood(disease, targets, draws, predicted, open_label=False)}
    weight, _ = importance_weights(log_bias["current"], np.zeros(draws.n))
    effective = distinct_size(weight, pick)
    if effective < MIN_EFFECTIVE_SIZE:
        raise fail("C030", f"the MSC posterior rests on {effective:.0f} effective background draws, "
                           f"{MIN_EFFECTIVE_SIZE:.0f} are needed", hint="more --draws", exit_code=3)
    return Round(draws, predicted, pick, weight, effective, np.zeros(len(targets))), log_bias


def _cells_log_likelihood(disease: Disease, targets: list[Target], draws: Draws, predicted: NDArray[np.float64],
                          open_label: bool) -> NDArray[np.float64]:
    values = draws.natural(disease)
    shift = np.zeros_like(predicted)
    if open_label:
        for i, target in enumerate(targets):
            shift[:, i] = open_label_shift(disease, target.kind, target.quantity, values)
    spread = np.full(draws.n, disease.parameters["series_spread"].value)
    parts = Likelihood(disease, targets).by_trial(predicted, spread, shift)
    return parts.sum(axis=1) * min(1.0, disease.config["msc_series"]["independent"] / parts.shape[1])


def _posterior(disease: Disease, first: Round, second: Round, log_bias: Mapping[str, NDArray[np.float64]],
               listed: TargetList, settings: Settings) -> Posterior:
    amplitude = second.draws.scaled[:, second.draws.names.index(disease.amplitude)]
    sceptical = log_bias["current"] + _sceptical_ratio(disease, amplitude)
    logs = {"none": np.zeros(second.draws.n), "sceptical": sceptical, **log_bias}
    weights = {name: importance_weights(logs[name], np.zeros(second.draws.n))[0] for name in PRIORS}
    fitted = {role: listed.of(role) for role in ("fit_background", "fit_msc")}
    years = {role: max((t.year for t in found), default=0) for role, found in fitted.items()}
    manifest = {
        "disease": disease.disease_id, "stroma": __version__, "model_hash": disease.model.content_hash,
        "data_hash": data_hash(disease), "code_hash": code_hash(),
        "settings": settings.key(), "simulated": True,
        "target_ids": [t.target_id for found in fitted.values() for t in found],
        "background_fitted_before": f"{years['fit_background'] + 1}-01-01",
        "msc_fitted_before": f"{years['fit_msc'] + 1}-01-01",
        "fitted_before": f"{max(years.values()) + 1}-01-01",
        "undated_targets": sorted({t.study_id for found in fitted.values() for t in found if not t.year}),
        "excluded": [{"target_id": e.target_id, "reason": e.reason}
                     for e in listed.excluded if e.role.startswith("fit")],
        "effective_size": {"background": round(first.effective, 1),
                           **{n: round(distinct_size(weights[n], second.group), 1) for n in PRIORS}},
    }
    return Posterior(second.draws.names, second.draws.scaled, second.group, weights, json.loads(json.dumps(manifest)))


def _sceptical_ratio(disease: Disease, scaled: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log ratio of the sceptical to the current prior of the amplitude: median 0.2 instead of the table's."""
    p = disease.parameters[disease.amplitude]
    assert limits(p)[1] > np.log(SCEPTICAL_MEDIAN)
    current = -0.5 * ((scaled - centre(p)) / p.spread) ** 2 - np.log(p.spread)
    sceptical = -0.5 * ((scaled - np.log(SCEPTICAL_MEDIAN)) / SCEPTICAL_SPREAD) ** 2 - np.log(SCEPTICAL_SPREAD)
    return sceptical - current
