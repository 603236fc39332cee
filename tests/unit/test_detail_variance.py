"""Uncertainty taken apart: cases with known answers, and the forecast's own variance."""

from dataclasses import replace

import numpy as np
import pytest

from stroma.calibration.arm_pools import SolvedArms
from stroma.calibration.forecast import forecast_trial, read_registered
from stroma.calibration.predict import simulate_design, take_draws
from stroma.calibration.prediction import Settings
from stroma.calibration.simulate import Draws
from stroma.detail.carried import carried
from stroma.detail.look import look_closer
from stroma.detail.remeasured import measured_twice
from stroma.detail.responses import ArmResponses, arm_responses, chance, leanings
from stroma.detail.surface import fit_surfaces
from stroma.detail.variance import SOURCES, DrawMoments, draw_moments, own_share, pooled
from stroma.engine.cpu import CpuBackend
from stroma.trial.conduct import PotentialOutcomes, responders, run_trials

DRAWS, PATIENTS, N = 1500, 60, 25
PARAMETERS, STRUCTURE, OWN, NOISE, STUDIES = 0.4, 0.6, 1.5, 1.0, 0.3  # standard deviations


def nested(seed: int = 3) -> tuple[list[ArmResponses], np.ndarray]:
    """Return two measurements of normal patients under normal draws of two variants, and each draw's variant."""
    rng = np.random.default_rng(seed)
    variant = np.arange(DRAWS) % 2
    level = PARAMETERS * rng.standard_normal(DRAWS) + STRUCTURE * (2 * variant - 1)
    patient = level[:, None] + OWN * rng.standard_normal((DRAWS, PATIENTS))
    one, none = np.ones(DRAWS), np.zeros(DRAWS)
    runs = [ArmResponses("arm", patient + NOISE * rng.standard_normal(patient.shape), N * one, False, one, none,
                         STUDIES * one) for _ in range(2)]
    return runs, variant


def test_a_nested_normal_comes_apart_as_it_was_made():
    (first, again), variant = nested()
    everybody, weight = np.ones((DRAWS, PATIENTS), bool), np.full(DRAWS, 1.0 / DRAWS)
    moments = draw_moments([(1.0, first)], everybody, np.ones(DRAWS), None)
    own = own_share([first], [again], everybody, weight)
    found = pooled("arm", moments, own, weight, np.arange(DRAWS), variant, 1)
    truth = {"sampling": NOISE**2 / N, "patients": OWN**2 / N, "studies": STUDIES**2, "parameters": PARAMETERS**2,
             "structure": STRUCTURE**2}
    for source in SOURCES:
        near = 4 * found.errors[source] + 0.01 * found.total
        assert found.parts[source] == pytest.approx(truth[source], abs=near), source
    assert found.total == pytest.approx(sum(truth.values()), rel=0.06)
    assert sum(found.share(s) for s in SOURCES) == pytest.approx(1.0)


def test_finite_patients_do_not_pass_for_parameters():
    rng = np.random.default_rng(4)
    one, weight = np.ones(DRAWS), np.full(DRAWS, 1.0 / DRAWS)
    arm = ArmResponses("arm", rng.standard_normal((DRAWS, 20)), N * one, False, one, 0 * one, 0 * one)
    moments = draw_moments([(1.0, arm)], np.ones((DRAWS, 20), bool), one, None)
    assert moments.mean.var() == pytest.approx(1 / 20, rel=0.15)
    found = pooled("arm", moments, 1.0, weight, np.arange(DRAWS), np.zeros(DRAWS, int), 1)
    assert found.parts["parameters"] < 4 * found.errors["parameters"] + 1e-4 and found.parts["structure"] == 0.0


def test_a_study_effect_moves_a_share_as_the_logistic_curve_says():
    rng, spread, share = np.random.default_rng(6), 0.5, 0.5
    value = (rng.random((400, 2000)) < share).astype(float)
    one = np.ones(400)
    arm = ArmResponses("arm", value, N * one, True, one, 0 * one, 0 * one)
    moments = draw_moments([(1.0, arm)], np.ones(value.shape, bool), spread * one, value)
    z = rng.standard_normal(200_000) * spread
    assert moments.studies.mean() == pytest.approx(np.var(1 / (1 + np.exp(-z))), rel=0.02)
    assert moments.within.mean() == pytest.approx(np.mean(np.exp(-z) / (1 + np.exp(-z)) ** 2) / N, rel=0.02)


@pytest.mark.parametrize("cumulative", [True, False])
def test_the_chance_to_be_counted_is_what_replicated_trials_count(cumulative):
    rng, visit = np.random.default_rng(8), np.array([0.0, 60.0, 120.0, 180.0])
    early = rng.integers(1, 6, (30, 50))
    won = np.arange(4) >= early[:, :, None]
    rescue = np.arange(4) >= rng.integers(2, 12, (30, 50))[:, :, None]
    pool = PotentialOutcomes(visit, np.ones((30, 50), bool), {"win": won[None], "rescue": rescue[None]}, {},
                             np.full(30, 0.8), np.zeros(30))
    trials = run_trials(pool, None, 0, [40], np.ones(30), 4000, 2, "t")
    counted = responders(pool, trials, "win", 0, 0, 3, cumulative, "rescue") / 40
    expected = chance(pool, "win", 0, 3, cumulative).mean()
    assert counted.mean() == pytest.approx(expected, abs=4 * counted.std() / np.sqrt(4000))


SETTINGS = Settings(draws=160, subjects=60, trials=3000)


@pytest.fixture(scope="module")
def taken_apart():
    solved, backend = SolvedArms(), CpuBackend()
    found = forecast_trial(read_registered("NCT01539902"), SETTINGS, backend, solved=solved)
    drawn = take_draws(found.posterior, SETTINGS.draws, SETTINGS.seed)
    arms = simulate_design(found.record, found.disease, found.designs[0], drawn, (), SETTINGS, backend, solved=solved)
    return found, look_closer(found, backend, solved, uncertainty=True).uncertainty, arms


def test_the_parts_add_up_to_the_variance_of_the_forecast(taken_apart):
    found, uncertainty, arms = taken_apart
    design, pool, weight = found.designs[-1], arms.potential, arms.drawn.weights["current"]
    responses, leaning = arm_responses(arms, design, pool), leanings(arms, design, pool)
    for number, arm in enumerate(design.arms):
        outcome = next(o for o in found.outcomes if o.variant == design.variant and o.arm == arm.label
                       and o.outcome == "primary outcome")
        said = next(v for v in uncertainty.variances if v.result == arm.label)
        # Replicated trials draw from a finite pool of patients: their variance holds its blur, the parts do not.
        blur = weight @ draw_moments([(1.0, responses[number])], pool.eligible, pool.study_spread, leaning).blur
        seen = np.var(outcome.density / 100)
        error = seen * np.sqrt(2 / SETTINGS.trials) + sum(said.errors.values())
        assert said.total + blur == pytest.approx(seen, abs=4 * error)
        assert said.mean == pytest.approx(outcome.density.mean() / 100, abs=4 * np.sqrt(seen / SETTINGS.trials) + 0.01)


def test_the_same_patients_are_measured_twice(taken_apart):
    _, _, arms = taken_apart
    one, two = measured_twice(arms, SETTINGS, CpuBackend())
    for name, value in one.measures.items():
        assert np.array_equal(value[..., 0], two.measures[name][..., 0], equal_nan=True), name
        assert np.array_equal(value[..., 0], arms.potential.measures[name][:, :one.n_draw, :, 0], equal_nan=True), name
    last = [np.log(run.measures["upcr"][0, ..., -1]).ravel() for run in (one, two)]
    assert 0.3 < np.corrcoef(last)[0, 1] < 0.999
    error = np.std(last[0] - last[1]) / np.sqrt(last[0].size)
    assert np.mean(last[0]) == pytest.approx(np.mean(last[1]), abs=4 * error)
    assert one.eligible.any() and not (two.eligible & ~one.eligible).any()


def test_every_source_is_there_and_parameters_have_indices(taken_apart):
    _, uncertainty, _ = taken_apart
    assert [v.result for v in uncertainty.variances][-1] == "difference"
    for v in uncertainty.variances:
        assert set(v.parts) == set(SOURCES) and all(x >= 0 for x in v.parts.values())
        assert v.parts["sampling"] > 0 and v.parts["patients"] > 0
    for c in uncertainty.carried:
        assert 0 < c.explained < 1 and {g.name for g in c.groups} <= {"assumed", "sourced"}


def draws(n: int, k: int) -> Draws:
    return Draws(tuple(f"p{i}" for i in range(k)), np.random.default_rng(9).random((n, k)) * 2 - 1)


def indices(d: Draws, value: np.ndarray, kinds: list[str]):
    none = np.zeros(d.n)
    return carried(d, {"y": DrawMoments(value, none, none, none)}, kinds, np.full(d.n, 1.0 / d.n), 1)[0]


def test_sobol_indices_of_a_linear_function():
    d, slope = draws(600, 5), np.array([3.0, 2.0, 1.0, 0.5, 0.0])
    found = indices(d, d.scaled @ slope, ["assumed", "sourced", "assumed", "sourced", "sourced"])
    want = slope**2 * d.scaled.var(axis=0)
    want = want / want.sum()
    by_name = {i.name: i for i in found.parameters}
    for i, name in enumerate(d.names):
        assert by_name[name].first == pytest.approx(want[i], abs=0.04)
        assert by_name[name].total == pytest.approx(want[i], abs=0.04)
    assert {g.name: g.first for g in found.groups}["assumed"] == pytest.approx(want[0] + want[2], abs=0.06)
    assert found.explained > 0.999 and found.reachable == 1.0


def test_sobol_indices_of_a_product():
    d = draws(600, 3)
    x = d.scaled
    found = {i.name: i for i in indices(d, x[:, 0] + 2.0 * x[:, 0] * x[:, 1], ["sourced"] * 3).parameters}
    # Uniform on -1 to 1: the sum has variance 1/3, the product 4/9.
    assert found["p0"].first == pytest.approx(3 / 7, abs=0.06) and found["p0"].total == pytest.approx(1.0, abs=0.06)
    assert found["p1"].first == pytest.approx(0.0, abs=0.06) and found["p1"].total == pytest.approx(4 / 7, abs=0.06)
    assert abs(found["p2"].total) < 0.02


def test_noise_alone_has_no_indices():
    d = draws(300, 6)
    none = np.zeros(d.n)
    noise = np.random.default_rng(1).standard_normal(d.n)
    found = carried(d, {"y": DrawMoments(noise, none, none, none)}, ["sourced"] * 6, np.full(d.n, 1.0 / d.n), 1)
    assert not found or found[0].explained < 0.05


def test_left_out_draws_are_judged_as_if_left_out():
    d = draws(80, 3)
    value = d.scaled @ np.array([1.0, 0.5, 0.0]) + 0.3 * np.random.default_rng(2).standard_normal(80)
    weight = np.full(80, 1 / 80)
    surface = fit_surfaces(d.scaled, value[:, None], weight)[0]
    assert 0.6 < surface.explained < 0.95
    fresh = np.random.default_rng(12).random((2000, 3)) * 2 - 1
    truth = fresh @ np.array([1.0, 0.5, 0.0])
    assert 1 - np.mean((surface.predict(fresh) - truth) ** 2) / truth.var() > surface.explained


def test_too_few_draws_have_no_indices():
    d = draws(40, 3)
    none = np.zeros(40)
    moments = {"y": DrawMoments(d.scaled[:, 0], none, none, none)}
    assert carried(d, moments, ["sourced"] * 3, np.full(40, 1 / 40), 1) == ()


def test_people_who_know_their_treatment_move_the_mean(taken_apart):
    found, _, arms = taken_apart
    open_trial = replace(found.designs[-1], blinded=False)
    blind, known = (arm_responses(arms, d, arms.potential) for d in (found.designs[-1], open_trial))
    cells = next(i for i, a in enumerate(open_trial.arms) if not a.control)
    assert np.array_equal(known[1 - cells].level, blind[1 - cells].level)
    assert known[cells].level.mean() > 0 and (known[cells].slope < 1).any()
