"""Scenarios share everything with the plan but what they change; open-label bias moves only what is judged openly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit

from stroma.calibration.arm_pools import SolvedArms, simulate_arms
from stroma.calibration.forecast import Trial, forecast_trial, read_registered
from stroma.calibration.posterior import load_posterior
from stroma.calibration.predict import OPEN_LABEL, take_draws
from stroma.calibration.prediction import Forecast, Settings
from stroma.calibration.summaries import clustered_error
from stroma.calibration.what_if import Asked, set_parameters
from stroma.disease import load_disease
from stroma.engine.cpu import CpuBackend
from stroma.errors import StromaError
from stroma.trial.changes import changed, read_scenario
from stroma.trial.conduct import judged

SMALL = Settings(draws=32, subjects=24, trials=300)
TRIAL = read_registered("NCT01539902")


def asked(*texts: str) -> list[Asked]:
    return [Asked(read_scenario(t, TRIAL.disease)) for t in texts]


@pytest.fixture(scope="module")
def found() -> Forecast:
    return forecast_trial(TRIAL, SMALL, asked=asked("renal_brake_tone=20", "population=refractory", "n=200"))


def test_the_plan_comes_first_and_is_the_forecast(found: Forecast) -> None:
    planned = found.scenarios[0]
    assert found.current is not None and planned.success is not None
    assert planned.success.value == found.current.probability_of_success
    own = [o for o in found.outcomes if o.variant == "planned" and o.outcome == "primary outcome"]
    assert [(o.arm, o.median, o.pi90) for o in planned.outcomes] == [(o.arm, o.median, o.pi90) for o in own]
    assert {(s.difference, s.error) for s in (*planned.mean, planned.success)} == {(0.0, 0.0)}


def test_only_what_changes_moves(found: Forecast) -> None:
    strong, refractory = found.scenarios[1], found.scenarios[2]
    assert strong.mean[0].difference > 0, "stronger cells help"
    assert strong.mean[1] == replace(found.scenarios[0].mean[1]), "the control arm has no cells"
    assert refractory.mean[1].difference < 0 and refractory.mean[1].error > 0


def test_more_patients_make_no_other_truth(found: Forecast) -> None:
    planned, larger = found.scenarios[0], found.scenarios[3]
    assert larger.n == 200 and larger.difference == planned.difference


def test_an_arm_that_stays_is_not_solved_again() -> None:
    solved = SolvedArms()
    drawn = take_draws(load_posterior(TRIAL.disease), 16, 1)
    small, engine = Settings(16, 20, 100), CpuBackend(1)

    def arms(text: str = "") -> list[str]:
        design = TRIAL.designs[0]
        if text:
            design = changed(design, read_scenario(text, TRIAL.disease), TRIAL.disease)
        return [p.key for p in simulate_arms(TRIAL.disease, design, drawn.draws, small, engine, None, solved)]

    first = arms()
    assert (solved.solved, solved.used) == (2, 0)
    assert arms("n=60") == first and (solved.solved, solved.used) == (2, 2)
    assert arms("dose=2e6/kg")[1] == first[1] and (solved.solved, solved.used) == (3, 3)
    assert set(arms("without=cyclophosphamide_iv")).isdisjoint(first) and solved.solved == 5


def test_the_oldest_arm_is_forgotten() -> None:
    solved = SolvedArms(limit=2)
    pools = simulate_arms(TRIAL.disease, TRIAL.designs[0], take_draws(load_posterior(TRIAL.disease), 16, 1).draws,
                          Settings(16, 20, 100), CpuBackend(1), None)
    for name in ("a", "b"):
        solved.put(name, pools[0])
    assert solved.get("a", pools[0].arm) is not None
    solved.put("c", pools[1])
    assert solved.get("b", pools[0].arm) is None and solved.get("a", pools[0].arm) is not None


def test_a_set_parameter_has_its_value_in_every_draw() -> None:
    drawn = take_draws(load_posterior(TRIAL.disease), 20, 1)
    disease, moved = set_parameters(TRIAL.disease, drawn.draws, {"renal_brake_tone": 2.0, "drug_steroid_ec50": 20.0})
    assert moved.natural(disease)["renal_brake_tone"] == pytest.approx(np.full(20, 2.0))
    assert disease.parameters["drug_steroid_ec50"].value == 20.0
    assert disease.defaults[disease.model.parameters.index("drug_steroid_ec50")] == 20.0
    assert TRIAL.disease.parameters["drug_steroid_ec50"].value == 15.0, "the library's own stays"


def test_the_error_of_a_mean_counts_clusters() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=400)
    alone = clustered_error(values, np.arange(400))
    assert alone == pytest.approx(values.std() / 20.0)
    assert clustered_error(np.repeat(values, 5), np.repeat(np.arange(400), 5)) == pytest.approx(alone)


@pytest.mark.parametrize("shift", [-1.0, 0.0, 0.7])
def test_judgement_moves_a_share_by_its_logit(shift: float) -> None:
    rng = np.random.default_rng(2)
    share, n = np.full(4000, 0.4), 200
    count = rng.binomial(n, share)
    told = judged(count, n, share, np.full(4000, shift), rng.random(4000))
    assert told.mean() / n == pytest.approx(expit(logit(0.4) + shift), abs=0.004)
    assert ((told >= 0) & (told <= n)).all() and (shift != 0.0 or (told == count).all())


def test_an_open_trial_is_judged_openly_where_the_cells_are() -> None:
    opened = Trial(TRIAL.record, TRIAL.title, TRIAL.disease, (replace(TRIAL.designs[0], blinded=False),))
    blind = Trial(TRIAL.record, TRIAL.title, TRIAL.disease, (TRIAL.designs[0],))
    seen, unseen = forecast_trial(opened, SMALL), forecast_trial(blind, SMALL)
    bias = take_draws(seen.posterior, SMALL.draws, SMALL.seed).draws.natural(TRIAL.disease)["open_label_response"]
    cells, control = seen.outcomes
    assert np.array_equal(control.density, unseen.outcomes[1].density), "the control arm has nothing to believe in"
    moved = cells.density - unseen.outcomes[0].density
    assert (moved[bias[cells.draw] > 0] >= 0).all() and (moved[bias[cells.draw] < 0] <= 0).all() and moved.any()
    assert OPEN_LABEL in seen.notes and OPEN_LABEL not in unseen.notes
    for told, blindly in zip(seen.priors, unseen.priors, strict=True):
        assert told.difference == blindly.difference, "the truth is not judged"
    assert seen.priors[-1] == unseen.priors[-1], "the enthusiastic prior knows no such bias"


@pytest.mark.parametrize(("text", "said"), [
    ("thawed; fresh", "change the same thing"), ("n=60; n=30", "change the same thing"),
    ("renal_brake_tone=1; renal_brake_tone=2", "change the same thing"),
    ("host_by_apoptosis=0.5", "a switch is 0 or 1")])
def test_what_contradicts_itself_is_refused(text: str, said: str) -> None:
    with pytest.raises(StromaError, match=said) as caught:
        read_scenario(text, load_disease("sle"))
    assert {d.code for d in caught.value.diagnostics} == {"T222"}


@pytest.mark.parametrize("kind", ["lognormal", "logitnormal", "normal", "fixed", "switch"])
def test_a_parameter_of_every_kind_can_be_set(kind: str) -> None:
    disease = load_disease("sle")
    name = next(n for n, p in disease.parameters.items() if p.distribution == kind)
    value = disease.parameters[name].upper
    scenario = read_scenario(f"{name}={value}", disease)
    drawn = take_draws(load_posterior(disease), 20, 1)
    changed_disease, own = set_parameters(disease, drawn.draws, scenario.parameters)
    assert changed_disease.parameters[name].value == value
    if name in own.names:
        assert own.natural(disease)[name] == pytest.approx(value)


def test_infusions_after_the_last_outcome_are_refused() -> None:
    disease = load_disease("sle")
    design = read_registered("NCT01539902").designs[0]
    with pytest.raises(StromaError, match="not before the last outcome"):
        changed(design, read_scenario("doses=day 0, 9999", disease), disease)
