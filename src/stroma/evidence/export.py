"""Export to the long form that metafor reads: one row an arm and visit, columns named as in ``escalc``."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from typing import TextIO

from stroma.evidence.listing import amount_text
from stroma.evidence.records import Evidence, Outcome
from stroma.evidence.vocabulary import WORDS

COLUMNS = (
    "study",
    "year",
    "family",
    "split",
    "evidence_kind",
    "design",
    "blinding",
    "country",
    "disease",
    "subgroup",
    "arm",
    "label",
    "role",
    "treatment",
    "cell_source",
    "donor",
    "route",
    "dose",
    "dose_unit",
    "n_doses",
    "outcome",
    "better",
    "time_day",
    "statistic",
    "unit",
    "value",
    "dispersion",
    "low",
    "high",
    "xi",
    "ni",
    "mi",
    "sdi",
    "rule",
    "flags",
    "source",
    "source_url",
)
"""``xi`` patients with the event of ``ni``; ``mi`` mean with standard deviation ``sdi``, of ``ni``."""

_MEANS = frozenset({"mean", "mean_change", "lsm_change"})


def export_rows(
    evidence: Evidence, outcome_id: str | None = None, disease: str | None = None
) -> list[dict[str, object]]:
    """Return the numeric results, one dict with the keys :data:`COLUMNS` each; words are left out.

    ``xi``, ``ni``, ``mi`` and ``sdi`` are filled where the row supports them without a guess: counts of
    patients and percentages with a denominator, means with an SD or an SE (times the square root of n).

    Raises
    ------
    StromaError
        E105 for a name outside the vocabulary.
    """
    rows: Iterable[Outcome] = (
        evidence.outcomes if outcome_id is None else evidence.results(outcome_id, disease)
    )
    wanted = None if disease is None else evidence.vocabulary.covered(disease)
    return [
        _row(evidence, row)
        for row in rows
        if row.statistic not in WORDS and (wanted is None or not wanted.isdisjoint(row.arm.diseases))
    ]


def write_export(rows: list[dict[str, object]], stream: TextIO) -> None:
    """Write the rows as CSV with a header; numbers round-trip, what is not known is empty."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(["" if row[name] is None else row[name] for name in COLUMNS] for row in rows)


def _row(evidence: Evidence, row: Outcome) -> dict[str, object]:
    study, arm = row.study, row.arm
    mean, sd = _mean_and_sd(row)
    return {
        "study": study.study_id,
        "year": study.published_year,
        "family": study.cohort_family,
        "split": study.split,
        "evidence_kind": study.evidence_kind,
        "design": study.design,
        "blinding": study.blinding,
        "country": study.country,
        "disease": ";".join(arm.diseases),
        "subgroup": row.subgroup,
        "arm": arm.arm_id,
        "label": arm.label,
        "role": arm.role,
        "treatment": arm.treatment,
        "cell_source": arm.cell_source,
        "donor": arm.donor,
        "route": arm.route,
        "dose": amount_text(arm.dose),
        "dose_unit": arm.dose_unit,
        "n_doses": amount_text(arm.n_doses),
        "outcome": row.outcome_id,
        "better": evidence.vocabulary.outcomes[row.outcome_id].better,
        "time_day": row.time_day,
        "statistic": row.statistic,
        "unit": row.unit,
        "value": row.value,
        "dispersion": row.dispersion_type,
        "low": row.low,
        "high": row.high,
        "xi": _events(row),
        "ni": row.n,
        "mi": mean,
        "sdi": sd,
        "rule": row.rule_id,
        "flags": ";".join(sorted(row.flags)),
        "source": row.source_locator,
        "source_url": row.source_url,
    }


def _events(row: Outcome) -> int | None:
    if row.value is None or row.n is None:
        return None
    if row.statistic == "count" and row.unit == "patients":
        return int(row.value)
    return round(row.value * row.n / 100) if row.statistic == "proportion" and row.unit == "%" else None


def _mean_and_sd(row: Outcome) -> tuple[float | None, float | None]:
    if row.statistic not in _MEANS:
        return None, None
    if row.dispersion_type == "sd":
        return row.value, row.low
    if row.dispersion_type == "se" and row.low is not None and row.n is not None:
        return row.value, row.low * math.sqrt(row.n)
    return row.value, None
