"""The first stage of a fit: background parameters to control arms, round by round."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from stroma.calibration.likelihood import Likelihood
from stroma.calibration.origin import RETROSPECTIVE, Origin, require_fit_side
from stroma.calibration.rounds import (
    WELL_SMOOTHED,
    Checkpoints,
    Round,
    Settings,
    require_effective,
    require_smooth,
    smoothing_error,
    staged,
)
from stroma.calibration.sampler import Emulated, Emulator, distinct, explore, importance_weights
from stroma.calibration.simulate import Draws, Progress, simulate_targets
from stroma.calibration.targets import Target
from stroma.disease import Disease
from stroma.engine.ensemble import Backend
from stroma.errors import fail
from stroma.library import library_root
from stroma.population.priors import log_prior, sample_prior
from stroma.streams import generator
from stroma.trial.rules import load_rules

# The share of a round's draws that is to count under the emulator fitted with them: to stop, and at all. A normal
# posterior that moves by one SD leaves 1/e of them (by half as much again, a tenth).
SETTLED, UNSETTLED = 0.37, 0.1
# Steps of the chain that says where to simulate, and of the one that gives the posterior.
GUIDE_STEPS, CHAIN_STEPS = 2000, 6000
# Draws of the posterior for each that a round simulates: the arms with cells will leave only part of them.
KEPT = 2
MORE = "more --draws or --rounds"


class BackgroundDensity:
    """The posterior density of background parameters given control arms, with an emulator in place of the model.

    Parameters
    ----------
    disease : Disease
    targets : sequence of Target
    """

    def __init__(self, disease: Disease, targets: Sequence[Target]) -> None:
        self._disease, self._names = disease, disease.fitted_in("background")
        self._spread_at = self._names.index("study_spread")
        self.likelihood = Likelihood(disease, targets)

    def log(self, scaled: NDArray[np.float64], emulator: Emulator) -> NDArray[np.float64]:
        """Return the log density of draws, shape (n,); minus infinity where it is undefined."""
        spread = np.exp(np.clip(scaled[:, self._spread_at], -5, 2))
        prior = log_prior(self._disease, self._names, scaled)
        found = prior + self.likelihood.total(emulator.predict(scaled), spread)
        return np.nan_to_num(found, nan=-np.inf, neginf=-np.inf)

    def sample(self, known: Emulated, count: int, steps: int, seed: int, label: str) -> tuple[Draws, float]:
        """Draw from the density with a chain that starts at the best known draws.

        Returns
        -------
        Draws
        float
            How many independent draws they are worth.
        """
        best = known.scaled[np.argsort(-self.log(known.scaled, known.emulator))]
        start = distinct(best)[:4 * len(self._names)]
        chain, worth = explore(partial(self.log, emulator=known.emulator), start, steps, seed)
        taken = generator(seed, label).choice(chain.shape[0], min(count, chain.shape[0]), replace=False)
        return Draws(self._names, chain[taken]), 1.0 / (1.0 / taken.size + 1.0 / worth)


def fit_background(disease: Disease, targets: Sequence[Target], settings: Settings, backend: Backend,
                   kept: Checkpoints, progress: Progress | None, origin: Origin = RETROSPECTIVE,
                   start: Emulated | None = None) -> tuple[Round, Emulated]:
    """Fit the background parameters to control arms.

    An emulator says where the posterior lies; draws are simulated there, until it is right on a round that it has
    not seen and that round moves the posterior by no more than an SD. The posterior is then a chain under the emulator
    alone, of more draws than a round simulates.

    Parameters
    ----------
    start : Emulated, optional
        Draws and their predictions to begin with, instead of a first round of prior draws.

    Returns
    -------
    Round
        Draws of the posterior, evenly weighted, and the error of the emulator on the last round, before it saw it.
    Emulated
        Every draw simulated.

    Raises
    ------
    StromaError
        C010-C012 for targets that the origin does not see, C030 when after the last round fewer than a tenth of its
        draws count or the emulator is off by a sampling error, and when the chain is worth fewer than 100 draws.
    """
    require_fit_side(targets, origin)
    names = disease.fitted_in("background")
    rules = load_rules(library_root() / "evidence" / "response_rules.csv")
    density = BackgroundDensity(disease, targets)

    def simulate(draws: Draws, number: int) -> dict[str, NDArray]:
        return {"scaled": draws.scaled,
                "predicted": simulate_targets(disease, targets, rules, draws, settings.subjects, settings.seed, backend,
                                              staged(progress, f"control arms, round {number + 1}"))}

    def next_round(known: Emulated, number: int) -> dict[str, NDArray]:
        draws, _ = density.sample(known, settings.draws, GUIDE_STEPS, settings.seed + number, "where to simulate")
        return simulate(draws, number)

    def posterior(known: Emulated) -> dict[str, NDArray]:
        draws, worth = density.sample(known, KEPT * settings.draws, CHAIN_STEPS, settings.seed, "posterior")
        return {"scaled": draws.scaled, "worth": np.array(worth)}

    if start is None:
        prior = Draws(names, sample_prior(disease, names, settings.prior_draws, settings.seed))
        first = kept.arrays("background_0", lambda: simulate(prior, 0))
        start = Emulated(first["scaled"], first["predicted"])
    known = start
    error, overlap = np.zeros(len(targets)), 0.0
    for number in range(1, settings.rounds + 1):
        found = kept.arrays(f"background_{number}", partial(next_round, known, number))
        scaled, predicted = found["scaled"], found["predicted"]
        unseen, proposed = known.emulator.predict(scaled), density.log(scaled, known.emulator)
        error = smoothing_error(density.likelihood, np.full(scaled.shape[0], 1.0 / scaled.shape[0]), predicted, unseen)
        known = known.joined(scaled, predicted)
        overlap = importance_weights(density.log(scaled, known.emulator), proposed)[1] / scaled.shape[0]
        if overlap >= SETTLED and np.abs(error).max() < WELL_SMOOTHED:
            break
    if overlap < UNSETTLED:
        raise fail("C030", f"the background posterior still moves: {100 * overlap:.0f} % of the last round's draws "
                           f"count once they are known, {100 * UNSETTLED:.0f} % are needed", hint=MORE, exit_code=3)
    require_smooth("background", error, MORE)
    chain = kept.arrays("background_posterior", partial(posterior, known))
    require_effective("background", float(chain["worth"]), "more --draws")
    scaled = chain["scaled"]
    group = np.unique(scaled, axis=0, return_inverse=True)[1].astype(np.int64)
    return Round(Draws(names, scaled), known.emulator.predict(scaled), group,
                 np.full(group.size, 1.0 / group.size), float(chain["worth"]), error, overlap), known
