"""The second stage of a fit: the parameters of the cells, on top of the fitted background."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from stroma.calibration.likelihood import Likelihood, cells_spread, open_label_shift
from stroma.calibration.posterior import distinct_size
from stroma.calibration.rounds import Checkpoints, Round, Settings, require_effective, smoothing_error, staged
from stroma.calibration.sampler import fit_emulator, importance_weights, n_terms
from stroma.calibration.simulate import Draws, Progress, simulate_targets
from stroma.calibration.targets import Target
from stroma.disease import Disease
from stroma.engine.ensemble import Backend
from stroma.errors import fail
from stroma.library import library_root
from stroma.population.priors import sample_prior
from stroma.streams import generator
from stroma.trial.rules import ResponseRule, load_rules

# Batches of draws, until so many background draws count.
ENOUGH_EFFECTIVE_CELLS = 200.0
BATCHES = 12
# With fewer an emulator follows the noise of the draws that it is fitted to.
DRAWS_A_TERM = 10
MORE = "more --draws"


def fit_cells(disease: Disease, targets: list[Target], first: Round, settings: Settings, backend: Backend,
              kept: Checkpoints, progress: Progress | None) -> tuple[Round, dict[str, NDArray[np.float64]]]:
    """Weigh draws of the background posterior with prior draws of the MSC parameters, until enough count.

    Predictions are smoothed: those of a batch by an emulator of all other batches, with third- and fourth-order terms
    of the amplitude, whose prior is wide. Unsmoothed, or smoothed by an emulator that has seen them, the noise of a
    draw's few patients helps to decide which draws count (docs/methods.md).

    Returns
    -------
    Round
        All batches together.
    dict of str to ndarray, shape (n_draw,)
        Log likelihood with open-label bias (``current``) and without (``enthusiastic``).

    Raises
    ------
    StromaError
        C030 when fewer than 100 effective background draws count, or when all batches together are too few for an
        emulator.
    """
    rules = load_rules(library_root() / "evidence" / "response_rules.csv")
    own = [n for n in disease.uncertain if n not in first.draws.names]
    names = (*first.draws.names, *own)
    cubic = names.index(disease.amplitude)
    likelihood = Likelihood(disease, targets)
    enough = DRAWS_A_TERM * n_terms(len(names), cubic) if targets else 0
    if enough > BATCHES * settings.draws:
        raise fail("C030", f"the emulator of the MSC stage needs {enough:,} draws, {BATCHES} batches of "
                           f"{settings.draws:,} are fewer", hint=MORE, exit_code=3)
    picks, parts, simulated = [], [], []
    found: Round | None = None
    log_bias: dict[str, NDArray[np.float64]] = {}
    for batch in range(BATCHES):
        rng = generator(settings.seed, "background draws for cells" + (f"/{batch}" if batch else ""))
        position = (np.arange(settings.draws) + rng.random()) / settings.draws
        picks.append(rng.permutation(np.searchsorted(np.cumsum(first.weight), position).clip(0, first.draws.n - 1)))
        prior = sample_prior(disease, own, settings.draws, settings.seed + 1 + batch)
        parts.append(np.concatenate([first.draws.scaled[picks[-1]], prior], axis=1))
        make = partial(_simulated, disease, targets, rules, Draws(names, parts[-1]), settings, backend, progress)
        simulated.append(kept.arrays(f"cells_{batch}", make)["predicted"])
        if targets and (batch == 0 or (batch + 1) * settings.draws < enough):
            continue
        pick, raw, draws = np.concatenate(picks), np.concatenate(simulated), Draws(names, np.concatenate(parts))
        smooth = _smoothed(parts, simulated, cubic) if targets else raw
        log_bias = {"current": _log_likelihood(disease, rules, targets, draws, smooth, open_label=True),
                    "enthusiastic": _log_likelihood(disease, rules, targets, draws, smooth, open_label=False)}
        weight, _ = importance_weights(log_bias["current"], np.zeros(draws.n))
        found = Round(draws, smooth, pick, weight, distinct_size(weight, pick), (raw - smooth).std(axis=0),
                      smoothing_error(likelihood, weight, raw, smooth))
        if found.effective >= ENOUGH_EFFECTIVE_CELLS:
            break
    assert found is not None
    require_effective("MSC", found.effective, MORE)
    return found, log_bias


def _smoothed(parts: Sequence[NDArray[np.float64]], simulated: Sequence[NDArray[np.float64]],
              cubic: int) -> NDArray[np.float64]:
    """Return the predictions of every batch by an emulator that has not seen it, all batches together."""
    out = []
    for batch, scaled in enumerate(parts):
        others = [i for i in range(len(parts)) if i != batch]
        emulator = fit_emulator(np.concatenate([parts[i] for i in others]),
                                np.concatenate([simulated[i] for i in others]), cubic=cubic)
        out.append(emulator.predict(scaled))
    return np.concatenate(out)


def _simulated(disease: Disease, targets: list[Target], rules: Mapping[str, ResponseRule], draws: Draws,
               settings: Settings, backend: Backend, progress: Progress | None) -> dict[str, NDArray]:
    return {"predicted": simulate_targets(disease, targets, rules, draws, settings.subjects, settings.seed, backend,
                                          staged(progress, "arms with cells"))}


def _log_likelihood(disease: Disease, rules: Mapping[str, ResponseRule], targets: list[Target], draws: Draws,
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
