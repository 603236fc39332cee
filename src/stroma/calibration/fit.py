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
from stroma.calibration.likelihood import Likelihood, cells_spread, open_label_shift
from stroma.calibration.origin import RETROSPECTIVE, Origin, fit_side, require_fit_side
from stroma.calibration.posterior import PRIORS, Posterior, distinct_size
from stroma.calibration.sampler import (
    Emulated,
    Emulator,
    explore,
    importance_weights,
)
from stroma.calibration.simulate import Draws, Progress, simulate_targets
from stroma.calibration.targets import Target, TargetList, load_targets
from stroma.disease import Disease
from stroma.engine.ensemble import Backend
from stroma.errors import fail
from stroma.library import library_root
from stroma.population.priors import centre, limits, log_prior, sample_prior
from stroma.streams import generator
from stroma.trial.rules import ResponseRule, load_rules

MIN_EFFECTIVE_SIZE = 100.0
ENOUGH_EFFECTIVE_SIZE = 400.0
# Batches of draws for the cells, until so many background draws count.
ENOUGH_EFFECTIVE_CELLS = 200.0
CELL_BATCHES = 10
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
    rounds: int = 8
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
class Simulated:
    """Every draw simulated for a background fit, with its targets and the key of that fit."""

    targets: tuple[Target, ...]
    draws: Emulated
    key: str

    def of(self, targets: Sequence[Target]) -> Emulated:
        """Return what was simulated for some of the targets."""
        at = {t.target_id: i for i, t in enumerate(self.targets)}
        return Emulated(self.draws.scaled, self.draws.predicted[:, [at[t.target_id] for t in targets]])


@dataclass(frozen=True)
class Calibration:
    """What a calibration found: the posterior, the background round behind it and all that it simulated."""

    posterior: Posterior
    simulated: Simulated
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
              progress: Progress | None = None, targets: TargetList | None = None,
              origin: Origin = RETROSPECTIVE, start: Simulated | None = None) -> Calibration:
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
    origin : Origin
        What the fit may see.
    start : Simulated, optional
        What was simulated for more rows, this fit's among them; it replaces the first round. It trains the first
        emulator and so says where to simulate; none of its published numbers enters the density.

    Raises
    ------
    StromaError
        C010-C012 when a target that the origin does not see reaches the fit; C030 when the effective sample
        size stays below 100.
    """
    listed = targets or load_targets(disease)
    background, cells = fit_side(disease, listed, origin)
    require_fit_side([*background, *cells], origin)
    begun = settings.key() if start is None else f"{settings.key()}/from {start.key}"
    kept = Checkpoints(work, fit_key(disease, background, begun))
    near = start.of(background) if start else None
    first, drawn = fit_background(disease, background, settings, backend, kept, progress, origin, near)
    simulated = Simulated(tuple(background), drawn, kept.folder.name)
    kept = Checkpoints(work, fit_key(disease, [*background, *cells], begun))
    second, log_bias = fit_cells(disease, cells, first, settings, backend, kept, progress)
    posterior = _posterior(disease, first, second, log_bias, background, cells, listed, settings, origin)
    return Calibration(posterior, simulated, first, tuple(background), second, tuple(cells))


def _staged(progress: Progress | None, stage: str) -> Progress | None:
    return None if progress is None else lambda _, done, total: progress(stage, done, total)


def fit_background(disease: Disease, targets: Sequence[Target], settings: Settings, backend: Backend,
                   kept: Checkpoints, progress: Progress | None, origin: Origin = RETROSPECTIVE,
                   start: Emulated | None = None) -> tuple[Round, Emulated]:
    """Fit the background parameters to control arms, round by round until enough draws count.

    Parameters
    ----------
    start : Emulated, optional
        Draws and their predictions to begin with, instead of a first round of prior draws.

    Returns
    -------
    Round, Emulated
        The last round; every draw simulated.

    Raises
    ------
    StromaError
        C010-C012 for targets that the origin does not see, C030 when the effective sample size stays below 100.
    """
    require_fit_side(targets, origin)
    names = disease.fitted_in("background")
    rules = load_rules(library_root() / "evidence" / "response_rules.csv")
    spread_at = names.index("study_spread")
    likelihood = Likelihood(disease, targets)

    def simulate(scaled: NDArray[np.float64], label: str) -> NDArray[np.float64]:
        return simulate_targets(disease, targets, rules, Draws(names, scaled), settings.subjects, settings.seed,
                                backend, _staged(progress, label))

    def log_posterior(scaled: NDArray[np.float64], predicted: NDArray[np.float64]) -> NDArray[np.float64]:
        prior = log_prior(disease, names, scaled)
        spread = np.exp(np.clip(scaled[:, spread_at], -5, 2))
        return prior + likelihood.total(predicted, spread)

    def next_round(emulator: Emulator, best: NDArray[np.float64], number: int) -> dict[str, NDArray]:
        points, log_proposed = _propose(emulator, log_posterior, best, settings, number)
        return {"scaled": points, "log_proposed": log_proposed,
                "predicted": simulate(points, f"control arms, round {number + 1}")}

    if start is None:
        scaled = sample_prior(disease, names, settings.prior_draws, settings.seed)
        first = kept.arrays("background_0", lambda: {"predicted": simulate(scaled, "control arms, round 1")})
        start = Emulated(scaled, first["predicted"])
    near = simulated = start
    found: Round | None = None
    for number in range(1, settings.rounds + 1):
        best = near.scaled[np.argsort(-log_posterior(near.scaled, near.emulator.predict(near.scaled)))]
        arrays = kept.arrays(f"background_{number}", partial(next_round, near.emulator, best, number))
        scaled = arrays["scaled"]
        near = near.joined(scaled, arrays["predicted"]) if number > 1 else Emulated(scaled, arrays["predicted"])
        simulated = simulated.joined(scaled, arrays["predicted"])
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
    return found, simulated


def _propose(emulator: Emulator, log_posterior: Callable, best: NDArray[np.float64], settings: Settings,
             number: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw from the emulated posterior, starting at the best draws so far; return draws and log density."""

    def density(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.nan_to_num(log_posterior(x, emulator.predict(x)), nan=-np.inf)

    distinct = best[np.sort(np.unique(best, axis=0, return_index=True)[1])]  # a move between equal walkers divides by 0
    chain = explore(density, distinct[:4 * best.shape[1]], CHAIN_STEPS, settings.seed + number)
    points = chain[generator(settings.seed, f"proposal/{number}").choice(chain.shape[0], settings.draws)]
    return points, density(points)


def fit_cells(disease: Disease, targets: list[Target], first: Round, settings: Settings, backend: Backend,
              kept: Checkpoints, progress: Progress | None) -> tuple[Round, dict[str, NDArray[np.float64]]]:
    """Weigh draws of the background posterior with prior draws of the MSC parameters, until enough count.

    Returns
    -------
    Round
        All batches together.
    dict of str to ndarray, shape (n_draw,)
        Log likelihood with open-label bias (``current``) and without (``enthusiastic``).

    Raises
    ------
    StromaError
        C030 when fewer than 100 effective background draws count.
    """
    rules = load_rules(library_root() / "evidence" / "response_rules.csv")
    own = [n for n in disease.uncertain if n not in first.draws.names]
    picks, parts, simulated = [], [], []
    for batch in range(CELL_BATCHES):
        rng = generator(settings.seed, "background draws for cells" + (f"/{batch}" if batch else ""))
        position = (np.arange(settings.draws) + rng.random()) / settings.draws
        picks.append(rng.permutation(np.searchsorted(np.cumsum(first.weight), position).clip(0, first.draws.n - 1)))
        prior = sample_prior(disease, own, settings.draws, settings.seed + 1 + batch)
        parts.append(np.concatenate([first.draws.scaled[picks[-1]], prior], axis=1))
        drawn = Draws((*first.draws.names, *own), parts[-1])
        make = partial(_simulated_cells, disease, targets, rules, drawn, settings, backend, progress)
        simulated.append(kept.arrays(f"cells_{batch}", make)["predicted"])
        pick, predicted = np.concatenate(picks), np.concatenate(simulated)
        draws = Draws(drawn.names, np.concatenate(parts))
        log_bias = {"current": _cells_log_likelihood(disease, rules, targets, draws, predicted, open_label=True),
                    "enthusiastic": _cells_log_likelihood(disease, rules, targets, draws, predicted, open_label=False)}
        weight, _ = importance_weights(log_bias["current"], np.zeros(draws.n))
        effective = distinct_size(weight, pick)
        if effective >= ENOUGH_EFFECTIVE_CELLS:
            break
    if effective < MIN_EFFECTIVE_SIZE:
        raise fail("C030", f"the MSC posterior rests on {effective:.0f} effective background draws, "
                           f"{MIN_EFFECTIVE_SIZE:.0f} are needed", hint="more --draws", exit_code=3)
    return Round(draws, predicted, pick, weight, effective, np.zeros(len(targets))), log_bias


def _simulated_cells(disease: Disease, targets: list[Target], rules: Mapping[str, ResponseRule], draws: Draws,
                     settings: Settings, backend: Backend, progress: Progress | None) -> dict[str, NDArray]:
    return {"predicted": simulate_targets(disease, targets, rules, draws, settings.subjects, settings.seed, backend,
                                          _staged(progress, "MSC series"))}


def _cells_log_likelihood(disease: Disease, rules: Mapping[str, ResponseRule], targets: list[Target], draws: Draws,
                          predicted: NDArray[np.float64], open_label: bool) -> NDArray[np.float64]:
    """Return the log likelihood of the arms with cells; the series of one family count as much as ``independent``."""
    values = draws.natural(disease)
    total = np.zeros(draws.n)
    for family in dict.fromkeys(t.family for t in targets):
        trials = list(dict.fromkeys(t.trial for t in targets if t.family == family))
        share = min(1.0, disease.config["msc_series"]["independent"] / len(trials))
        for trial in trials:
            at = [i for i, t in enumerate(targets) if t.trial == trial]
            own = [targets[i] for i in at]
            shift = _shifts(disease, rules, own, values) if open_label else None
            spread = cells_spread(disease, own[0], values)
            total += share * Likelihood(disease, own).by_trial(predicted[:, at], spread, shift)[:, 0]
    return total


def _shifts(disease: Disease, rules: Mapping[str, ResponseRule], targets: Sequence[Target],
            values: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the open-label bias of some targets, shape (n_draw, n_target)."""
    return np.stack([open_label_shift(disease, rules, t, values) for t in targets], axis=1)


def _posterior(disease: Disease, first: Round, second: Round, log_bias: Mapping[str, NDArray[np.float64]],
               background: Sequence[Target], cells: Sequence[Target], listed: TargetList, settings: Settings,
               origin: Origin) -> Posterior:
    amplitude = second.draws.scaled[:, second.draws.names.index(disease.amplitude)]
    sceptical = log_bias["current"] + _sceptical_ratio(disease, amplitude)
    logs = {"none": np.zeros(second.draws.n), "sceptical": sceptical, **log_bias}
    weights = {name: importance_weights(logs[name], np.zeros(second.draws.n))[0] for name in PRIORS}
    targets = [*background, *cells]
    manifest = {
        "disease": disease.disease_id, "stroma": __version__, "model_hash": disease.model.content_hash,
        "data_hash": data_hash(disease), "code_hash": code_hash(),
        "settings": settings.key(), "simulated": True,
        "target_ids": [t.target_id for t in targets],
        "origin": {"label": origin.label, "before": origin.before, "without": sorted(origin.without)},
        "background_fitted_before": _cut_off(background), "msc_fitted_before": _cut_off(cells),
        "fitted_before": _cut_off(targets),
        "undated_targets": sorted({t.study_id for t in targets if not t.year}),
        "excluded": [{"target_id": e.target_id, "reason": e.reason}
                     for e in listed.excluded if e.role.startswith("fit") or not origin.split],
        "effective_size": {"background": round(first.effective, 1),
                           **{n: round(distinct_size(weights[n], second.group), 1) for n in PRIORS}},
    }
    return Posterior(second.draws.names, second.draws.scaled, second.group, weights, json.loads(json.dumps(manifest)))


def _cut_off(targets: Sequence[Target]) -> str:
    """Return the first day of the year after the last that was fitted; empty where nothing was."""
    year = max((t.year for t in targets), default=0)
    return f"{year + 1}-01-01" if year else ""


def _sceptical_ratio(disease: Disease, scaled: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log ratio of the sceptical to the current prior of the amplitude: median 0.2 instead of the table's."""
    p = disease.parameters[disease.amplitude]
    assert limits(p)[1] > np.log(SCEPTICAL_MEDIAN)
    current = -0.5 * ((scaled - centre(p)) / p.spread) ** 2 - np.log(p.spread)
    sceptical = -0.5 * ((scaled - np.log(SCEPTICAL_MEDIAN)) / SCEPTICAL_SPREAD) ** 2 - np.log(SCEPTICAL_SPREAD)
    return sceptical - current
