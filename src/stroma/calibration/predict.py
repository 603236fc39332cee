"""Any trial design in, a forecast out: the one road behind registry records and studies of one's own."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stroma.calibration.arm_pools import (
    RESCUE,
    ArmPool,
    SolvedArms,
    is_controlled,
    potential_outcomes,
    simulate_arms,
)
from stroma.calibration.likelihood import effect_scale, open_label_bias
from stroma.calibration.posterior import PRIORS, Posterior
from stroma.calibration.prediction import Forecast, OutcomeForecast, Progress, Settings
from stroma.calibration.replicates import (
    Replicates,
    is_compared,
    replicate_change,
    replicate_shares,
    summarise_prior,
)
from stroma.calibration.simulate import Draws
from stroma.calibration.summaries import courses, is_open_label, summarise_outcomes
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
from stroma.trial.conduct import PotentialOutcomes
from stroma.trial.design import TrialDesign
from stroma.trial.rules import ResponseRule, known_quantities, load_rules

OPEN_LABEL = ("the patients know their arm: the predicted numbers of the arm with cells hold the open-label bias of "
              "earlier series, the true difference does not")


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


@dataclass(frozen=True)
class Simulated:
    """A design, solved, measured and ready to be replicated.

    Parameters
    ----------
    design : TrialDesign
    disease : Disease
    drawn : Drawn
    pools : tuple of ArmPool
    potential : PotentialOutcomes
    rules : mapping of str to ResponseRule
    """

    design: TrialDesign
    disease: Disease
    drawn: Drawn
    pools: tuple[ArmPool, ...]
    potential: PotentialOutcomes
    rules: Mapping[str, ResponseRule]

    def outcomes(self, design: TrialDesign, published: Sequence[Target], settings: Settings) -> list[OutcomeForecast]:
        """Predict the outcomes of a design that differs from this one in size only."""
        return summarise_outcomes(self.disease, design, published, self.potential, self.rules,
                                  self.drawn.weights["current"], _units(), self.drawn.draws.natural(self.disease),
                                  settings)

    def replicate(self, prior: str, design: TrialDesign, settings: Settings, failure: str | None = RESCUE,
                  biased: bool = True) -> Replicates:
        """Replicate a design that differs from this one in size only; see :mod:`stroma.calibration.replicates`.

        Open-label bias is part of every prior but the enthusiastic, whose premise is that there is none; without
        ``biased`` of none.
        """
        main, weight = design.outcomes[0], self.drawn.weights[prior]
        kind, name = ("change", main.quantity) if main.quantity else ("proportion", main.rule_id)
        bias = (open_label_bias(self.disease, self.rules, kind, name, self.drawn.draws.natural(self.disease))
                if biased and prior != "enthusiastic" else None)
        if main.quantity:
            return replicate_change(prior, design, self.potential, int(self.disease.measures[main.quantity].improves),
                                    effect_scale(self.disease, "change", main.quantity), weight, settings, bias)
        return replicate_shares(prior, design, self.potential, self.rules, weight, settings, bias, failure)


def simulate_design(record: str, disease: Disease, design: TrialDesign, drawn: Drawn, published: Sequence[Target],
                    settings: Settings, backend: Backend, progress: Progress | None = None,
                    solved: SolvedArms | None = None) -> Simulated:
    """Solve and measure the arms of a design.

    Parameters
    ----------
    record : str
        What the trial is called, for messages.
    published : sequence of Target
        Results whose rules are evaluated too.
    solved : SolvedArms, optional
        Arms of this run; one found there is not solved again.

    Raises
    ------
    StromaError
        T208 nobody meets the entry criteria, S051 failed subjects.
    """
    rules = load_rules(library_root() / "evidence" / "response_rules.csv")
    wanted = ({t.quantity for t in published if t.kind == "proportion"}
              | {o.rule_id for o in design.outcomes if o.rule_id})
    pools = simulate_arms(disease, design, drawn.draws, settings, backend, progress, solved)
    potential = potential_outcomes(disease, design, pools, {r: rules[r] for r in sorted(wanted)}, drawn.draws, settings)
    if not (drawn.weights["current"] * potential.eligible.any(axis=1)).any():
        raise fail("T208", f"no simulated patient meets the entry criteria of {record}",
                   hint="; ".join(c.words for c in design.entry.criteria))
    return Simulated(design, disease, drawn, tuple(pools), potential, rules)


def predict_trial(record: str, title: str, disease: Disease, designs: Sequence[TrialDesign], posterior: Posterior,
                  published: Sequence[Target], settings: Settings, backend: Backend | None = None,
                  progress: Progress | None = None, notes: Sequence[str] = (), dose_given: bool = False,
                  files: Sequence[Path] = (), solved: SolvedArms | None = None) -> Forecast:
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
    files : sequence of Path
        What says what the trial does.
    solved : SolvedArms, optional
        Arms of this run.

    Raises
    ------
    StromaError
        T208 nobody meets the entry criteria, S051 failed subjects.
    """
    planned = designs[0]
    drawn = take_draws(posterior, settings.draws, settings.seed)
    found = simulate_design(record, disease, planned, drawn, published, settings,
                            backend or watched(engine("cpu")), progress, solved)
    outcomes: list[OutcomeForecast] = []
    for design in designs:  # a result belongs to the trial as conducted
        outcomes += found.outcomes(design, published if design is designs[-1] else [], settings)
    known = [p for p in PRIORS if is_controlled(planned) or p != "none"]  # one arm: nobody goes without cells
    priors = tuple(summarise_prior(p, found.replicate(p, planned, settings), drawn.weights[p], drawn.group)
                   for p in known if is_compared(planned))
    current, eligible, pools = drawn.weights["current"], found.potential.eligible, found.pools
    unapplied = planned.entry.unapplied(set(pools[0].seen), known_quantities(library_root()))
    return Forecast(
        record, title, disease, tuple(designs), tuple(outcomes), priors, courses(disease, pools, current, eligible),
        posterior, settings, float(eligible.mean()), effective_size((current[:, None] * eligible).ravel()),
        sum(p.failed for p in pools), hashlib.sha256("".join(p.key for p in pools).encode()).hexdigest()[:16],
        ", ".join(sorted({t.study_id for t in published})), dose_given,
        (*planned.notes, *notes,
         *(f"entry criterion `{c.words}` is not simulated and excludes nobody" for c in unapplied),
         *([OPEN_LABEL] if any(is_open_label(planned, a) for a in planned.arms) else [])),
        worst(p.checked for p in pools), tuple(files))


def _units() -> dict[str, str]:
    """Return the unit of every outcome, from ``vocabulary/outcomes.csv``; else of the quantity that is measured."""
    found: dict[str, str] = {}
    for table, key in (("quantities.csv", "quantity"), ("outcomes.csv", "outcome_id")):
        with (library_root() / "vocabulary" / table).open(encoding="utf-8", newline="") as stream:
            found |= {r[key]: r["unit"] for r in csv.DictReader(stream)}
    return found
