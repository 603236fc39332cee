"""Every ready scenario reads, fits the lupus trial of the library, and says what its sources say."""

from __future__ import annotations

import csv

import pytest

from stroma.calibration.forecast import read_registered
from stroma.errors import StromaError
from stroma.library import library_root
from stroma.trial.changes import changed
from stroma.trial.ready import known_scenarios, read_ready

TRIAL = read_registered("NCT01539902")


def test_the_issue_s_five_are_there() -> None:
    assert {"infusions", "cyclophosphamide", "autologous", "refractory", "steroid_pulses"} <= set(known_scenarios())


@pytest.mark.parametrize("name", known_scenarios())
def test_a_scenario_fits_and_one_variant_changes_something(name: str) -> None:
    ready = read_ready(name, TRIAL.disease)
    designs = [changed(TRIAL.designs[0], s, TRIAL.disease) for s in ready.scenarios]
    assert len(designs) >= 2 and any(d != TRIAL.designs[0] for d in designs)
    assert ready.note and ready.title and ready.claims


@pytest.mark.parametrize("name", known_scenarios())
def test_the_studies_behind_a_claim_are_in_the_store(name: str) -> None:
    with (library_root() / "evidence" / "studies.csv").open(encoding="utf-8", newline="") as stream:
        studies = {r["study_id"] for r in csv.DictReader(stream)}
    for claim in read_ready(name, TRIAL.disease).claims:
        assert set(claim.studies) <= studies and claim.primary and claim.claim


def test_single_is_not_better_than_double_in_the_primary_source() -> None:
    (claim,) = [c for c in read_ready("infusions", TRIAL.disease).claims if c.claim_id == "s2_wang12"]
    assert claim.studies == ("wang2012",) and claim.status == "differs"


def test_an_unknown_name_says_the_nearest() -> None:
    with pytest.raises(StromaError) as caught:
        read_ready("infusion", TRIAL.disease)
    assert caught.value.diagnostics[0].code == "T223" and "`infusions`" in caught.value.diagnostics[0].hint
