"""The same patients measured twice: what two runs of measurement share is the patient's own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from stroma.calibration.arm_pools import TOLERANCE, ArmPool, potential_outcomes, treated_strata
from stroma.calibration.predict import Simulated
from stroma.calibration.prediction import Settings
from stroma.calibration.simulate import Draws, people_of
from stroma.detail.replicas import region_of
from stroma.engine.ensemble import Backend
from stroma.trial.conduct import PotentialOutcomes
from stroma.trial.observe import Quantities, observe
from stroma.trial.pool import Pool, solve_pool

MOST_DRAWS = 100
_MOMENT = 1e-6


def measured_twice(found: Simulated, settings: Settings,
                   backend: Backend) -> tuple[PotentialOutcomes, PotentialOutcomes]:
    """Return what the patients of the first draws show in two runs of chance after entry.

    Both runs share the patients, their first visit, by which they entered, and the day of rescue. Of what nobody
    reports (interval, thawing) the first assumed variant is given.
    """
    disease, design, drawn = found.disease, found.design, found.drawn
    some = Draws(drawn.draws.names, drawn.draws.scaled[:MOST_DRAWS])
    days = np.array(sorted({0.0, *design.visit_day}))
    first, second = [], []
    for pool in found.pools:
        therapies = treated_strata(pool.arm, drawn.draws.n)[0][1]
        people = people_of(disease, some, settings.subjects, design.population, region_of(disease, design),
                           settings.seed)
        solved = solve_pool(disease, people, therapies, days, settings.seed, backend, TOLERANCE)
        severity = disease.severity
        for runs, seen in ((first, observe(disease, solved, settings.seed)),
                           (second, observe_again(found, solved, settings.seed))):
            full = {n: np.broadcast_to(v, seen[severity].shape) for n, v in seen.items()}
            runs.append(ArmPool(pool.arm, days, full, 0, "", None))
    rule = design.outcomes[0].rule_id
    rules = {rule: found.rules[rule]} if rule else {}
    one, other = (potential_outcomes(disease, design, runs, rules, some, settings) for runs in (first, second))
    return one, replace(other, eligible=one.eligible & np.isfinite(other.measures[disease.severity]).all(axis=(0, 3)))


def observe_again(found: Simulated, pool: Pool, seed: int) -> Quantities:
    """Measure a pool with other noise at every visit but the first.

    Noise belongs to the place of a visit in the list: idle visits, put in a moment after the first, move every later
    visit to places that the first run did not use.
    """
    idle = pool.visit_day.size - 1
    place = np.concatenate([np.zeros(idle + 1, int), np.arange(1, idle + 1)])
    day = pool.visit_day[place]
    day[1:idle + 1] += _MOMENT * np.arange(1, idle + 1)
    longer = replace(pool, visit_day=day, states={n: v[:, place] for n, v in pool.states.items()})
    keep = np.concatenate([[0], np.arange(idle + 1, 2 * idle + 1)])
    seen = observe(found.disease, longer, seed)
    return {n: v[:, keep] if v.shape[1] == place.size else v for n, v in seen.items()}
