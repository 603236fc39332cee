"""Published numbers as calibration targets, each with its rule, its patients and its side of the split."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from stroma.disease import Disease
from stroma.errors import Problems
from stroma.library import library_root
from stroma.tables import Column, Row, read_table
from stroma.therapy import CellDose
from stroma.trial.rules import ResponseRule, load_rules

FIT_ROLES = frozenset({"fit_background", "fit_msc"})
ROLES = FIT_ROLES | {"validate_background", "validate_msc"}

WEEK = 7.0
_TEXT, _NUMBER = Column(), Column("number")
_COLUMNS = {
    "role": Column(required=True, allowed=frozenset(ROLES)), "study_id": Column(required=True),
    "arm_label": _TEXT, "subgroup": _TEXT, "outcome": Column(required=True), "unit": _TEXT, "rule_id": _TEXT,
    "time_days": _NUMBER, "statistic": Column(required=True), "value": Column("number", required=True),
    "dispersion_type": _TEXT, "dispersion_lo": _NUMBER, "dispersion_hi": _NUMBER, "n": Column("integer"),
    "therapy": Column(required=True), "population": Column(required=True), "region": _TEXT,
    "note": _TEXT}

@dataclass(frozen=True)
class Target:
    """One number to fit or to check.

    Parameters
    ----------
    target_id : str
        study | arm | subgroup | outcome | day.
    kind : {"proportion", "hazard", "change", "log_ratio"}
        A share by a rule at a visit; a share with a flare by a late day (from the hazard alone); a mean
        change from baseline; the log of mean at the visit over mean at baseline.
    quantity : str
        Rule id for shares, quantity otherwise.
    observed : float
        Share 0-1; change in our unit; log ratio.
    standard_error : float
        Sampling error of ``change`` and ``log_ratio``; NaN for shares (binomial, from ``n``).
    n : float
        Patients; ``n_assumed`` says when the source does not print it.
    trial : str
        The trial behind the number; a review table holds several.
    regimen : str
        Therapy code, a key of ``regimens.toml``.
    severity : float or None
        Mean of the disease's severity at entry, as published for the arm.
    year : int
        Year of publication; 0 where nobody states it.
    blinding, design : str
        Of the study, as in ``studies.csv``.
    dose : CellDose or None
        Of the arm, as in ``arms.csv``; None where the report gives no single dose.
    """

    target_id: str
    study_id: str
    family: str
    trial: str
    arm_label: str
    outcome: str
    kind: str
    quantity: str
    day: float
    observed: float
    standard_error: float
    n: float
    n_assumed: bool
    regimen: str
    population: str
    region: str
    severity: float | None
    role: str
    year: int
    split: str
    file: Path
    line: int
    blinding: str = "not_stated"
    design: str = ""
    dose: CellDose | None = None


@dataclass(frozen=True)
class Excluded:
    """A row that is no target, and why."""

    target_id: str
    reason: str
    role: str
    line: int


@dataclass(frozen=True)
class TargetList:
    """Targets of a disease and the rows that are none."""

    targets: tuple[Target, ...]
    excluded: tuple[Excluded, ...]

    def of(self, *roles: str) -> list[Target]:
        """Return the targets of some roles, in table order."""
        return [t for t in self.targets if t.role in roles]


@dataclass(frozen=True)
class _Study:
    year: int
    family: str
    split: str
    blinding: str
    design: str


def load_targets(disease: Disease, library: Path | None = None) -> TargetList:
    """Read the target list of a disease and say of every row what it is.

    Raises
    ------
    StromaError
        C001 for a malformed row, an unknown study, rule or therapy code; all at once.
    """
    root = library or library_root()
    rules = load_rules(root / "evidence" / "response_rules.csv")
    studies, doses = _studies(root), _doses(root)
    severities = dict.fromkeys(disease.config["severity"]["columns"], _NUMBER)
    rows = read_table(disease.folder / "targets.csv", _COLUMNS | severities, "C001")
    problems = Problems()
    targets: list[Target] = []
    excluded: list[Excluded] = []
    baselines = {_series(r): r for r in rows if r.number("time_days") == 0}
    for row in rows:
        if row.text("study_id") not in studies:
            problems.add("C001", f"unknown study `{row.text('study_id')}`", file=row.file, line=row.line)
            continue
        found = _target(row, studies[row.text("study_id")], rules, baselines.get(_series(row)), disease)
        if isinstance(found, Target):
            family = studies[found.trial].family if found.trial in studies else found.family
            targets.append(replace(found, family=family, dose=doses.get((found.study_id, found.arm_label))))
        else:
            excluded.append(Excluded(_target_id(row), found, row.text("role"), row.line))
    problems.raise_if_any()
    return TargetList(tuple(targets), tuple(excluded))


def _studies(root: Path) -> dict[str, _Study]:
    with (root / "evidence" / "studies.csv").open(encoding="utf-8", newline="") as stream:
        return {r["study_id"]: _Study(int(r["published_year"] or 0), r["cohort_family"] or r["study_id"], r["split"],
                                 r["blinding"], r["design"])
                for r in csv.DictReader(stream)}


def _doses(root: Path) -> dict[tuple[str, str], CellDose]:
    """Return the cells of every arm whose report gives one dose; infusions without an interval are a week apart."""
    found = {}
    with (root / "evidence" / "arms.csv").open(encoding="utf-8", newline="") as stream:
        for r in csv.DictReader(stream):
            try:
                amount, count, gap = float(r["dose_value"]), int(r["n_doses"] or 1), float(r["interval_days"] or WEEK)
            except ValueError:  # a range, or no number
                continue
            if r["dose_unit"] in ("cells", "cells_per_kg"):
                found[r["study_id"], r["arm_label"]] = CellDose(
                    amount, r["dose_unit"] == "cells_per_kg", tuple(gap * i for i in range(count)))
    return found


def _series(row: Row) -> tuple[str, ...]:
    return tuple(row.text(c) for c in ("study_id", "arm_label", "subgroup", "outcome", "unit"))


def _target_id(row: Row) -> str:
    day = row.number("time_days")
    parts = [row.text(c) for c in ("study_id", "arm_label", "subgroup", "outcome")]
    return "|".join([*filter(None, parts), "" if day is None else f"day {day:g}"])


def _target(row: Row, study: _Study, rules: dict[str, ResponseRule], baseline: Row | None,
            disease: Disease) -> Target | str:
    """Return the target, or the reason why the row is none."""
    day, rule, says = row.number("time_days"), row.text("rule_id"), disease.config["targets"]
    if day is None:
        return "no time is stated"
    if rule == "unknown":
        return "the response rule is not known: a description, not a target"
    flare = rule in rules and rules[rule].kind == "time_to_event" and ("flare" in rule or "relapse" in rule)
    if flare and row.text("role") == "fit_msc":
        return "relapse of refractory patients after cells: no hazard of its own in the model"
    regimen = row.text("therapy") + says.get("regimen_of_note", {}).get(row.text("note"), "")
    if regimen not in disease.regimens and not flare:
        return f"the therapy `{regimen}` has no regimen"
    if row.text("subgroup") in says.get("excluded_subgroups", {}):
        return says["excluded_subgroups"][row.text("subgroup")]
    if day == 0:
        return "describes entry: the baseline it sets is used, not fitted"
    if row.text("outcome").startswith(tuple(says.get("not_simulated", ()))):
        return f"`{row.text('outcome')}` is not simulated"
    n, assumed = _denominator(row)
    severities = [row.number(name) for name in disease.config["severity"]["columns"]]
    common = {"target_id": _target_id(row), "study_id": row.text("study_id"), "family": study.family,
              "trial": _trial(row, says),
              "arm_label": row.text("arm_label"), "outcome": row.text("outcome"), "day": day,
              "n": n, "n_assumed": assumed, "regimen": regimen, "population": row.text("population"),
              "region": disease.region(row.text("region")), "severity": next(filter(None, severities), None),
              "role": row.text("role"), "year": study.year, "split": study.split, "file": row.file, "line": row.line,
              "blinding": study.blinding, "design": study.design}
    if row.text("statistic") in ("proportion", "count"):
        if rule not in rules:
            return "a share without a response rule"
        share = row.known("value") / 100 if row.text("statistic") == "proportion" else row.known("value") / n
        if day > float(disease.config["horizon_day"]) and not flare:
            return "beyond the horizon of the model"
        with_event = says.get("share_without_event", {}).get(row.text("outcome"))
        if with_event:
            share, common["outcome"] = 1.0 - share, with_event
        return Target(kind="hazard" if flare else "proportion", quantity=rule,
                      observed=share, standard_error=math.nan, **common)
    return _numeric_target(row, baseline, common, disease)


def _trial(row: Row, says: Mapping) -> str:
    """Return the trial behind a row: of a review's table the label before the arm, the same for all its reports."""
    in_table = row.text("study_id") in says.get("review_tables", ())
    name = re.split(r" \(|: ", row.text("arm_label"))[0] if in_table else row.text("study_id")
    return says.get("same_trial", {}).get(name, name)


def _denominator(row: Row) -> tuple[float, bool]:
    n = row.number("n")
    if n is not None:
        return n, False
    whole = re.search(r"whole-trial N=(\d+)", row.text("note"))
    if whole:
        return float(whole[1]) / 2, True
    return 20.0, True


def _numeric_target(row: Row, baseline: Row | None, common: dict, disease: Disease) -> Target | str:
    says = disease.config["targets"]
    measure = next((m for m in disease.measures.values() if m.published_as == row.text("outcome")), None)
    factor = measure.factors.get(row.text("unit")) if measure else None
    if measure is None or factor is None:
        return f"`{row.text('outcome')}` in {row.text('unit') or 'no unit'} is not simulated"
    value, sd = row.known("value"), row.number("dispersion_lo") if row.text("dispersion_type") == "sd" else None
    quantity, root_n = measure.outcome_id, math.sqrt(common["n"])
    if row.text("statistic") == "mean_change":
        if sd is None:
            return "a mean change without its standard deviation"
        return Target(kind="change", quantity=quantity, observed=value * factor,
                      standard_error=sd * factor / root_n, **common)
    if row.text("statistic") != "mean" or baseline is None:
        return "a mean without its own baseline"
    start, start_sd = baseline.known("value"), baseline.number("dispersion_lo")
    if measure.means == "ratio":
        cv = [(s / v) if s else says["ratio_cv"] for s, v in ((sd, value), (start_sd, start))]
        error = math.sqrt(cv[0] ** 2 + cv[1] ** 2 - cv[0] * cv[1]) / root_n
        return Target(kind="log_ratio", quantity=quantity, observed=math.log(value / start),
                      standard_error=error, **common)
    if start * factor > says.get("highest_entry", {}).get(quantity, math.inf):
        return f"patients enter with {quantity} {start * factor:.0f}: not the simulated population"
    if sd is None or start_sd is None:
        return "a mean without its standard deviation"
    error = math.sqrt(sd**2 + start_sd**2 - sd * start_sd) * factor / root_n
    return Target(kind="change", quantity=quantity, observed=(value - start) * factor, standard_error=error,
                  **common)
