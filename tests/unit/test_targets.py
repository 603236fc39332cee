"""The door between fit and validation."""

from dataclasses import replace

import pytest

from stroma.calibration.origin import require_fit_side
from stroma.calibration.targets import load_targets
from stroma.disease import load_disease
from stroma.errors import StromaError


@pytest.fixture(scope="module")
def listed():
    return load_targets(load_disease("sle"))


def test_the_published_result_of_the_record_is_refused_by_a_fit(listed):
    own = [t for t in listed.targets if t.study_id == "deng2017"]
    assert own, "the result must be in the store, to be shown"
    with pytest.raises(StromaError) as raised:
        require_fit_side([*listed.of("fit_background"), *own])
    assert {d.code for d in raised.value.diagnostics} == {"C010"}
    assert len(raised.value.diagnostics) == len(own), "every row is named, not the first only"


def test_every_validation_row_is_refused(listed):
    for target in listed.of("validate_background", "validate_msc"):
        with pytest.raises(StromaError):
            require_fit_side([target])


def test_a_control_arm_relabelled_as_fit_is_still_refused_by_its_year(listed):
    later = next(t for t in listed.of("validate_background") if t.year >= 2014)
    with pytest.raises(StromaError) as raised:
        require_fit_side([replace(later, role="fit_background")])
    assert raised.value.diagnostics[0].code == "C011"


def test_an_msc_result_relabelled_as_fit_is_still_refused_by_its_split(listed):
    own = next(t for t in listed.targets if t.study_id == "deng2017")
    with pytest.raises(StromaError) as raised:
        require_fit_side([replace(own, role="fit_msc")])
    assert raised.value.diagnostics[0].code == "C012"


def test_every_row_of_the_list_is_a_target_or_has_a_reason(listed):
    rows = sum(1 for _ in (load_disease("sle").folder / "targets.csv").open()) - 1
    assert len(listed.targets) + len(listed.excluded) == rows
    assert all(e.reason for e in listed.excluded)


def test_alms_numbers_are_as_published(listed):
    """Appel 2009: 56.4 % of 156 on mycophenolate, 53.9 % of 154 on cyclophosphamide (class III/IV)."""
    found = {(t.regimen, t.n): t.observed for t in listed.of("fit_background")
             if t.study_id == "appel2009alms" and t.outcome == "overall_remission"}
    assert found == {("mmf", 156.0): 0.564, ("cyc_iv", 154.0): 0.539}


def test_reports_of_one_trial_are_one_trial():
    """ATTEST gave placebo, abatacept and infliximab; RADIATE stands in a review's table and in its own report."""
    arthritis = load_targets(load_disease("ra")).targets
    attest = {t.arm_label for t in arthritis if t.trial == "ATTEST ref6"}
    assert attest == {"ATTEST ref6 (abatacept): placebo + MTX/DMARD", "ATTEST ref6 (infliximab): biologic + MTX/DMARD"}
    radiate = [t for t in arthritis if t.trial == "emery2008radiate"]
    assert {t.study_id for t in radiate} == {"emery2008radiate", "acr50reviewtable2"}
    assert {t.family for t in radiate} == {"emery2008radiate"}, "an origin that does not see one sees neither"
