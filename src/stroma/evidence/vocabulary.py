"""The spellings allowed in the library: terms, outcomes with unit and direction, unit conversions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stroma.errors import Problems, StromaError
from stroma.tables import Column, Row, read_table

CODE = "E101"

DIMENSIONLESS = frozenset({"risk_ratio", "odds_ratio", "hazard_ratio", "ratio", "pearson_r"})
STANDARDISED = frozenset({"smd", "smd_pre_post", "network_effect"})
PERCENT = frozenset({"risk_difference", "pct_change", "annual_pct_change", "pct_difference_vs_control"})
WORDS = frozenset({"direction", "category", "endpoint_reported", "p_value"})
CHANGES = frozenset({"mean_change", "lsm_change", "median_change", "individual_change"})
LEVELS = frozenset({"mean", "median", "central", "mean_derived", "individual"})
AGAINST_COMPARATOR = frozenset(
    {
        "mean_difference",
        "median_difference",
        "risk_difference",
        "smd",
        "risk_ratio",
        "odds_ratio",
        "hazard_ratio",
        "pooled_difference",
        "network_effect",
    }
)
COUNT_UNITS = frozenset({"patients", "events", "fistulae"})


@dataclass(frozen=True)
class OutcomeTerm:
    """What one outcome name means.

    Parameters
    ----------
    outcome_id, label, unit : str
        Name, words for a figure, unit of a value on its own scale.
    better : {"up", "down", "neither"}
        The direction of improvement.
    lowest, highest : float or None
        Limits of the scale, in ``unit``.
    mcid : float or None
        Smallest change that matters to patients, in ``unit``.
    noise_sd : float or None
        Standard error of one measurement, in ``unit``.
    source : str
        Where limits, change and noise come from.
    """

    outcome_id: str
    label: str
    unit: str
    better: str
    lowest: float | None
    highest: float | None
    mcid: float | None
    noise_sd: float | None
    source: str


@dataclass(frozen=True)
class Conversion:
    """How a printed unit becomes the unit of the vocabulary: value times ``factor``."""

    outcome_id: str
    from_unit: str
    to_unit: str
    factor: float
    exact: bool
    source: str


@dataclass(frozen=True)
class Vocabulary:
    """Everything ``library/vocabulary`` allows.

    Parameters
    ----------
    terms : mapping of str to mapping of str to str
        Kind, then term, then meaning.
    outcomes : mapping of str to OutcomeTerm
    conversions : mapping of (outcome_id, printed unit) to Conversion
    groups : mapping of str to frozenset of str
        Outcome names by group, for example ``responder``.
    parts : mapping of str to tuple of str
        The diseases that one disease covers besides itself, for example lupus nephritis for lupus.
    """

    terms: Mapping[str, Mapping[str, str]]
    outcomes: Mapping[str, OutcomeTerm]
    conversions: Mapping[tuple[str, str], Conversion]
    groups: Mapping[str, frozenset[str]]
    parts: Mapping[str, tuple[str, ...]]

    def allowed(self, kind: str) -> frozenset[str]:
        """Return the terms of one kind, an empty set for an unknown kind."""
        return frozenset(self.terms.get(kind, {}))

    def covered(self, disease: str) -> frozenset[str]:
        """Return a disease and its parts: whoever asks for lupus asks for lupus nephritis too."""
        return frozenset((disease, *self.parts.get(disease, ())))

    def included(self, disease: str) -> str:
        """Return which parts a disease brings along, in words; empty where it has none."""
        parts = [f"{name} ({self.terms['disease'][name]})" for name in self.parts.get(disease, ())]
        return f"{disease} includes {', '.join(parts)}" if parts else ""


def load_vocabulary(root: Path) -> Vocabulary:
    """Read ``terms.csv``, ``outcomes.csv``, ``conversions.csv``, ``outcome_groups.csv`` and ``disease_parts.csv``.

    Parameters
    ----------
    root : Path
        The library's folder.

    Raises
    ------
    StromaError
        E101, every problem of the five tables at once.
    """
    folder = root / "vocabulary"
    problems = Problems()
    terms: dict[str, dict[str, str]] = {}
    for row in _rows(folder / "terms.csv", _TERMS, ("kind", "term"), problems):
        terms.setdefault(row.text("kind"), {})[row.text("term")] = row.text("meaning")
    outcomes = {
        row.text("outcome_id"): _outcome(row)
        for row in _rows(folder / "outcomes.csv", _OUTCOMES, ("outcome_id",), problems)
    }
    in_outcomes = Column(required=True, allowed=frozenset(outcomes))
    conversions = {
        (row.text("outcome_id"), row.text("from_unit")): _conversion(row)
        for row in _rows(
            folder / "conversions.csv",
            {**_CONVERSIONS, "outcome_id": in_outcomes},
            ("outcome_id", "from_unit"),
            problems,
        )
    }
    groups: dict[str, set[str]] = {name: set() for name in terms.get("outcome_group", {})}
    in_groups = Column(required=True, allowed=frozenset(groups))
    for row in _rows(
        folder / "outcome_groups.csv",
        {"outcome_id": in_outcomes, "outcome_group": in_groups, "note": Column()},
        ("outcome_id", "outcome_group"),
        problems,
    ):
        groups[row.text("outcome_group")].add(row.text("outcome_id"))
    in_diseases = Column(required=True, allowed=frozenset(terms.get("disease", {})))
    parts: dict[str, tuple[str, ...]] = {}
    for row in _rows(
        folder / "disease_parts.csv",
        {"disease": in_diseases, "part": in_diseases, "note": Column()},
        ("disease", "part"),
        problems,
    ):
        parts[row.text("disease")] = (*parts.get(row.text("disease"), ()), row.text("part"))
    problems.raise_if_any()
    return Vocabulary(terms, outcomes, conversions, {k: frozenset(v) for k, v in groups.items()}, parts)


def unit_allowed(term: OutcomeTerm, statistic: str, unit: str) -> bool:
    """Return whether a value of this statistic may carry this unit."""
    if statistic in WORDS:
        return unit == ""
    if statistic in DIMENSIONLESS:
        return unit == "1"
    if statistic in STANDARDISED:
        return unit == "sd"
    if statistic == "pooled_difference":
        return unit == "mixed units"
    if statistic in PERCENT:
        return unit == "%"
    if statistic == "proportion":
        return unit in ("%", term.unit)
    if statistic == "count":
        return unit in COUNT_UNITS or unit == term.unit
    if statistic == "range_midpoint" and unit == "sd":
        return True
    return unit == term.unit


_TERMS = {"kind": Column(required=True), "term": Column(required=True), "meaning": Column(required=True)}
_OUTCOMES = {
    "outcome_id": Column(required=True),
    "label": Column(required=True),
    "unit": Column(),
    "better": Column(required=True, allowed=frozenset({"up", "down", "neither"})),
    "lowest": Column("number"),
    "highest": Column("number"),
    "mcid": Column("number"),
    "noise_sd": Column("number"),
    "source": Column(required=True),
}
_CONVERSIONS = {
    "from_unit": Column(required=True),
    "to_unit": Column(required=True),
    "factor": Column("number", required=True),
    "kind": Column(required=True, allowed=frozenset({"exact", "approximate"})),
    "source": Column(required=True),
}


def _rows(path: Path, columns: Mapping[str, Column], key: tuple[str, ...], problems: Problems) -> list[Row]:
    try:
        return read_table(path, columns, CODE, key)
    except StromaError as error:
        problems.extend(error)
        return []


def _outcome(row: Row) -> OutcomeTerm:
    return OutcomeTerm(
        row.text("outcome_id"),
        row.text("label"),
        row.text("unit"),
        row.text("better"),
        row.number("lowest"),
        row.number("highest"),
        row.number("mcid"),
        row.number("noise_sd"),
        row.text("source"),
    )


def _conversion(row: Row) -> Conversion:
    return Conversion(
        row.text("outcome_id"),
        row.text("from_unit"),
        row.text("to_unit"),
        row.known("factor"),
        row.text("kind") == "exact",
        row.text("source"),
    )
