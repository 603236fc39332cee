"""How each outcome of a disease is published, compared and shown: one row of ``measures.csv`` an outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stroma.errors import Problems
from stroma.tables import Column, Row

COLUMNS = {
    "outcome_id": Column(required=True), "published_as": Column(), "units": Column(),
    "means": Column(required=True, allowed=frozenset({"change", "ratio"})),
    "better": Column(required=True, allowed=frozenset({"higher", "lower"})),
    "study_scale": Column("number", required=True), "open_label": Column(),
    "shown": Column("integer", required=True), "axis": Column(required=True, allowed=frozenset({"linear", "log"})),
    "source": Column()}


@dataclass(frozen=True)
class Measure:
    """One outcome of a disease.

    Parameters
    ----------
    outcome_id : str
        Measured quantity.
    published_as : str
        Outcome of the evidence vocabulary; empty where nobody publishes it.
    factors : dict of str to float
        Published unit to ours, converted once.
    means : {"change", "ratio"}
        How published means are compared with their own baseline.
    better : {"higher", "lower"}
    study_scale : float
        How far one logit of study effect moves a mean change, in our unit.
    open_label : str
        Parameter with the open-label bias of this outcome in our unit; empty: the bias of responses, scaled; ``none``
        for what is read from an image by one who does not know the patient.
    shown, logarithmic : bool
        Whether a forecast draws its course, and on which axis.
    """

    outcome_id: str
    published_as: str
    factors: Mapping[str, float] = field(repr=False)
    means: str
    better: str
    study_scale: float
    open_label: str
    shown: bool
    logarithmic: bool

    @property
    def is_read_blind(self) -> bool:
        """Return whether knowing the treatment cannot move this outcome."""
        return self.open_label == "none"

    @property
    def improves(self) -> float:
        """Return the sign of an improvement."""
        return 1.0 if self.better == "higher" else -1.0


def read_measures(rows: Sequence[Row], problems: Problems) -> dict[str, Measure]:
    """Return the measures of a table by quantity; problems are added, not raised."""
    found = {}
    for row in rows:
        factors: dict[str, float] = {}
        for part in filter(None, row.text("units").split(";")):
            unit, _, factor = part.partition("=")
            try:
                factors[unit.strip()] = float(factor)
            except ValueError:
                problems.add("D002", f"`{part}` is not unit=factor", file=row.file, line=row.line)
        if row.text("published_as") and not factors:
            problems.add("D002", f"`{row.text('outcome_id')}` is published but in no unit", file=row.file,
                         line=row.line, hint="units: unit=factor;unit=factor")
        found[row.text("outcome_id")] = Measure(
            row.text("outcome_id"), row.text("published_as"), factors, row.text("means"), row.text("better"),
            row.known("study_scale"), row.text("open_label"), bool(row.values["shown"]), row.text("axis") == "log")
    return found
