"""Executable biology: every row of every ``expectations.csv`` is run on the disease's median patient.

Scenarios are written as :mod:`stroma.trial.scenario` says; ``A vs B`` compares two. Relations, each within
``low``-``high``:

- ``between``: the quantity at the day
- ``of_start``: divided by its value just after day 0
- ``of_peak``: divided by its largest value in five years
- ``ratio``: in scenario A divided by that in scenario B
- ``peak_day``: the day of the largest value up to ``at_day``
- ``halfway_day``: the day on which half the way from just after day 0 to ``at_day`` is covered

A row that the model fails stays, with the reason in ``fails_because``; when it passes, the test says so.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest

from stroma.disease import known_diseases, load_disease
from stroma.engine.backends import backend
from stroma.engine.ensemble import Tolerance
from stroma.tables import Row
from stroma.trial import scenario

START = 1e-3
TWO_YEARS, FIVE_YEARS = 730.0, 1826.0
GRID = np.unique(np.concatenate([[0.0, START], np.linspace(0, 14, 281), np.arange(0, TWO_YEARS + 0.5, 0.5),
                                 np.arange(TWO_YEARS, FIVE_YEARS, 2.0), [FIVE_YEARS]]))


def rows() -> list:
    found = []
    for disease_id in known_diseases():
        for row in scenario.read_expectations(load_disease(disease_id)):
            reason = row.text("fails_because")
            marks = [pytest.mark.xfail(strict=True, reason=reason)] if reason else []
            found.append(pytest.param(disease_id, row, marks=marks, id=f"{disease_id}:{row.line}"))
    return found


@lru_cache(maxsize=64)
def course(disease_id: str, text: str) -> dict[str, np.ndarray]:
    """Solve a scenario for the median patient, without flares, on :data:`GRID`."""
    disease = load_disease(disease_id)
    found = scenario.course(disease, scenario.parse_scenario(disease, text), GRID, backend("roadrunner"),
                            Tolerance(1e-9, 1e-11))
    assert all(np.all(np.isfinite(values)) for values in found.values())
    return found


def found_value(disease_id: str, row: Row) -> float:
    """Return what a row's low and high are compared with."""
    first, _, second = (part.strip() for part in row.text("scenario").partition(" vs "))
    day, relation = row.known("at_day"), row.text("relation")
    values = course(disease_id, first)[row.text("quantity")]
    at = float(np.interp(day, GRID, values))
    start = float(np.interp(START, GRID, values))
    if relation == "between":
        return at
    if relation == "of_start":
        return at / start
    if relation == "of_peak":
        return at / float(values.max())
    if relation == "ratio":
        return at / float(np.interp(day, GRID, course(disease_id, second)[row.text("quantity")]))
    if relation == "peak_day":
        return float(GRID[np.argmax(np.where(day >= GRID, values, -np.inf))])
    covered = (values - start) / (at - start)
    return float(GRID[np.argmax((covered >= 0.5) & (GRID > 0.0))])


@pytest.mark.parametrize(("disease_id", "row"), rows())
def test_expectation(disease_id: str, row: Row) -> None:
    found = found_value(disease_id, row)
    assert row.known("low") <= found <= row.known("high"), \
        f"{row.text('scenario')}: {row.text('quantity')} {row.text('relation')} = {found:.4g}\n{row.text('source')}"
