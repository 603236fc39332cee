"""Five years, with flares: what one, two or yearly courses of cells change, in the same patients.

Only order and closed forms are tested: no series compares courses, so sizes are not known.
"""

from __future__ import annotations

import numpy as np
import pytest

from stroma.disease import Disease, load_disease
from stroma.engine.backends import backend
from stroma.engine.ensemble import Tolerance
from stroma.library import library_root
from stroma.population.baseline import sample_baselines
from stroma.population.subjects import build_subjects
from stroma.therapy import CellDose, load_therapy
from stroma.trial.observe import Quantities, observe
from stroma.trial.pool import Pool, solve_pool
from stroma.trial.rules import ResponseRule, load_rules

N, SEED = 150, 6
DAYS = np.array([0.0, 90, 182, 273, 365, 450, 548, 640, 730, 913, 1095, 1278, 1461, 1643, 1826])
COURSES = {"none": (), "one": (0.0,), "two": (0.0, 180.0), "yearly": (0.0, 365.0, 730.0, 1095.0, 1460.0)}


@pytest.fixture(scope="module")
def disease() -> Disease:
    return load_disease("sle")


@pytest.fixture(scope="module")
def rules() -> dict[str, ResponseRule]:
    return load_rules(library_root() / "evidence" / "response_rules.csv")


@pytest.fixture(scope="module")
def pools(disease: Disease) -> dict[str, Pool]:
    """The same patients under each number of courses: failing kidneys, and dead cells that carry a strong effect."""
    number = np.arange(N)
    worst = disease.parameters["kidney_k_nephron"].upper
    draws = {"host_by_apoptosis": 1.0, "renal_brake_tone": 5.0, "drug_response": 0.4, "kidney_k_nephron": worst}
    entry = sample_baselines(disease, "refractory", SEED, number)
    entry["egfr"] = 0.4 * entry["egfr"]
    people = build_subjects(disease, entry, {k: np.full(N, v) for k, v in draws.items()}, SEED, number, {})
    background = [load_therapy("mycophenolate_low"), load_therapy("prednisone_taper")]
    cells, found = load_therapy("uc_msc_allogeneic"), {}
    for name, days in COURSES.items():
        arm = background + ([cells.with_dose(CellDose(1e6, True, days))] if days else [])
        found[name] = solve_pool(disease, people, arm, DAYS, SEED, backend("cpu"), Tolerance(1e-5, 1e-8),
                                 disease.model.outputs)
        assert found[name].solved.all()
    return found


@pytest.fixture(scope="module")
def seen(disease: Disease, pools: dict[str, Pool]) -> dict[str, Quantities]:
    return {name: observe(disease, pool, SEED) for name, pool in pools.items()}


def test_flares_come_again_within_five_years(pools: dict[str, Pool]) -> None:
    """Renal pushes rise several times in some patients, at the same days whatever the arm."""
    push = {name: pool.states["push"] for name, pool in pools.items()}
    rises = (np.diff(push["none"], axis=1) > 0.05).sum(axis=1)
    assert (rises >= 2).sum() >= 5 and (rises == 0).mean() > 0.4
    assert all(np.allclose(push["none"], other, atol=1e-3) for other in push.values())


def test_more_courses_never_cost_nephrons_and_yearly_ones_save_some(pools: dict[str, Pool]) -> None:
    kept = {name: pool.states["kidney_nephrons"][:, -1] for name, pool in pools.items()}
    for fewer, more in (("none", "one"), ("one", "two"), ("two", "yearly")):
        assert np.all(kept[more] >= kept[fewer] - 1e-5), (fewer, more)
    assert (kept["yearly"] - kept["one"]).mean() > (kept["one"] - kept["none"]).mean() > 1e-4


def test_the_tone_of_one_course_is_gone_and_that_of_yearly_courses_comes_back(pools: dict[str, Pool]) -> None:
    late = DAYS > 1000
    assert pools["one"].states["tone"][:, late].max() < 1e-3
    assert np.median(pools["yearly"].states["tone"][:, DAYS == 1643]) > 0.02


def test_kidney_survival_and_filtration_follow(rules: dict[str, ResponseRule], seen: dict[str, Quantities],
                                               pools: dict[str, Pool]) -> None:
    lost = {name: rules["ln_kidney_survival"].evaluate(values, DAYS)[:, -1].mean() for name, values in seen.items()}
    assert lost["yearly"] < lost["none"] < 0.6 and lost["yearly"] <= lost["one"] <= lost["none"]
    filtration = {name: pool.states["egfr"][:, -1].mean() for name, pool in pools.items()}
    assert filtration["yearly"] > filtration["one"] > filtration["none"]


def test_extrarenal_responses_and_counts_can_be_judged(rules: dict[str, ResponseRule], seen: dict[str, Quantities],
                                                       pools: dict[str, Pool]) -> None:
    """SRI-4 is stricter than the fall in SLEDAI alone; cells never lower the platelets; steroids are spared."""
    values, visit = seen["one"], DAYS == 182
    share = rules["sle_sri4"].evaluate(values, DAYS)[:, visit].mean()
    fall = (values["sledai_2k"] <= values["sledai_2k"][:, :1] - 4)[:, visit].mean()
    assert 0.1 < share < fall
    sparing = rules["sle_steroid_sparing"].evaluate(values, DAYS)
    assert not sparing[:, DAYS == 90].any(), "60 mg tapers to 10 mg by week 16"
    assert np.array_equal(sparing[:, DAYS == 365], ~values["rescue"][:, DAYS == 365])
    assert np.all(pools["one"].states["platelets"] >= pools["none"].states["platelets"] - 1e-2)
    assert rules["sle_platelets_response"].evaluate(values, DAYS)[:, visit].mean() > 0.8
