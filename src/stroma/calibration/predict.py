"""Any trial design in, a forecast out: the one road behind registry records and studies of one's own."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stroma.calibration.arm_pools import potential_outcomes, simulate_arms
from stroma.calibration.posterior import PRIORS, Posterior
from stroma.calibration.prediction import Forecast, Progress, Settings
from stroma.calibration.simulate import Draws
from stroma.calibration.summaries import courses, summarise_outcomes, summarise_prior
from stroma.calibration.targets import Target
from stroma.disease import Disease
from stroma.engine.backends import backend as engine
from stroma.engine.backends import watched
from stroma.engine.delivered import worst
from stroma.engine.ensemble import Backend
from stroma.errors import fail
from stroma.library import library_root
from stroma.population.subjects import effective_size
from stroma.streams import generator
from stroma.trial.design import TrialDesign
from stroma.trial.rules import known_quantities, load_rules


@dataclass(frozen=True)
class Drawn:
    """Draws taken from a posterior for simulation.

    Parameters
    ----------
    draws : Draws
    weights : dict of str to ndarray, shape (n_draw,)
        Weights of each named prior; each sums to one.
    group : ndarray of int64, shape (n_draw,)
        Draws that share their background.
    """

    draws: Draws
    weights: dict[str, NDArray[np.float64]]
    group: NDArray[np.int64]


def take_draws(posterior: Posterior, count: int, seed: int) -> Drawn:
    """Take draws from the mixture of all named priors, with each prior's own weights beside them."""
    mixture = np.mean([posterior.weights[p] for p in PRIORS], axis=0)
    rng = generator(seed, "posterior draws")
    position = (np.arange(count) + rng.random()) / count
    pick = np.searchsorted(np.cumsum(mixture), position).clip(0, mixture.size - 1)
    pick = rng.permutation(pick)
    weights = {p: posterior.weights[p][pick] / mixture[pick] for p in PRIORS}
    return Drawn(Draws(posterior.names, posterior.scaled[pick]), {p: w / w.sum() for p, w in weights.items()},
                 posterior.group[pick])


def predict_trial(record: str, title: str, disease: Disease, designs: Sequence[TrialDesign], posterior: Posterior,
                  published: Sequence[Target], settings: Settings, backend: Backend | None = None,
                  progress: Progress | None = None, notes: Sequence[str] = (), dose_given: bool = False) -> Forecast:
    """Simulate a trial under a posterior and summarise it.

    Parameters
    ----------
    record, title : str
        What the trial is called.
    designs : sequence of TrialDesign
        Variants that differ in size only; the first is the planned one, published results belong to the last.
    published : sequence of Target
        Results to show beside the forecast; never fitted.
    backend : Backend, optional
        The engine; ``cpu``, its accuracy watched, by default.
    progress : callable, optional
        Called with (stage, done, total).

    Raises
    ------
    StromaError
        T208 nobody meets the entry criteria, S051 failed subjects.
    """
    root = library_root()
    rules = load_rules(root / "evidence" / "response_rules.csv")
    drawn = take_draws(posterior, settings.draws, settings.seed)
    current = drawn.weights["current"]
    wanted = {t.quantity for t in published if t.kind == "proportion"} | {o.rule_id for o in designs[0].outcomes}
    pools = simulate_arms(disease, designs[0], drawn.draws, settings, backend or watched(engine("cpu")), progress)
    potential = potential_outcomes(disease, designs[0], pools, {r: rules[r] for r in sorted(wanted)}, drawn.draws,
                                   settings)
    eligible = potential.eligible
    if not (current * eligible.any(axis=1)).any():
        raise fail("T208", f"no simulated patient meets the entry criteria of {record}",
                   hint="; ".join(c.words for c in designs[0].entry.criteria))
    outcomes = []
    for design in designs:
        shown = published if design is designs[-1] else []  # a result belongs to the trial as conducted
        outcomes += summarise_outcomes(disease, design, shown, potential, rules, current, _units(), settings)
    priors = tuple(summarise_prior(p, designs[0], potential, rules, drawn.weights[p], drawn.group, settings)
                   for p in PRIORS)
    unapplied = designs[0].entry.unapplied(set(pools[0].seen), known_quantities(root))
    return Forecast(
        record, title, disease, tuple(designs), tuple(outcomes), priors, courses(disease, pools, current, eligible),
        posterior, settings, float(eligible.mean()), effective_size((current[:, None] * eligible).ravel()),
        sum(p.failed for p in pools), hashlib.sha256("".join(p.key for p in pools).encode()).hexdigest()[:16],
        ", ".join(sorted({t.study_id for t in published})), dose_given,
        (*designs[0].notes, *notes,
         *(f"entry criterion `{c.words}` is not simulated and excludes nobody" for c in unapplied)),
        worst(p.checked for p in pools))


def _units() -> dict[str, str]:
    """Return the unit of every outcome, from ``vocabulary/outcomes.csv``."""
    with (library_root() / "vocabulary" / "outcomes.csv").open(encoding="utf-8", newline="") as stream:
        return {r["outcome_id"]: r["unit"] for r in csv.DictReader(stream)}
