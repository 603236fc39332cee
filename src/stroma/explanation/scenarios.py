"""Scenarios of one arm: the same patients with some causes on; what a switch does not touch is not solved twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from stroma.calibration.simulate import TOLERANCE
from stroma.disease import Disease
from stroma.engine.ensemble import Backend
from stroma.population.subjects import Subjects
from stroma.therapy import Therapy
from stroma.trial.pool import Pool, solve_pool


@dataclass
class Solver:
    """Solves scenarios of one arm; a patient whose numbers are those of an earlier scenario is taken from it.

    Parameters
    ----------
    disease : Disease
    visit_day : ndarray, shape (n_visit,)
    seed : int
    backend : Backend
    """

    disease: Disease
    visit_day: NDArray[np.float64]
    seed: int
    backend: Backend
    _known: dict[tuple, list[tuple[NDArray[np.float64], Pool]]] = field(default_factory=lambda: defaultdict(list))

    def solve(self, people: Subjects, given: Sequence[Therapy]) -> Pool:
        """Return the arm of these people with these therapies; the people of all calls are the same, rows alike."""
        known = self._known[tuple((t.therapy_id, t.cell_dose) for t in given)]
        numbers = np.column_stack([people.parameters, *(people.value(self.disease, n) for n in self._pushes())])
        source = np.full(people.n, -1)
        for i, (other, _) in enumerate(known):
            source[(other == numbers).all(axis=1)] = i
        fresh = source < 0
        pools = [pool for _, pool in known]
        new = self._solved(_rows(people, fresh), given) if fresh.any() else None
        pool = new if new and fresh.all() else _gathered(people, self.visit_day, pools, source, new, fresh)
        known.append((numbers, pool))
        return pool

    def _solved(self, people: Subjects, given: Sequence[Therapy]) -> Pool:
        return solve_pool(self.disease, people, given, self.visit_day, self.seed, self.backend, TOLERANCE)

    def _pushes(self) -> list[str]:
        return [flare["size"] for flare in self.disease.config.get("flare", ())]


def _rows(people: Subjects, chosen: NDArray[np.bool_]) -> Subjects:
    if chosen.all():
        return people
    return replace(people, subject=people.subject[chosen],
                   covariates={k: v[chosen] for k, v in people.covariates.items()},
                   parameters=people.parameters[chosen],
                   population={k: v[chosen] for k, v in people.population.items()})


def _gathered(people: Subjects, visit_day: NDArray[np.float64], pools: Sequence[Pool], source: NDArray[np.int64],
              new: Pool | None, fresh: NDArray[np.bool_]) -> Pool:
    """Return one arm from rows of several."""
    names = (new or pools[0]).states
    states = {name: np.empty((people.n, visit_day.size)) for name in names}
    status = np.empty(people.n, np.int8)
    parts = [(pool, source == i, source == i) for i, pool in enumerate(pools)]
    if new is not None:
        parts.append((new, fresh, np.ones(new.status.size, bool)))
    for pool, to, of in parts:
        status[to] = pool.status[of]
        for name in names:
            states[name][to] = pool.states[name][of]
    return Pool(people, visit_day, states, status, "")
