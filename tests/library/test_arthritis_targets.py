"""Target lists of the arthritides: rows of the store, on the right side of the split, with a rule and a regimen."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from stroma.calibration.origin import LAST_FIT_YEAR, require_fit_side
from stroma.calibration.targets import load_targets
from stroma.disease import load_disease
from stroma.evidence.checks import check_evidence

LIBRARY = Path(__file__).parents[2] / "library"
DISEASES = ("ra", "as")


@pytest.fixture(scope="module")
def stored() -> dict[tuple[str, ...], float | None]:
    """Return every value of the store, in its own unit."""
    found = {}
    for row in check_evidence(LIBRARY).outcomes:
        day = "" if row.time_day is None else f"{row.time_day:g}"
        key = (row.study.study_id, row.arm.label, row.subgroup, row.outcome_id, day, row.statistic)
        found[key] = row.value
    return found


@pytest.mark.parametrize("disease_id", DISEASES)
def test_a_target_is_a_result_of_the_store(disease_id: str, stored: dict[tuple[str, ...], float | None]) -> None:
    with (LIBRARY / "diseases" / disease_id / "targets.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) > 30
    for row in rows:
        key = tuple(row[n] for n in ("study_id", "arm_label", "subgroup", "outcome", "time_days", "statistic"))
        assert stored[key] == pytest.approx(float(row["value"])), key


@pytest.mark.parametrize("disease_id", DISEASES)
def test_the_fit_side_is_what_was_known_in_2013(disease_id: str) -> None:
    targets = load_targets(load_disease(disease_id))
    fitted = targets.of("fit_background", "fit_msc")
    require_fit_side(fitted)
    assert len(fitted) > 15 and max(t.year for t in fitted) <= LAST_FIT_YEAR
    later = targets.of("validate_background", "validate_msc")
    assert later and min(t.year for t in later) > LAST_FIT_YEAR
    assert not {t.study_id for t in fitted} & {t.study_id for t in later}


@pytest.mark.parametrize("disease_id", DISEASES)
def test_rows_that_are_no_target_say_why(disease_id: str) -> None:
    for row in load_targets(load_disease(disease_id)).excluded:
        assert "no regimen" not in row.reason and "without a response rule" not in row.reason, row
