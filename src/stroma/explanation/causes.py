"""Terms of a disease's model that can be switched off, one by one, from ``decomposition.csv``."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from stroma.disease import Disease
from stroma.errors import Problems, StromaError, fail, nearest
from stroma.explanation.parts import NATURAL, ROUTE, SIGNAL
from stroma.expression import Expression, parse
from stroma.population.subjects import Subjects
from stroma.tables import Column, Row, read_table

FILE = "decomposition.csv"
_TEXT = Column(required=True)
_COLUMNS = {"kind": Column(required=True, allowed=frozenset({NATURAL, SIGNAL, ROUTE})), "mechanism_id": _TEXT,
            "label": _TEXT, "parameter_id": _TEXT, "when_off": _TEXT, "source": _TEXT}


@dataclass(frozen=True)
class Mechanism:
    """One cause in the model and what its parameters become without it.

    Parameters
    ----------
    kind : {"natural", "signal", "route"}
        What happens without treatment; how the cells signal; where their effect arrives.
    off : tuple of (parameter_id, Expression)
        A formula over the patient's own parameters.
    """

    kind: str
    mechanism_id: str
    label: str
    off: tuple[tuple[str, Expression], ...]


def read_mechanisms(disease: Disease) -> tuple[Mechanism, ...]:
    """Read ``decomposition.csv`` of a disease, in the order of the table.

    Raises
    ------
    StromaError
        C060 when the disease has no such table, D002 for a malformed row; all at once.
    """
    path = disease.folder / FILE
    if not path.is_file():
        raise fail("C060", f"`{disease.disease_id}` does not say which terms of its model can be switched off",
                   file=path, hint=f"add {FILE}; diseases/sle shows how")
    problems = Problems()
    found: dict[str, list[Row]] = {}
    for row in read_table(path, _COLUMNS, "D002", key=("mechanism_id", "parameter_id")):
        found.setdefault(row.text("mechanism_id"), []).append(row)
        if row.text("parameter_id") not in disease.parameters:
            problems.add("D002", f"unknown parameter `{row.text('parameter_id')}`", file=row.file, line=row.line,
                         hint=nearest(row.text("parameter_id"), disease.parameters))
    mechanisms = tuple(_mechanism(name, rows, disease, problems) for name, rows in found.items())
    problems.raise_if_any()
    return mechanisms


def _mechanism(name: str, rows: list[Row], disease: Disease, problems: Problems) -> Mechanism:
    off = []
    for row in rows:
        try:
            formula = parse(row.text("when_off"), row.file, row.line)
            formula.names(disease.parameters)
            off.append((row.text("parameter_id"), formula))
        except StromaError as error:
            problems.extend(error)
    return Mechanism(rows[0].text("kind"), name, rows[0].text("label"), tuple(off))


def switched_off(disease: Disease, people: Subjects, mechanisms: Collection[Mechanism]) -> Subjects:
    """Return the same people in a model without some of its terms.

    Formulas read the values before anything was switched off; where two mechanisms set one parameter, the later
    row of the table holds.
    """
    column = {name: i for i, name in enumerate(disease.model.parameters)}
    table, population = people.parameters.copy(), dict(people.population)
    for mechanism in mechanisms:
        for name, formula in mechanism.off:
            values = {n: (people.parameters[:, column[n]] if n in column else people.value(disease, n))[:, None]
                      for n in formula.names(disease.parameters)}
            new = np.broadcast_to(formula.evaluate(values, np.zeros(1)), (people.n, 1))
            if name in column:
                table[:, column[name]] = new[:, 0]
            else:
                population[name] = new[:, 0]
    return replace(people, parameters=table, population=population)
