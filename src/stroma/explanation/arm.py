"""One arm of a study: its causes switched on and off, and what each is worth for every published number.

Every scenario has the same patients, noise and parameter draws; only causes differ. What patients show who
are measured twice while nothing happens to them is regression to the mean. Everything else is Owen's share:
averaged over every order of natural course, background drugs, cells (with their mechanisms side by side) and
knowledge of the treatment. What the model does not predict is chance.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from stroma.calibration.likelihood import SHARES, Likelihood, cells_spread, effect_scale, open_label_shift
from stroma.calibration.predict import Drawn
from stroma.calibration.simulate import people_of, regimen, share, statistic, visits_of
from stroma.calibration.targets import Target
from stroma.disease import Disease
from stroma.engine.ensemble import Backend
from stroma.explanation.causes import Mechanism, switched_off
from stroma.explanation.parts import (
    CELLS,
    CHANCE,
    DRUGS,
    ENTRY,
    NATURAL,
    OPEN_LABEL,
    REGRESSION,
    ROUTE,
    SIGNAL,
    ExplainedOutcome,
    Settings,
    make_part,
    weighted_points,
)
from stroma.explanation.scenarios import Solver
from stroma.explanation.shares import owen_values
from stroma.library import library_root
from stroma.population.subjects import Subjects
from stroma.streams import generator
from stroma.trial.observe import observe
from stroma.trial.rules import ResponseRule

if TYPE_CHECKING:
    from stroma.calibration.simulate import Progress

ORDER = ("Regression to the mean comes first: the patients measured again with nothing done and nothing happening. "
         "Natural course, background drugs, cells and knowledge of the treatment are averaged over all their orders "
         "(Shapley), the cells' mechanisms over theirs within (Owen). Chance is what is left.")
LABELS = {ENTRY: "already so at entry", REGRESSION: "regression to the mean, noise", DRUGS: "background drugs",
          CELLS: "cells together", OPEN_LABEL: "knowing the treatment", CHANCE: "chance"}
_REPEATS = 40


@dataclass
class Game:
    """One arm: its scenarios, solved once each, and what they are worth for every number.

    Parameters
    ----------
    targets : sequence of Target
        Of one regimen, dose, population and region.
    """

    disease: Disease
    targets: Sequence[Target]
    drawn: Drawn
    mechanisms: Sequence[Mechanism]
    rules: Mapping[str, ResponseRule]
    settings: Settings
    backend: Backend
    progress: Progress | None = None

    def __post_init__(self) -> None:
        one = self.targets[0]
        self.therapies = regimen(self.disease, one.regimen, one.dose)
        self.has_cells = any(t.kind == "cells" for t in self.therapies)
        self.signals, self.routes = self._ids(SIGNAL), self._ids(ROUTE)
        self.natural = self._ids(NATURAL)
        self.kinds = ({ENTRY: ENTRY, REGRESSION: REGRESSION, DRUGS: DRUGS, OPEN_LABEL: OPEN_LABEL}
                      | dict.fromkeys(self.natural, NATURAL) | dict.fromkeys(self.signals, SIGNAL))
        self.labels = LABELS | {m.mechanism_id: m.label for m in self.mechanisms}
        if not self.has_cells:
            self.labels[DRUGS] = "drugs"
        self.visit_day = visits_of(self.targets)
        self.people: Subjects = people_of(self.disease, self.drawn.draws, self.settings.subjects, one.population,
                                          one.region, self.settings.seed)
        self.values = self.drawn.draws.natural(self.disease)
        self.solver = Solver(self.disease, self.visit_day, self.settings.seed, self.backend)
        self.solved: dict[frozenset[str], NDArray[np.float64]] = {}

    def _ids(self, kind: str) -> tuple[str, ...]:
        return tuple(m.mechanism_id for m in self.mechanisms if m.kind == kind)

    @property
    def scenarios(self) -> int:
        """Return how many scenarios the arm needs."""
        without = 2 ** (len(self.natural) + 1)
        mixed = sum(2 ** len(group) - 2 for group in (self.signals, self.routes) if group)
        return without * (2 + mixed if self.has_cells else 1)

    def simulated(self, causes: frozenset[str]) -> NDArray[np.float64]:
        """Return the statistic of every draw and target with some causes on, on the likelihood's scale.

        All signals without routes, or all routes without signals, mean the same: the cells with all they do.
        """
        key = causes - {OPEN_LABEL}
        for group in (self.signals, self.routes):
            if not self.has_cells:
                key -= set(group)
            elif group and key >= set(group):
                key = (key - set(group)) | {CELLS}
        if key not in self.solved:
            self.solved[key] = self._simulate(key)
            if self.progress:
                self.progress("switch causes on and off", len(self.solved), self.scenarios)
        return self.solved[key]

    def _simulate(self, key: frozenset[str]) -> NDArray[np.float64]:
        off = [m for m in self.mechanisms if m.kind == NATURAL and m.mechanism_id not in key]
        drugs, cells = DRUGS in key, bool(key - {DRUGS, *self.natural})
        if cells and CELLS not in key:
            kind = ROUTE if key & set(self.routes) else SIGNAL
            off += [m for m in self.mechanisms if m.kind == kind and m.mechanism_id not in key]
        given = [t for t in self.therapies if (cells if t.kind == "cells" else drugs)]
        pool = self.solver.solve(switched_off(self.disease, self.people, off), given)
        seen = observe(self.disease, pool, self.settings.seed)

        def read(target: Target) -> NDArray[np.float64]:
            subjects = self.settings.subjects
            said = (self.disease, target, seen, self.visit_day, self.rules, subjects, pool.solved)
            return plain_logit(share(*said)[0], 0.5 / subjects) if target.kind == "proportion" else statistic(*said)

        if not key:
            self.at_entry = np.stack([read(replace(t, day=0.0)) if t.kind in SHARES else np.zeros(self.drawn.draws.n)
                                      for t in self.targets], axis=1)
        return np.stack([read(t) for t in self.targets], axis=1)

    def play(self, fitted: Sequence[str]) -> list[ExplainedOutcome]:
        """Return every number of the arm explained; ``fitted`` are the target ids that the posterior knows."""

        def worth(causes: frozenset[str]) -> NDArray[np.float64]:
            moved = self.simulated(causes)
            return np.stack([reader_scale(t, moved[:, i] + self._shift(t) * (OPEN_LABEL in causes))
                             for i, t in enumerate(self.targets)], axis=1)

        steps = [*((name,) for name in self.natural), (DRUGS,)]
        by_signal = owen_values([*steps, self.signals, (OPEN_LABEL,)], worth)
        by_route = owen_values([*steps, self.routes, (OPEN_LABEL,)], worth)
        undisturbed, everything = worth(frozenset()), self.simulated(frozenset(by_signal))
        found = []
        for i, target in enumerate(self.targets):
            entry = self._entry(target, self.at_entry[:, i])
            parts = {ENTRY: entry} if target.kind in SHARES else {}
            parts |= {REGRESSION: undisturbed[:, i] - entry, **{k: v[:, i] for k, v in by_signal.items()}}
            found.append(self._outcome(target, parts, {k: by_route[k][:, i] for k in self.routes},
                                       everything[:, i], target.target_id in fitted))
        return found

    def _entry(self, target: Target, at_entry: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the share at entry; the half patient that stands for nobody is none."""
        nobody = at_entry <= logit(0.5 / self.settings.subjects) + 1e-9
        return np.where(nobody & (target.kind in SHARES), 0.0, reader_scale(target, at_entry))

    def _shift(self, target: Target) -> NDArray[np.float64]:
        if not self.has_cells:
            return np.zeros(self.drawn.draws.n)
        return open_label_shift(self.disease, self.rules, target, self.values)

    def _outcome(self, target: Target, steps: Mapping[str, NDArray[np.float64]],
                 routes: Mapping[str, NDArray[np.float64]], everything: NDArray[np.float64],
                 fitted: bool) -> ExplainedOutcome:
        weight = self.drawn.weights["current"]
        published, statistic_name = published_change(target)
        mean = everything + self._shift(target)
        predicted = reader_scale(target, mean)
        parts = [make_part(self.kinds[name], name, self.labels[name], values, weight)
                 for name, values in steps.items()]
        parts.append(make_part(CHANCE, CHANCE, self.labels[CHANCE], published - predicted, weight))
        together = np.sum([steps[name] for name in self.signals], axis=0)
        q = weighted_points(*self._chance(target, mean))
        return ExplainedOutcome(
            target, statistic_name, "%" if statistic_name != "mean_change" else _unit(target.quantity), published,
            float(weight @ predicted), tuple(parts), make_part(CELLS, CELLS, self.labels[CELLS], together, weight),
            tuple(make_part(ROUTE, name, self.labels[name], v, weight) for name, v in routes.items()),
            (q[1], q[3]), (q[0], q[4]), fitted)

    def _chance(self, target: Target, mean: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return a sample of what chance does to the number, and its weights."""
        spread = cells_spread(self.disease, target, self.values) if self.has_cells else self.values["study_spread"]
        own = np.sqrt(Likelihood(self.disease, [target]).sampling_variance(mean[:, None])[:, 0])
        rng = generator(self.settings.seed, f"chance/{target.target_id}")
        z = rng.standard_normal((2, _REPEATS, mean.size))
        moved = mean + z[0] * spread * effect_scale(self.disease, target.kind, target.quantity) + z[1] * own
        weight = self.drawn.weights["current"]
        centre = weight @ reader_scale(target, mean)
        return ((reader_scale(target, moved) - centre).ravel(), np.tile(weight / _REPEATS, _REPEATS))


def published_change(target: Target) -> tuple[float, str]:
    """Return a published number as readers say it, and which statistic it then is."""
    if target.kind == "proportion":
        return 100.0 * target.observed, "percent"
    if target.kind == "log_ratio":
        return 100.0 * float(np.expm1(target.observed)), "percent_change"
    return target.observed, "mean_change"


def plain_logit(shares: NDArray[np.float64], room: float) -> NDArray[np.float64]:
    """Return the logit of shares as they are, so that they average to their mean; none and all stay ``room`` away."""
    return logit(np.clip(shares, room, 1.0 - room))


def reader_scale(target: Target, moved: NDArray[np.float64]) -> NDArray[np.float64]:
    """Map the likelihood's scale to that of :func:`published_change`."""
    if target.kind in SHARES:
        return 100.0 * expit(moved)
    return 100.0 * np.expm1(moved) if target.kind == "log_ratio" else moved


@cache
def _units() -> dict[str, str]:
    with (library_root() / "vocabulary" / "outcomes.csv").open(encoding="utf-8", newline="") as stream:
        return {r["outcome_id"]: r["unit"] for r in csv.DictReader(stream)}


def _unit(quantity: str) -> str:
    return _units().get(quantity, "")
