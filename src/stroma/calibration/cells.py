"""The second stage of a fit: the parameters of the cells, on top of the fitted background."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from stroma.calibration.cell_pool import CellDraws, Pool
from stroma.calibration.likelihood import Likelihood
from stroma.calibration.posterior import distinct_size
from stroma.calibration.rounds import Checkpoints, Round, Settings, require_effective, smoothing_error, staged
from stroma.calibration.sampler import Emulator, fit_emulator, n_terms
from stroma.calibration.simulate import Draws, Progress, simulate_targets
from stroma.calibration.targets import Target
from stroma.disease import Disease
from stroma.engine.ensemble import Backend
from stroma.errors import fail
from stroma.library import library_root
from stroma.streams import generator
from stroma.trial.rules import load_rules

# With fewer an emulator follows the noise of the draws that it is fitted to.
DRAWS_A_TERM = 10
MOST_BATCHES = 12
# Where the posteriors lie, an emulator that has not seen a batch may be off by so many sampling errors.
WELL_SMOOTHED = 0.25
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
        The draws that were weighed. Its smoothing error is that of an emulator on the last batch, before it saw it.
    mapping of str to ndarray, shape (n_draw,)
        Weights under each named prior.

    Raises
    ------
    StromaError
        C030 when fewer than 100 effective background draws count, or when all batches together are too few for an
        emulator.
    """
    source = CellDraws(disease, targets, background, settings.seed)
    if not targets:
        pool = source.pool(None, 0, settings.draws)
        return _round(pool, np.zeros(0), np.zeros(0)), pool.weights
    amplitude = source.names.index(disease.amplitude)
    enough = DRAWS_A_TERM * n_terms(len(source.names), amplitude)
    if enough > (MOST_BATCHES - 1) * settings.draws:
        raise fail("C030", f"the emulator of the MSC stage needs {enough:,} draws, {MOST_BATCHES - 1} batches of "
                           f"{settings.draws:,} are fewer", hint=MORE, exit_code=3)
    likelihood = Likelihood(disease, targets)
    rules = load_rules(library_root() / "evidence" / "response_rules.csv")
    scaled, simulated = np.zeros((0, len(source.names))), np.zeros((0, len(targets)))
    residual, error = np.zeros(len(targets)), np.zeros(len(targets))

    def simulate(draws: Draws) -> dict[str, NDArray]:
        return {"predicted": simulate_targets(disease, targets, rules, draws, settings.subjects, settings.seed,
                                              backend, staged(progress, "arms with cells"))}

    def emulator() -> Emulator:
        return fit_emulator(scaled, simulated, cubic=amplitude)

    for batch in range(MOST_BATCHES):
        smooth = None
        if scaled.shape[0] < enough:
            draws = source.draw(settings.draws, batch)[0]
        else:
            rng = generator(settings.seed, f"draws near the posterior/{batch}")
            draws, smooth = source.pool(emulator(), batch).take(settings.draws, rng)
        raw = kept.arrays(f"cells_{batch}", partial(simulate, draws))["predicted"]
        scaled, simulated = np.concatenate([scaled, draws.scaled]), np.concatenate([simulated, raw])
        if smooth is not None:
            even = np.full(draws.n, 1.0 / draws.n)
            residual, error = np.std(raw - smooth, axis=0, dtype=float), smoothing_error(likelihood, even, raw, smooth)
            if np.abs(error).max() < WELL_SMOOTHED:
                break
    pool = source.pool(emulator(), MOST_BATCHES)
    found = _round(pool, residual, error)
    require_effective("MSC", found.effective, MORE)
    return found, pool.weights


def _round(pool: Pool, residual: NDArray[np.float64], error: NDArray[np.float64]) -> Round:
    weight = pool.weights["current"]
    return Round(pool.draws, pool.smooth, pool.group, weight, distinct_size(weight, pool.group), residual, error)
