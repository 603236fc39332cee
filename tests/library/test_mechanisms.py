"""Every mechanism term and every structural switch, turned off, moves a named quantity the stated way.

The rows are a disease's ``mechanisms.csv``; the typical patient is the table's. The directions come from biology
and stand in the table, so a term that is wired with the wrong sign, or not at all, fails here.
"""

from __future__ import annotations

import csv
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

from stroma.disease import Disease, known_diseases, load_disease
from stroma.engine.backends import backend
from stroma.engine.ensemble import Tolerance
from stroma.library import library_root
from stroma.tables import Row
from stroma.trial.scenario import Scenario, course, parse_scenario, read_mechanisms

TIGHT = Tolerance(1e-8, 1e-10)
LEAST = 0.01
# What is no term: capacities and half-effect levels (their term is the effect they belong to), healthy values,
# and the patient's own baselines.
NO_TERM = ("_ec50", "_ic50", "_half", "_half_cells", "_crowd_cells", "_healthy", "_baseline", "index_top")


@lru_cache(maxsize=4)
def found_disease(disease_id: str) -> Disease:
    return load_disease(disease_id)


WITH_MECHANISMS = [d for d in known_diseases() if read_mechanisms(found_disease(d))]


def rows() -> list:
    return [pytest.param(d, row, id=f"{d}:{row.line}")
            for d in WITH_MECHANISMS for row in read_mechanisms(found_disease(d))]


def value(disease: Disease, scenario: Scenario, quantity: str, day: float) -> float:
    """Return a model output of the median patient at a day."""
    days = np.unique([0.0, min(1.0, day), day])
    return float(course(disease, scenario, days, backend("cpu"), TIGHT)[quantity][-1])


@pytest.mark.parametrize(("disease_id", "row"), rows())
def test_a_term_turned_off_moves_what_it_should(disease_id: str, row: Row) -> None:
    disease = found_disease(disease_id)
    whole = parse_scenario(disease, row.text("scenario"))
    off = replace(whole, values={**whole.values, row.text("parameter"): row.known("off")})
    quantity, day = row.text("quantity"), row.known("at_day")
    before, after = value(disease, whole, quantity, day), value(disease, off, quantity, day)
    moved = (after - before) / max(abs(before), abs(after), 1e-9)
    wanted = moved if row.text("direction") == "higher" else -moved
    assert wanted > LEAST, f"{row.text('term')}: {quantity} at day {day:g} from {before:.4g} to {after:.4g}"


@pytest.mark.parametrize("disease_id", WITH_MECHANISMS)
def test_every_switch_and_every_term_has_a_row(disease_id: str) -> None:
    disease = found_disease(disease_id)
    named = {row.text("parameter") for row in read_mechanisms(disease)}
    assert set(disease.switches) <= named
    terms = {p for p in disease.model.parameters if not p.endswith(NO_TERM)}
    assert terms - named == set()


def table(name: str) -> list[dict[str, str]]:
    with (library_root() / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_lupus_says_of_every_mechanism_and_contradiction_what_it_does_with_it() -> None:
    """The reviews' mechanisms and contradictions: each a term, a switch, or left out for a stated reason."""
    disease, said = found_disease("sle"), {row["id"]: row for row in table("diseases/sle/coverage.csv")}
    numbers = {row["mechanism_id"] for row in table("vocabulary/mechanisms.csv")}
    contradictions = {row["contradiction_id"] for row in table("vocabulary/contradictions.csv")}
    assert set(said) == numbers | contradictions and len(contradictions) == 14
    terms = {row.text("mechanism") for row in read_mechanisms(disease)} - {""}
    assert terms == {name for name, row in said.items() if row["how"] == "term"}
    switches = {row["parameter"]: float(row["prior_weight"]) for row in said.values() if row["how"] == "switch"}
    assert switches == {name: disease.parameters[name].spread for name in disease.switches}
    assert all(row["note"] for row in said.values() if row["how"] not in ("term", "expectation"))
    assert all(row["parameter"] in disease.parameters for row in said.values() if row["parameter"])
