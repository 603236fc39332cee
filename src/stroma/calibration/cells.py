"""The second stage of a fit: the parameters of the cells, on top of the fitted background."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from stroma.calibration.cell_pool import CREDITING, CellDraws, Pool
from stroma.calibration.likelihood import Likelihood
from stroma.calibration.posterior import distinct_size
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
from stroma.calibration.sampler import fit_emulator, n_terms
from stroma.calibration.simulate import Draws, Progress, simulate_targets
from stroma.calibration.targets import Target
from stroma.disease import Disease
from stroma.engine.ensemble import Backend
from stroma.errors import fail
from stroma.streams import generator

# With fewer an emulator follows the noise of the draws that it is fitted to.
DRAWS_A_TERM = 10
MOST_BATCHES = 12
# Draws that are weighed for each that a batch simulates.
WEIGHED = 50
MORE = "more --draws"


def fit_cells(disease: Disease, targets: list[Target], background: Round, settings: Settings, backend: Backend,
              kept: Checkpoints, progress: Progress | None) -> tuple[Round, Mapping[str, NDArray[np.float64]]]:
    """Weigh draws of the background posterior with parameters of the cells on top.

    Draws from the prior are simulated until an emulator can be fitted to them, then draws from where that emulator
    says the posteriors lie, until it is right there. What is weighed are other draws, by the emulator alone: had they
    been simulated themselves, the noise of a draw's few patients would help to decide whether it counts
    (docs/methods.md).

    Returns
    -------
    Round
        The draws that were weighed. Its smoothing error is that of an emulator on the last batch, before it saw it,
        under the prior where it is largest.
    mapping of str to ndarray, shape (n_draw,)
        Weights under each named prior.

    Raises
    ------
    StromaError
        C030 when fewer than 100 effective background draws count under the current prior, when all batches together
        are too few for an emulator, or when it is still off by a sampling error after them.
    """
    source = CellDraws(disease, targets, background, settings.seed)
    if not targets:
        pool = source.pool(None, 0, settings.draws)
        return _round(pool, np.zeros(0)), pool.weights
    amplitude = source.names.index(disease.amplitude)
    enough = DRAWS_A_TERM * n_terms(len(source.names), amplitude)
    if enough > (MOST_BATCHES - 1) * settings.draws:
        raise fail("C030", f"the emulator of the MSC stage needs {enough:,} draws, {MOST_BATCHES - 1} batches of "
                           f"{settings.draws:,} are fewer", hint=MORE, exit_code=3)
    likelihood = Likelihood(disease, targets)
    scaled, simulated = np.zeros((0, len(source.names))), np.zeros((0, len(targets)))
    error = np.full(len(targets), np.inf)

    def simulate(draws: Draws, weights: Mapping[str, NDArray[np.float64]]) -> dict[str, NDArray]:
        raw = simulate_targets(disease, targets, source.rules, draws, settings.subjects, settings.seed, backend,
                               staged(progress, "arms with cells"))
        return {"scaled": draws.scaled, "predicted": raw, **weights}

    for batch in range(MOST_BATCHES):
        before = fit_emulator(scaled, simulated, cubic=amplitude) if scaled.shape[0] >= enough else None
        if before is None:
            draws, weights = source.draw(settings.draws, batch)[0], {}
        else:
            rng = generator(settings.seed, f"draws near the posterior/{batch}")
            draws, weights = source.pool(before, batch, WEIGHED * settings.draws).take(settings.draws, rng)
        found = kept.arrays(f"cells_{batch}", partial(simulate, draws, weights))
        scaled, simulated = np.concatenate([scaled, found["scaled"]]), np.concatenate([simulated, found["predicted"]])
        if before is not None:
            smooth = before.predict(found["scaled"])
            error = _worst([smoothing_error(likelihood, found[p], found["predicted"], smooth) for p in CREDITING])
            if np.abs(error).max() < WELL_SMOOTHED:
                break
    require_smooth("MSC", error, MORE)
    emulator = fit_emulator(scaled, simulated, cubic=amplitude)
    pool = source.pool(emulator, MOST_BATCHES, WEIGHED * settings.draws)
    second = _round(pool, error)
    require_effective("MSC", second.effective, MORE)
    return second, pool.weights


def _worst(errors: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return each target's error under the prior where it is largest."""
    table = np.stack(errors)
    return np.take_along_axis(table, np.abs(table).argmax(axis=0)[None], axis=0)[0]


def _round(pool: Pool, error: NDArray[np.float64]) -> Round:
    weight = pool.weights["current"]
    return Round(pool.draws, pool.smooth, pool.group, weight, distinct_size(weight, pool.group), error)
