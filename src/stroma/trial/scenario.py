"""Scenarios on a disease's median patient, as text: what expectations and mechanisms are written in.

Parts are joined by `` + ``: a therapy (cells with their dose, ``thawed`` if they are), ``parameter=value``, or
``state@day=amount`` for something added to a state; ``untreated`` is nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stroma.disease import Disease
from stroma.engine.ensemble import Backend, Tolerance
from stroma.errors import Problems, StromaError, nearest
from stroma.population.subjects import Subjects
from stroma.tables import Column, Row, read_table
from stroma.therapy import Therapy, known_therapies, load_therapy
from stroma.trial.dose import parse_dose
from stroma.trial.pool import solve_pool

UNTREATED = "untreated"
RELATIONS = frozenset({"between", "of_start", "of_peak", "ratio", "peak_day", "halfway_day"})
_TEXT, _NUMBER = Column(required=True), Column("number", required=True)
EXPECTATIONS = {"scenario": _TEXT, "quantity": _TEXT, "at_day": _NUMBER,
                "relation": Column(required=True, allowed=RELATIONS), "low": _NUMBER, "high": _NUMBER,
                "source": _TEXT, "fails_because": Column()}
MECHANISMS = {"term": _TEXT, "parameter": _TEXT, "off": _NUMBER, "quantity": _TEXT, "at_day": _NUMBER,
              "direction": Column(required=True, allowed=frozenset({"higher", "lower"})), "scenario": _TEXT,
              "mechanism": Column(), "source": _TEXT}
_NAMED = {"mechanism_id": _TEXT, "mechanism": _TEXT, "seeds": Column()}
_WEIGHT_KG = 62.0


@dataclass(frozen=True)
class Scenario:
    """What is done to the median patient.

    Parameters
    ----------
    therapies : tuple of Therapy
    values : dict of str to float
        Model parameters that differ from the table.
    """

    therapies: tuple[Therapy, ...]
    values: Mapping[str, float]


def parse_scenario(disease: Disease, text: str) -> Scenario:
    """Read one scenario.

    Raises
    ------
    StromaError
        D020 for every part that is no therapy, parameter or state of the disease; T205 for a dose.
    """
    problems = Problems()
    therapies: list[Therapy] = []
    values: dict[str, float] = {}
    for part in (p.strip() for p in text.split(" + ")):
        try:
            _read_part(disease, part, therapies, values, problems)
        except StromaError as error:
            problems.extend(error)
    problems.raise_if_any()
    return Scenario(tuple(therapies), values)


def _read_part(disease: Disease, part: str, therapies: list[Therapy], values: dict[str, float],
               problems: Problems) -> None:
    left, equals, number = part.partition("=")
    if equals:
        name, at, day = left.partition("@")
        known = disease.model.states if at else disease.model.parameters
        if name not in known:
            problems.add("D020", f"`{disease.disease_id}` has no {'state' if at else 'parameter'} `{name}`",
                         hint=nearest(name, known))
            return
        try:
            if at:
                therapies.append(Therapy(left, left, "drug", (), "scenario", ((name, float(day), float(number)),)))
            else:
                values[name] = float(number)
        except ValueError:
            problems.add("D020", f"`{part}` has no number where one is due",
                         hint="parameter=value or state@day=amount")
        return
    name, _, rest = part.partition(" ")
    if name in known_therapies():
        therapy = load_therapy(name)
        if therapy.kind == "cells":
            therapy = therapy.with_dose(parse_dose(rest.removesuffix("thawed")), rest.endswith("thawed"))
        therapies.append(therapy)
    elif part != UNTREATED:
        problems.add("D020", f"`{part}` is no therapy, parameter or state",
                     hint=nearest(name, [*known_therapies(), UNTREATED]))


def course(disease: Disease, scenario: Scenario, days: NDArray[np.float64], backend: Backend,
           tolerance: Tolerance) -> dict[str, NDArray[np.float64]]:
    """Solve a scenario for the median patient: every model output, without chance, shape (n_day,).

    Parameters
    ----------
    days : ndarray, shape (n_day,)
        Increasing, starting at 0.
    """
    table = disease.defaults.copy()
    for name, value in scenario.values.items():
        table[disease.model.parameters.index(name)] = value
    quiet = {flare["size"]: np.zeros(1) for flare in disease.config.get("flare", ())}
    patient = Subjects(np.zeros(1, np.int64), {"weight": np.array([_WEIGHT_KG])}, table[None, :], quiet)
    pool = solve_pool(disease, patient, scenario.therapies, days, 0, backend, tolerance, disease.model.outputs)
    return {name: values[0] for name, values in pool.states.items()}


def read_expectations(disease: Disease) -> list[Row]:
    """Read ``expectations.csv``, every name checked; no rows where a disease has no such table.

    Raises
    ------
    StromaError
        D002 for the table, D020 and T205 for what a scenario or quantity names; all at once.
    """
    key = ("scenario", "quantity", "at_day", "relation", "high")
    return _checked(disease, "expectations.csv", EXPECTATIONS, key)


def known_mechanisms(disease: Disease) -> list[str]:
    """Return the numbers of the mechanisms that the reviews name, from ``vocabulary/mechanisms.csv``.

    Raises
    ------
    StromaError
        D002 for the table.
    """
    path = disease.folder.parents[1] / "vocabulary" / "mechanisms.csv"
    return [row.text("mechanism_id") for row in read_table(path, _NAMED, "D002", key=("mechanism_id",))]


def read_mechanisms(disease: Disease) -> list[Row]:
    """Read ``mechanisms.csv``: each term of the model, what turns it off and what then moves, and which way.

    Raises
    ------
    StromaError
        As :func:`read_expectations`.
    """
    return _checked(disease, "mechanisms.csv", MECHANISMS, ("term", "quantity", "at_day", "scenario"))


def _checked(disease: Disease, name: str, columns: dict[str, Column], key: tuple[str, ...]) -> list[Row]:
    path = disease.folder / name
    if not path.is_file():
        return []
    problems = Problems()
    rows = read_table(path, columns, "D002", key=key)
    for row in rows:
        names = [(row.text("quantity"), disease.model.outputs, "model output")]
        if "parameter" in columns:
            names.append((row.text("parameter"), disease.model.parameters, "parameter"))
            names.append((row.text("mechanism"), ("", *known_mechanisms(disease)), "mechanism"))
        for found, known, kind in names:
            if found not in known:
                problems.add("D020", f"there is no {kind} `{found}`", file=row.file, line=row.line,
                             hint=nearest(found, known))
        for text in row.text("scenario").split(" vs "):
            try:
                parse_scenario(disease, text)
            except StromaError as error:
                for d in error.diagnostics:
                    problems.add(d.code, d.message, file=row.file, line=row.line, hint=d.hint)
    problems.raise_if_any()
    return rows
