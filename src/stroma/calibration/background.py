"""The first stage of a fit: background parameters to control arms, round by round."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from stroma.calibration.likelihood import Likelihood
from stroma.calibration.origin import RETROSPECTIVE, Origin, require_fit_side
from stroma.calibration.rounds import Checkpoints, Round, Settings, require_effective, smoothing_error, staged
from stroma.calibration.sampler import Emulated, Emulator, explore, importance_weights
from stroma.calibration.simulate import Draws, Progress, simulate_targets
from stroma.calibration.targets import Target
from stroma.disease import Disease
from stroma.engine.ensemble import Backend
from stroma.library import library_root
from stroma.population.priors import log_prior, sample_prior
from stroma.streams import generator
from stroma.trial.rules import load_rules

ENOUGH_EFFECTIVE_SIZE = 400.0
CHAIN_STEPS = 4000


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
                                backend, staged(progress, label))

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
                      near.emulator.residual_sd,
                      smoothing_error(likelihood, weight, arrays["predicted"], smooth))
        if effective >= ENOUGH_EFFECTIVE_SIZE:
            break
    assert found is not None
    require_effective("background", found.effective, "more --draws or --rounds")
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
