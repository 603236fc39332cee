"""The clinic: noise, wander, items and rescue of subjects whose course is known."""

from __future__ import annotations

import numpy as np
import pytest

from stroma.disease import Disease, load_disease
from stroma.engine.ensemble import Status
from stroma.population.baseline import sample_baselines
from stroma.population.subjects import Subjects, build_subjects
from stroma.trial.observe import Quantities, observe
from stroma.trial.pool import YEAR, Pool, needed_outputs

N = 8000
DAYS = np.array([0.0, 14, 30, 72, 180, 365])
SEED = 5


@pytest.fixture(scope="module")
def disease() -> Disease:
    return load_disease("sle")


@pytest.fixture(scope="module")
def people(disease: Disease) -> Subjects:
    number = np.arange(N)
    return build_subjects(disease, sample_baselines(disease, "new", SEED, number), {}, SEED, number, {})


def flat(disease: Disease, people: Subjects, level: float = 1.0) -> Pool:
    """A pool in which nothing changes: every output stays at ``level``, filtration at the patient's own."""
    states = {name: np.full((N, DAYS.size), level) for name in needed_outputs(disease)}
    states["egfr"] = np.repeat(people.covariates["egfr"][:, None], DAYS.size, axis=1)
    return Pool(people, DAYS, states, np.full(N, Status.OK, np.int8), "flat")


@pytest.fixture(scope="module")
def seen(disease: Disease, people: Subjects) -> Quantities:
    return observe(disease, flat(disease, people), SEED)


def test_wander_is_stationary_and_forgets_at_its_rate(disease: Disease, seen: Quantities) -> None:
    rows = {r.text("outcome_id"): r for r in disease.observables}
    wander, own = disease.config["wander"], rows["upcr"].known("noise_sd")
    assert rows["upcr"].values["wander"]
    y = np.log(seen["upcr"])
    total = wander["sd"] ** 2 + own**2
    assert np.allclose(y.var(axis=0), total, rtol=0.08), "the same spread at every visit"
    assert np.all(np.abs(y.mean(axis=0)) < 4 * np.sqrt(total / N))
    covariance = np.cov(y.T)
    for i in range(DAYS.size):
        for j in range(i):
            want = wander["sd"] ** 2 * np.exp(-(DAYS[i] - DAYS[j]) / wander["tau_day"])
            assert abs(covariance[i, j] - want) < 4.5 * total / np.sqrt(N), (DAYS[i], DAYS[j])


def test_wander_is_shared_by_the_measures_of_one_quantity(disease: Disease, seen: Quantities) -> None:
    shared = np.cov(np.log(seen["upcr"][:, 2]), np.log(seen["proteinuria_24h"][:, 2]))[0, 1]
    assert shared == pytest.approx(disease.config["wander"]["sd"] ** 2, rel=0.12)


def test_prevalence_of_items_at_baseline_is_the_tables(disease: Disease, seen: Quantities) -> None:
    judged = [r for r in disease.items if not r.text("rule")]
    assert judged
    for row in judged:
        share, want = seen[f"item_{row.text('item')}"].mean(axis=0), row.known("prevalence")
        assert np.all(np.abs(share - want) < 4.5 * np.sqrt(want * (1 - want) / N)), row.text("item")


def test_items_follow_the_activity(disease: Disease, people: Subjects, seen: Quantities) -> None:
    calm = observe(disease, flat(disease, people, 0.3), SEED)
    for row in disease.items:
        if not row.text("rule"):
            name = f"item_{row.text('item')}"
            assert not np.any(calm[name] & ~seen[name]), "less activity, same patient and noise: never a new item"
            assert calm[name].sum() < seen[name].sum()


@pytest.mark.parametrize("activity", [0.5, 2.0])
def test_rescue_has_the_closed_form_of_a_constant_hazard(disease: Disease, people: Subjects,
                                                        activity: float) -> None:
    rescued = observe(disease, flat(disease, people, activity), SEED)["rescue"]
    want = 1 - np.exp(-disease.parameters["rescue_hazard"].value * activity * DAYS / YEAR)
    assert want[-1] > 0.01 and not rescued[:, 0].any()
    assert np.all(np.abs(rescued.mean(axis=0) - want) <= 4.5 * np.sqrt(want * (1 - want) / N))
    assert np.array_equal(rescued, np.logical_or.accumulate(rescued, axis=1)), "nobody is un-rescued"


def test_noise_belongs_to_the_subject_not_to_the_arm_or_the_company(disease: Disease, people: Subjects,
                                                                   seen: Quantities) -> None:
    pool = flat(disease, people)
    few = np.array([7, 3, 4000])
    part = Subjects(people.subject[few], {k: v[few] for k, v in people.covariates.items()}, people.parameters[few], {})
    alone = observe(disease, Pool(part, DAYS, {k: v[few] for k, v in pool.states.items()}, pool.status[few], ""), SEED)
    for name in ("upcr", "c3", "sledai_2k", "rescue"):
        assert np.array_equal(alone[name], seen[name][few]), name
