"""What if: changes are read strictly, and each moves its own part of the design and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stroma.calibration.forecast import read_registered
from stroma.disease import Disease
from stroma.errors import StromaError
from stroma.therapy import CellDose
from stroma.trial.changes import changed, read_scenario
from stroma.trial.design import TrialDesign

TRIAL = read_registered("NCT01539902")


@pytest.fixture
def design() -> TrialDesign:
    return TRIAL.designs[0]


@pytest.fixture
def disease() -> Disease:
    return TRIAL.disease


def after(text: str) -> TrialDesign:
    return changed(TRIAL.designs[0], read_scenario(text, TRIAL.disease), TRIAL.disease)


def problems(text: str) -> list[tuple[str, str, str]]:
    with pytest.raises(StromaError) as caught:
        after(text)
    return [(d.code, d.message, d.hint) for d in caught.value.diagnostics]


def dose(design: TrialDesign) -> CellDose:
    (found,) = {t.dose for arm in design.arms for t in arm.treatments if t.dose}
    return found


def test_a_dose_keeps_its_days_unless_days_are_given(design: TrialDesign) -> None:
    assert dose(after("dose=2e6/kg")) == CellDose(2e6, True, dose(design).days)
    assert dose(after("dose=2e6/kg@day0,30")) == CellDose(2e6, True, (0.0, 30.0))


def test_stated_days_replace_the_assumed_interval(design: TrialDesign) -> None:
    cells = next(t for arm in design.arms for t in arm.treatments if t.dose)
    assert cells.fact("interval_day") is not None
    moved = next(t for arm in after("doses=day 0, 7").arms for t in arm.treatments if t.dose)
    assert moved.dose == CellDose(1e8, False, (0.0, 7.0)) and moved.fact("interval_day") is None


@pytest.mark.parametrize("state", ["thawed", "fresh"])
def test_a_thaw_state_is_no_longer_integrated_over(state: str) -> None:
    cells = next(t for arm in after(state).arms for t in arm.treatments if t.dose)
    fact = cells.fact("thaw_state")
    assert fact is not None and fact.value == state and not fact.options and not fact.assumed


def test_another_donor_is_another_product_and_says_so() -> None:
    moved = after("donor=autologous")
    assert {t.therapy_id for arm in moved.arms for t in arm.treatments if t.dose} == {"bm_msc_autologous"}
    assert "the tissue changes" in moved.notes[-1]


def test_drugs_come_and_go_in_every_arm(design: TrialDesign) -> None:
    moved = after("without=cyclophosphamide_iv; with=tacrolimus")
    for arm, before in zip(moved.arms, design.arms, strict=True):
        kept = [t.therapy_id for t in before.treatments if t.therapy_id != "cyclophosphamide_iv"]
        assert [t.therapy_id for t in arm.treatments] == [*kept, "tacrolimus"]


def test_patients_are_shared_out_by_the_planned_ratio(design: TrialDesign) -> None:
    assert [a.n for a in design.arms] == [17, 8]
    assert [a.n for a in after("n=60").arms] == [41, 19]
    assert [a.n for a in after("n=40:20").arms] == [40, 20]


def test_what_is_not_named_stays(design: TrialDesign) -> None:
    moved = after("population=refractory")
    assert moved.population == "refractory"
    assert replace(moved, population=design.population, facts=design.facts) == design
    assert after("without=tacrolimus") == design, "no arm gets it"
    assert after(f"population={design.population}") == design


def test_parameters_leave_the_design_alone(design: TrialDesign, disease: Disease) -> None:
    scenario = read_scenario("renal_brake_tone=2; drug_steroid_ec50=20", disease)
    assert scenario.parameters == {"renal_brake_tone": 2.0, "drug_steroid_ec50": 20.0}
    assert changed(design, scenario, disease) == design


def test_everything_unreadable_is_told_at_once() -> None:
    found = problems("dos=2e6; thawed=1; renal_brake_ton=2; licence_steroid_imax=7; donor=")
    assert [code for code, _, _ in found] == ["T221", "T221", "T221", "T222", "T221"]
    assert "`dose`" in found[0][2] and "`renal_brake_tone`" in found[2][2] and "range is 0.5 to 1" in found[3][2]


def test_everything_impossible_is_told_at_once() -> None:
    found = problems("donor=me; population=refractori; without=mycofenolate; n=1; product=uc_msc; doses=7, 0")
    assert [code for code, _, _ in found] == ["T222"] * 5 + ["T205"]
    assert "`refractory`" in found[1][2] and "`uc_msc_allogeneic`" in found[4][2]


@pytest.mark.parametrize(("name", "owner"), [("kidney_egfr_healthy", "population"), ("host_potency", "product")])
def test_a_value_that_belongs_elsewhere_says_where(name: str, owner: str) -> None:
    ((code, message, _),) = problems(f"{name}=1")
    assert code == "T222" and owner in message
