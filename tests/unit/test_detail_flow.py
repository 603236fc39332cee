"""The closer look at a small forecast: patients add up, flares are Kaplan and Meier's, cells are conserved."""

import csv
import io
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from statsmodels.duration.survfunc import SurvfuncRight

from stroma.calibration.arm_pools import SolvedArms
from stroma.calibration.forecast import forecast_trial, read_registered
from stroma.calibration.predict import Simulated, simulate_design, take_draws
from stroma.calibration.prediction import Forecast, Settings
from stroma.detail.cell_fate import WHERE
from stroma.detail.disposition import patient_flow
from stroma.detail.flares import kaplan_meier, observed_time
from stroma.detail.look import Detail, look_closer
from stroma.detail.replicas import Replicas, replicas
from stroma.engine.cpu import CpuBackend
from stroma.report.adam import VARIABLES, adam_tables, labelled, parameter_codes
from stroma.report.run_tables import csv_bytes, parquet_bytes

SMALL = Settings(draws=32, subjects=24, trials=300)
LUPUS, KNEE = "NCT01539902", "NCT01586312"


def closer(record: str) -> tuple[Forecast, Detail, SolvedArms]:
    solved, backend = SolvedArms(), CpuBackend()
    found = forecast_trial(read_registered(record), SMALL, backend, solved=solved)
    return found, look_closer(found, backend, solved), solved


@pytest.fixture(scope="module")
def lupus() -> tuple[Forecast, Detail, SolvedArms]:
    return closer(LUPUS)


@pytest.fixture(scope="module")
def knee() -> tuple[Forecast, Detail, SolvedArms]:
    return closer(KNEE)


@pytest.fixture(scope="module")
def made(lupus: tuple[Forecast, Detail, SolvedArms]) -> Replicas:
    return replicas(simulated(lupus[0], lupus[2]), lupus[0].designs[-1], SMALL)


def simulated(found: Forecast, solved: SolvedArms) -> Simulated:
    drawn = take_draws(found.posterior, SMALL.draws, SMALL.seed)
    return simulate_design(found.record, found.disease, found.designs[0], drawn, (), SMALL, CpuBackend(), solved=solved)


def test_a_closer_look_solves_no_arm_again(lupus):
    assert lupus[2].solved == len(lupus[0].designs[0].arms) and lupus[2].used >= lupus[2].solved


@pytest.mark.parametrize("which", ["lupus", "knee"])
def test_the_flow_adds_up_in_every_trial(which, request):
    found, detail, _ = request.getfixturevalue(which)
    assert [a.randomised for a in detail.flow] == [a.n for a in found.designs[-1].arms]
    for arm in detail.flow:
        assert np.array_equal(arm.left + arm.left_rescued + arm.rescued + arm.unaided,
                              np.full(arm.left.shape, arm.randomised))
        assert arm.left.max() > 0
        assert all((later <= earlier).all() for earlier, later in zip(arm.infused, arm.infused[1:], strict=False))
        if arm.responders is not None:
            assert (arm.responders <= arm.randomised).all() and arm.responders.max() > 0


def test_nobody_leaves_where_the_hazard_is_nothing(made):
    never = tuple(np.full_like(x, 1e9) for x in made.trials.leaves_day)
    last = tuple(np.full_like(x, made.potential.visit_day.size - 1) for x in made.trials.last_visit)
    safe = replace(made, trials=replace(made.trials, leaves_day=never, last_visit=last))
    for arm in patient_flow(safe):
        assert not arm.left.any() and not arm.left_rescued.any()
        assert all((x == arm.randomised).all() for x in arm.infused)


def test_patients_of_the_shown_trial_are_those_of_the_flow(lupus):
    _, detail, _ = lupus
    for number, arm in enumerate(detail.flow):
        patients = [p for p in detail.patients if p.arm == number]
        assert len(patients) == arm.randomised
        visit = int(np.argmin(np.abs(np.array(detail.visit_day) - detail.design.outcomes[0].day)))
        seen = sum(np.isfinite(p.measured["upcr"][visit]) for p in patients)
        assert seen == arm.rescued[0] + arm.unaided[0]
        assert [sum(p.infusions > i for p in patients) for i in range(len(arm.infused))] == [x[0] for x in arm.infused]


def test_kaplan_meier_agrees_with_statsmodels(made):
    flare = made.flare_day["extrarenal_flare_hazard"]
    time, happened = observed_time(flare[made.trials.draw[:, None], made.trials.subject[0]], made.trials.leaves_day[0],
                                   made.end)
    chosen = np.argsort(-(happened.sum(axis=1) * 10 + (time < made.end).sum(axis=1)))[:8]
    assert happened[chosen].any() and (~happened[chosen] & (time[chosen] < made.end)).any()
    for k in chosen:
        theirs = SurvfuncRight(time[k], happened[k].astype(int))
        ours = kaplan_meier(time[k][None], happened[k][None], theirs.surv_times)[0]
        assert np.allclose(ours, theirs.surv_prob)


def test_kaplan_meier_with_ties_agrees_with_statsmodels():
    rng = np.random.default_rng(5)
    time, happened = rng.integers(1, 9, 40).astype(float), rng.random(40) < 0.5
    theirs = SurvfuncRight(time, happened.astype(int))
    assert np.allclose(kaplan_meier(time[None], happened[None], theirs.surv_times)[0], theirs.surv_prob)


def test_risk_table_starts_with_everybody_and_loses_events_and_leavers(lupus):
    for curve in lupus[1].flares:
        assert curve.at_risk[0] == curve.n and (np.diff(curve.at_risk) <= 0).all()
        assert (curve.events + curve.at_risk <= curve.n + np.diff(curve.events, prepend=0)).all()


def test_first_flares_are_as_frequent_as_the_hazards_say(lupus, made):
    found = simulated(lupus[0], lupus[2])
    for name, day in made.flare_day.items():
        hazard = found.drawn.draws.natural(found.disease)[name][:day.shape[0], None]
        expected = 1.0 - np.exp(-hazard * made.end / 365.25)
        error = np.sqrt((expected * (1 - expected)).sum() * SMALL.subjects) / day.size
        assert abs((day < made.end).mean() - expected.mean()) < 4 * error


def test_a_disease_without_flares_has_no_curves(knee):
    assert knee[1].flares == () and all(not p.flare for p in knee[1].patients)


@pytest.mark.parametrize(("which", "places"), [
    ("lupus", {"viable", "apoptotic", "engulfed"}),
    ("knee", {"joint_viable", "joint_settled", "joint_apoptotic", "engulfed"})])
def test_cells_are_conserved(which, places, request):
    fate = request.getfixturevalue(which)[1].fate
    where = [c for c in fate.courses if c.part == WHERE]
    assert {c.output for c in where} == places
    total = sum(c.mean for c in where)
    assert np.allclose(total, 1.0)
    for course in where:
        assert (course.quantiles >= -1e-6).all() and (course.quantiles <= 1.0 + 1e-6).all()
    engulfed = next(c for c in where if c.output == "engulfed").mean
    assert engulfed[0] < 0.1 and engulfed[-1] > 0.95
    single = fate.day < (np.diff(fate.given_day)[0] if len(fate.given_day) > 1 else np.inf)
    assert (np.diff(engulfed[single]) > -1e-6).all()


def test_first_week_is_told_apart_from_published_days(lupus):
    week = lupus[1].week
    assert week.first_published_day > 7.0
    for change in week.changes:
        for _, _, (low, middle, high) in change.arms:
            assert low <= middle <= high
        low, middle, high = change.difference
        assert low <= middle <= high


def test_adam_rows_are_consistent(lupus):
    found, detail, _ = lupus
    tables = adam_tables(found.record, detail)
    assert set(tables) == {"adsl", "adeff", "adtte", "adam_variables"}
    assert len(tables["adsl"]) == found.designs[-1].n == len({r["USUBJID"] for r in tables["adsl"]})
    keys = [(r["USUBJID"], r["PARAMCD"], r["AVISITN"]) for r in tables["adeff"]]
    assert len(keys) == len(set(keys))
    for row in tables["adeff"]:
        assert row["CHG"] == pytest.approx(row["AVAL"] - row["BASE"], abs=1e-8)
        assert row["PARAM"].startswith("SIMULATED") and len(row["PARAMCD"]) <= 8
        assert (row["AVISITN"] == 0.0) == (row["ABLFL"] == "Y")
    gone = {r["USUBJID"]: r["EOSDY"] for r in tables["adsl"] if r["EOSSTT"] == "DISCONTINUED"}
    assert all(r["ADY"] <= gone[r["USUBJID"]] for r in tables["adeff"] if r["USUBJID"] in gone)


def test_csv_and_parquet_hold_the_same_and_say_simulated(lupus):
    for name, rows in adam_tables(lupus[0].record, lupus[1]).items():
        text = list(csv.DictReader(io.StringIO(csv_bytes(rows).decode())))
        table = pq.read_table(io.BytesIO(parquet_bytes(rows, labelled(rows))))
        assert [{k: "" if v is None else str(v) for k, v in r.items()} for r in table.to_pylist()] == text
        assert all(r["label"].startswith("SIMULATED") for r in text)
        for field in table.schema:
            if field.name in VARIABLES:
                assert field.metadata[b"label"].startswith(b"SIMULATED"), (name, field.name)


def test_codes_are_short_and_unlike():
    codes = parameter_codes(["serum_albumin", "serum_albumin_change", "serum_album", "c3"])
    assert codes == {"serum_albumin": "SERUMALB", "serum_albumin_change": "SERUMAL2", "serum_album": "SERUMAL3",
                     "c3": "C3"}
