"""Every ready scenario reads, fits the trial of its disease, and says what its sources say."""

from __future__ import annotations

import csv
import tomllib

import pytest

from stroma.calibration.forecast import Trial, forecast_trial, read_registered
from stroma.calibration.posterior import choose_posterior
from stroma.calibration.prediction import Settings
from stroma.calibration.what_if import Asked
from stroma.engine.backends import backend
from stroma.errors import StromaError
from stroma.library import library_root
from stroma.trial.changes import changed
from stroma.trial.ready import Ready, known_scenarios, read_ready

TRIALS = {t.disease.disease_id: t for t in map(read_registered, ("NCT01539902", "NCT01547091", "NCT01586312"))}
TRIAL = TRIALS["sle"]


def asked(name: str) -> tuple[Trial, Ready]:
    """Return a ready scenario and the trial of its disease."""
    written = tomllib.loads((library_root() / "scenarios" / f"{name}.toml").read_text(encoding="utf-8"))
    trial = TRIALS[written["disease"]]
    return trial, read_ready(name, trial.disease)


def cells_add(name: str) -> dict[str, float]:
    """Return the true difference that the cells of the trial make, in points, by variant."""
    trial, ready = asked(name)
    found = forecast_trial(trial, Settings(100, 40, 200, 1), backend("cpu"), None,
                           [Asked(s, ready.claims, ready.note) for s in ready.scenarios],
                           choose_posterior(trial.disease, ""))
    return {s.label: s.difference.value for s in found.scenarios if s.difference is not None}


def test_what_the_issues_ask_is_there() -> None:
    assert {"infusions", "cyclophosphamide", "autologous", "refractory", "steroid_pulses"} <= set(known_scenarios())
    assert {"anti_tnf", "route_ra", "dose_knee", "early_steroid"} <= set(known_scenarios())


@pytest.mark.parametrize("name", known_scenarios())
def test_a_scenario_fits_and_one_variant_changes_something(name: str) -> None:
    trial, ready = asked(name)
    designs = [changed(trial.designs[0], s, trial.disease) for s in ready.scenarios]
    assert len(designs) >= 2 and any(d != trial.designs[0] for d in designs)
    assert ready.note and ready.title and ready.claims


@pytest.mark.parametrize("name", known_scenarios())
def test_the_studies_behind_a_claim_are_in_the_store(name: str) -> None:
    with (library_root() / "evidence" / "studies.csv").open(encoding="utf-8", newline="") as stream:
        studies = {r["study_id"] for r in csv.DictReader(stream)}
    for claim in asked(name)[1].claims:
        assert set(claim.studies) <= studies and claim.primary and claim.claim


def test_single_is_not_better_than_double_in_the_primary_source() -> None:
    (claim,) = [c for c in asked("infusions")[1].claims if c.claim_id == "s2_wang12"]
    assert claim.studies == ("wang2012",) and claim.status == "differs"


def test_nobody_has_tried_the_combination_with_a_tnf_antibody() -> None:
    (claim,) = [c for c in asked("anti_tnf")[1].claims if c.claim_id == "s2_antitnf"]
    assert claim.studies == () and claim.status == "not_found"


def test_an_unknown_name_says_the_nearest() -> None:
    with pytest.raises(StromaError) as caught:
        read_ready("infusion", TRIAL.disease)
    assert caught.value.diagnostics[0].code == "T223" and "`infusions`" in caught.value.diagnostics[0].hint


def test_a_scenario_of_another_disease_says_which_there_are() -> None:
    with pytest.raises(StromaError) as caught:
        read_ready("dose_knee", TRIAL.disease)
    (only,) = caught.value.diagnostics
    assert only.code == "T223" and "`oa`" in only.message and "infusions" in only.hint and "route_ra" not in only.hint


@pytest.mark.slow
def test_an_antibody_leaves_less_for_the_cells_to_add() -> None:
    """Both act on one inflammation (sub-additive), and licensing by TNF works the same way: no synergy here."""
    points = cells_add("anti_tnf")
    assert points["with a TNF antibody"] < points["without a TNF antibody"]
    assert points["without it, TNF licenses strongly"] > points["without a TNF antibody"]
    assert points["with it, TNF licenses strongly"] < points["without it, TNF licenses strongly"]


@pytest.mark.slow
def test_the_other_joints_hardly_see_an_injection() -> None:
    points = cells_add("route_ra")
    inside, vein = points["4e7 cells into a joint, seen from the others"], points["one infusion of 4e7 cells"]
    assert abs(inside) < 0.1 * vein


@pytest.mark.slow
def test_doses_of_the_knee_ascend_unless_crowds_do_harm() -> None:
    points = cells_add("dose_knee")
    rising = [points[f"{n} million cells"] for n in (2, 10, 50, 100)]
    assert rising == sorted(rising) and points["100 million cells, if too many do harm"] < rising[-1]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "without", "hindered", "free"), [
    ("early_steroid", "no prednisone", "prednisone, tapered", "prednisone that does not hinder licensing"),
    ("steroid_knee", "no steroid", "steroid with the cells", "steroid that does not hinder licensing")])
def test_a_steroid_leaves_less_to_add_and_least_where_it_hinders(name: str, without: str, hindered: str,
                                                                 free: str) -> None:
    points = cells_add(name)
    assert points[hindered] <= points[free] < points[without]
