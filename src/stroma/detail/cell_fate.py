"""What becomes of given cells, from minutes to weeks: where they are, licensing, relay to the patient's own cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stroma.calibration.arm_pools import TOLERANCE, treated_strata
from stroma.calibration.predict import Simulated
from stroma.calibration.prediction import Settings
from stroma.calibration.simulate import Draws, people_of
from stroma.detail.replicas import region_of
from stroma.disease import Disease
from stroma.engine.ensemble import Backend
from stroma.library import library_root
from stroma.tables import Column, Row, read_table
from stroma.trial.pool import solve_pool

WHERE, LICENCE, RELAY = "where", "licence", "relay"
GONE = "engulfed"
POINTS = (0.05, 0.25, 0.5, 0.75, 0.95)
# Minutes, hours, days and weeks after the first cells.
_DAYS = np.array([1 / 288, 1 / 96, 1 / 48, 1 / 24, 1 / 12, 1 / 8, 1 / 6, 1 / 4, 1 / 3, 0.5, 0.75, 1, 1.5, 2, 3, 4, 5, 6,
                  7, 7.5, 8, 9, 10, 11, 12, 14, 15, 16, 17, 19, 21, 24, 28, 35, 42, 56, 84, 112, 140, 168])
_DRAWS, _SUBJECTS = 100, 5
_COLUMNS = {"output": Column(required=True), "label": Column(required=True),
            "part": Column(required=True, allowed=frozenset({WHERE, LICENCE, RELAY}))}


@dataclass(frozen=True)
class FateCourse:
    """One quantity of the cells' fate, over simulated patients.

    Parameters
    ----------
    output, label : str
        Of the model, or ``engulfed``.
    part : {"where", "licence", "relay"}
    mean : ndarray, shape (n_day,)
        Shares from 0 to 1. Those of ``where`` are of all cells given so far and add up to 1.
    quantiles : ndarray, shape (5, n_day)
        At :data:`POINTS`.
    """

    output: str
    label: str
    part: str
    mean: NDArray[np.float64]
    quantiles: NDArray[np.float64]


@dataclass(frozen=True)
class CellFate:
    """The fate of the cells of one arm.

    Parameters
    ----------
    given_day : tuple of float
        Days of the infusions or injections in the variant that is followed.
    thawed : bool
        Whether that variant gives the cells just thawed.
    day : ndarray, shape (n_day,)
        Since the first cells.
    """

    arm: str
    given_day: tuple[float, ...]
    thawed: bool
    day: NDArray[np.float64]
    courses: tuple[FateCourse, ...]


def cell_fate(found: Simulated, settings: Settings, backend: Backend) -> CellFate | None:
    """Follow the cells of the trial's first arm with cells in some patients; None without cells.

    Of what nobody reports (interval, thawing) the first assumed variant is followed.

    Raises
    ------
    StromaError
        D002 for a malformed table.
    """
    arm = next((p.arm for p in found.pools if any(t.dose for t in p.arm.treatments)), None)
    if arm is None:
        return None
    disease, drawn = found.disease, found.drawn
    rows = _rows(disease)
    therapies = treated_strata(arm, drawn.draws.n)[0][1]
    some = slice(0, min(_DRAWS, drawn.draws.n))
    people = people_of(disease, Draws(drawn.draws.names, drawn.draws.scaled[some]), _SUBJECTS, found.design.population,
                       region_of(disease, found.design), settings.seed)
    first = min(d for t in therapies if t.cell_dose for d in t.cell_dose.days)
    days = np.unique([0.0, *(first + _DAYS)])
    pool = solve_pool(disease, people, therapies, days, settings.seed, backend, TOLERANCE,
                      tuple(sorted(r.text("output") for r in rows)))
    given = np.zeros((people.n, days.size))
    for therapy in therapies:
        if therapy.cell_dose:
            cells = therapy.cell_dose.cells(people.covariates["weight"])[:, None]
            given += sum(cells * (days > day) for day in therapy.cell_dose.days)
    later = days > first
    weight = np.repeat(drawn.weights["current"][some], _SUBJECTS) * pool.solved
    values = {}
    for row in rows:
        name, part = row.text("output"), row.text("part")
        share = given[:, later] if part == WHERE else 1.0
        values[name] = row.text("label"), part, pool.states[name][:, later] / share
    here = [v for _, part, v in values.values() if part == WHERE]
    values[GONE] = (GONE, WHERE, 1.0 - np.sum(here, axis=0))
    return CellFate(arm.label, tuple(sorted({float(d) for t in therapies if t.cell_dose for d in t.cell_dose.days})),
                    any(t.thawed for t in therapies), days[later] - first,
                    tuple(_course(n, label, part, v, weight) for n, (label, part, v) in values.items()))


def _rows(disease: Disease) -> list[Row]:
    """Return the rows of ``modules/cell_fate.csv`` that the disease's model has as states."""
    rows = read_table(library_root() / "modules" / "cell_fate.csv", _COLUMNS, "D002", key=("output",))
    return [r for r in rows if r.text("output") in disease.model.states]


def _course(output: str, label: str, part: str, values: NDArray[np.float64],
            weight: NDArray[np.float64]) -> FateCourse:
    used = weight > 0
    values, weight = values[used], weight[used] / weight[used].sum()
    order = np.argsort(values, axis=0, kind="stable")
    edges = np.cumsum(weight[order], axis=0)
    at = np.stack([(edges < p * edges[-1]).sum(axis=0).clip(0, values.shape[0] - 1) for p in POINTS])
    return FateCourse(output, label, part, weight @ values,
                      np.take_along_axis(np.take_along_axis(values, order, 0), at, 0))
