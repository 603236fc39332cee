"""Response rules: what makes a responder, trial by trial."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stroma.errors import Problems, StromaError
from stroma.expression import Expression, parse
from stroma.tables import Column, Row, read_table

AT_VISIT, ANY_TIME, TIME_TO_EVENT = "binary_at_visit", "any_time", "time_to_event"
UNKNOWN = "unknown"
_COLUMNS = {
    "rule_id": Column(required=True),
    "outcome": Column(),
    "disease": Column(),
    "definition": Column(required=True),
    "formula": Column(),
    "better": Column(allowed=frozenset({"higher", "lower"})),
    "kind": Column(allowed=frozenset({AT_VISIT, ANY_TIME, TIME_TO_EVENT})),
    "source": Column(),
    "certainty": Column(allowed=frozenset({"stated_in_source", "standard_definition", "inferred"})),
}


@dataclass(frozen=True)
class ResponseRule:
    """One rule that turns quantities at visits into a responder or an event.

    Parameters
    ----------
    rule_id, outcome, disease, definition : str
        As in the table; ``definition`` is the rule in words.
    formula : Expression
        A condition, true for a responder or for the event.
    better : {"higher", "lower"}
        Whether many or few who fulfil the rule are a good result.
    kind : {"binary_at_visit", "any_time", "time_to_event"}
        True at the visit; at any visit up to it; from the first time on.
    source : str
        Where the rule stands.
    certainty : {"stated_in_source", "standard_definition", "inferred"}
        How far the rule may be trusted, best first.
    """

    rule_id: str
    outcome: str
    disease: str
    definition: str
    formula: Expression
    better: str
    kind: str
    source: str
    certainty: str

    @property
    def improves(self) -> float:
        """Return the sign of an improvement."""
        return 1.0 if self.better == "higher" else -1.0

    def names(self, vocabulary: Collection[str]) -> frozenset[str]:
        """Return the quantities that the rule needs; see :meth:`Expression.names`."""
        return self.formula.names(vocabulary)

    def evaluate(self, values: Mapping[str, NDArray[np.generic]],
                 visit_day: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return who fulfils the rule at, or for the cumulative kinds by, each visit.

        Parameters
        ----------
        values : mapping of str to ndarray, shape (n_subject, n_visit) or (n_subject, 1)
            Quantities in the units of ``library/vocabulary/quantities.csv``; NaN is missing and never
            makes a responder.
        visit_day : ndarray, shape (n_visit,)
            Days, ascending; the first visit is the baseline.

        Returns
        -------
        ndarray of bool, shape (n_subject, n_visit)

        Raises
        ------
        StromaError
            E305 for a quantity that ``values`` does not have.
        """
        now = self.formula.evaluate(values, visit_day)
        return now if self.kind == AT_VISIT else np.logical_or.accumulate(now, axis=1)


def known_quantities(library: Path) -> frozenset[str]:
    """Return the names that rules, criteria and items may use, from ``vocabulary/quantities.csv``.

    Raises
    ------
    StromaError
        T102 for a table that is not as declared.
    """
    columns = {name: Column(required=True) for name in ("quantity", "unit", "meaning")}
    rows = read_table(library / "vocabulary" / "quantities.csv", columns, "T102", key=("quantity",))
    return frozenset(row.text("quantity") for row in rows)


def load_rules(path: Path) -> dict[str, ResponseRule]:
    """Read the table of response rules.

    The row ``unknown`` marks results whose rule nobody states; it has no formula and is left out.

    Raises
    ------
    StromaError
        T101 for a row that is not a rule, E301 to E304 for a formula; all at once.
    """
    problems, rules = Problems(), {}
    for row in read_table(path, _COLUMNS, "T101", key=("rule_id",), check=_check_filled):
        if row.text("rule_id") == UNKNOWN:
            continue
        try:
            formula = parse(row.text("formula"), row.file, row.line)
        except StromaError as error:
            problems.extend(error)
            continue
        if not formula.condition:
            problems.add("T101", f"the formula of `{row.text('rule_id')}` is a number, not a condition",
                         file=row.file, line=row.line, text=formula.text)
        texts = {name: row.text(name) for name in _COLUMNS if name != "formula"}
        rules[row.text("rule_id")] = ResponseRule(formula=formula, **texts)
    problems.raise_if_any()
    return rules


def _check_filled(row: Row, problems: Problems) -> None:
    if row.text("rule_id") == UNKNOWN:
        return
    for name in _COLUMNS:
        if row.text(name) == "":
            problems.add("T101", f"`{name}` of rule `{row.text('rule_id')}` is empty", file=row.file,
                         line=row.line)
