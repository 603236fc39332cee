"""Therapies as exact additions to states, and the pool of one arm."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stroma.disease import Disease, load_disease
from stroma.engine.backends import backend
from stroma.engine.ensemble import Status, Tolerance
from stroma.errors import StromaError
from stroma.population.baseline import sample_baselines
from stroma.population.subjects import Subjects, build_subjects
from stroma.therapy import CellDose, Therapy, load_therapy
from stroma.trial.pool import arm_doses, solve_pool, treated

TIGHT = Tolerance(1e-9, 1e-11)
NUMBERS = np.arange(6)


@pytest.fixture(scope="module")
def disease() -> Disease:
    return load_disease("sle")


@pytest.fixture(scope="module")
def people(disease: Disease) -> Subjects:
    return build_subjects(disease, sample_baselines(disease, "new", 4, NUMBERS), {}, 4, NUMBERS, {})


def cells(amount: float = 1e6, per_kg: bool = True, days: tuple[float, ...] = (0.0,), thawed: bool = False) -> Therapy:
    return load_therapy("uc_msc_allogeneic").with_dose(CellDose(amount, per_kg, days), thawed)


def steady(disease: Disease, people: Subjects, therapies: list[Therapy], days: list[float], output: str) -> np.ndarray:
    pool = solve_pool(disease, people, therapies, np.array(days), 4, backend("roadrunner"), TIGHT, (output,))
    assert pool.solved.all()
    return pool.states[output]


@pytest.mark.parametrize(("therapy", "state", "levels"), [
    ("prednisone_taper", "drug_prednisone", {1: 60, 15: 50, 43: 30, 113: 10, 300: 7.5}),
    ("mycophenolate", "drug_mycophenolate", {1: 1.0, 8: 2.0, 100: 2.5, 200: 2.0}),
    ("mycophenolate_maintenance", "drug_mycophenolate", {100: 0, 170: 1.5})])
def test_a_daily_dose_stands_at_its_level(disease: Disease, people: Subjects, therapy: str, state: str,
                                          levels: dict[float, float]) -> None:
    found = steady(disease, people, [load_therapy(therapy)], [0.0, *levels], state)
    assert np.allclose(found[:, 1:], list(levels.values()), atol=1e-9)


def test_a_taper_is_written_as_differences() -> None:
    day, amount = np.array([(d, a) for _, d, a in load_therapy("prednisone_taper").doses]).T
    assert day[0] == 0 and amount[0] == 60 and np.all(amount[1:] < 0)
    assert amount.sum() == pytest.approx(7.5)


@given(parts=st.lists(st.integers(1, 500), min_size=1, max_size=5), tenth_day=st.integers(0, 200))
@settings(max_examples=6, deadline=None)
def test_a_dose_given_in_parts_is_the_dose(parts: list[int], tenth_day: int) -> None:
    disease = load_disease("sle")
    one = build_subjects(disease, sample_baselines(disease, "new", 4, NUMBERS[:1]), {}, 4, NUMBERS[:1], {})

    def given_as(amounts: list[int]) -> np.ndarray:
        therapy = Therapy("split", "", "drug", (), "", tuple(("drug_pulse", tenth_day / 10, float(a)) for a in amounts))
        return steady(disease, one, [therapy], [0.0, 21.0, 60.0], "mediator")

    assert np.allclose(given_as(parts), given_as([sum(parts)]), rtol=1e-7)


def test_cells_are_split_into_alive_and_dead_by_weight(disease: Disease, people: Subjects) -> None:
    index = {name: i for i, name in enumerate(disease.model.states)}
    product = load_therapy("uc_msc_allogeneic")
    for thawed in (False, True):
        doses = arm_doses(disease, people, [cells(days=(0.0, 7.0), thawed=thawed)], 4, 30.0)
        lost = product.value("loss_thawed" if thawed else "loss_fresh")
        for i in range(people.n):
            mine = doses.of(i)
            alive = [a for d, s, a in mine if s == index["viable"]]
            dead = [a for d, s, a in mine if s == index["apoptotic"]]
            total = 1e6 * people.covariates["weight"][i]
            assert alive == pytest.approx([total * product.value("viability") * (1 - lost)] * 2)
            assert [a + b for a, b in zip(alive, dead, strict=True)] == pytest.approx([total, total])


def test_doses_are_in_order_and_end_before_the_horizon(disease: Disease, people: Subjects) -> None:
    therapies = [load_therapy("cyclophosphamide_iv"), load_therapy("prednisone_taper"), cells()]
    doses = arm_doses(disease, people, therapies, 4, 60.0)
    for i in range(people.n):
        days = [day for day, _, _ in doses.of(i)]
        assert days == sorted(days) and max(days) <= 60.0


def test_a_flare_comes_on_the_same_day_in_every_arm(disease: Disease, people: Subjects) -> None:
    push = disease.model.states.index("push")

    def flares(therapies: list[Therapy]) -> list[list[tuple[float, float]]]:
        doses = arm_doses(disease, people, therapies, 4, 1000.0)
        return [[(day, a) for day, s, a in doses.of(i) if s == push] for i in range(people.n)]

    assert flares([]) == flares([cells(), load_therapy("prednisone_taper")])


@pytest.mark.parametrize(("state", "hazard"), [("push", "flare_hazard"),
                                               ("extrarenal_push", "extrarenal_flare_hazard")])
def test_flares_come_again_and_again_at_their_hazard(disease: Disease, state: str, hazard: str) -> None:
    """Numbers within five years are Poisson: mean and variance are hazard x years; the first comes as before."""
    many, years = np.arange(20_000), 5.0
    crowd = Subjects(many, {"weight": np.full(many.size, 60.0)}, np.tile(disease.defaults, (many.size, 1)), {})
    doses = arm_doses(disease, crowd, [], 11, 365.25 * years)
    mine = (doses.amount > 0) & (doses.state == disease.model.states.index(state))
    number = mine.reshape(many.size, -1).sum(axis=1)
    want = disease.parameters[hazard].value * years
    assert number.mean() == pytest.approx(want, abs=4 * np.sqrt(want / many.size))
    assert number.var() == pytest.approx(want, rel=0.05)
    assert (number == 0).mean() == pytest.approx(np.exp(-want), abs=0.015)
    sooner = arm_doses(disease, crowd, [], 11, 365.25)
    early = {(s, d) for s in range(50) for d, i, a in sooner.of(s) if a > 0}
    assert early <= {(s, d) for s in range(50) for d, i, a in doses.of(s)}, "a longer trial moves no flare"


def test_the_product_reaches_the_parameters(disease: Disease, people: Subjects) -> None:
    potency, thaw = (disease.model.parameters.index(n) for n in ("host_potency", "licence_thaw"))
    autologous = load_therapy("bm_msc_autologous").with_dose(CellDose(1e6, True))
    weak = treated(disease, people, [autologous]).parameters[:, potency]
    assert np.allclose(weak, people.parameters[:, potency] * autologous.value("potency"))
    assert np.all(treated(disease, people, [cells(thawed=True)]).parameters[:, thaw] == 0.5)
    assert np.all(treated(disease, people, [cells()]).parameters[:, thaw] == 1.0)


def test_an_arm_is_named_by_what_went_in(disease: Disease, people: Subjects) -> None:
    def key(therapies: list[Therapy], days: list[float]) -> str:
        return solve_pool(disease, people, therapies, np.array(days), 4, backend("roadrunner"), Tolerance()).key

    assert key([cells()], [0.0, 30.0]) == key([cells()], [0.0, 30.0])
    assert len({key([cells()], [0.0, 30.0]), key([], [0.0, 30.0]), key([cells(2e6)], [0.0, 30.0]),
                key([cells()], [0.0, 31.0])}) == 4


def test_a_subject_that_cannot_be_solved_is_missing(disease: Disease, people: Subjects) -> None:
    broken = people.parameters.copy()
    broken[2, 0] = np.nan
    pool = solve_pool(disease, Subjects(people.subject, people.covariates, broken, {}), [], np.array([0.0, 30.0]), 4,
                      backend("roadrunner"), Tolerance())
    assert pool.status[2] == Status.BAD_INPUT and pool.solved.sum() == people.n - 1
    assert np.all(np.isnan(pool.states["upcr"][2])) and np.all(np.isfinite(pool.states["upcr"][[0, 1, 3]]))


def test_a_therapy_that_is_not_there_or_not_readable(tmp_path: Path) -> None:
    with pytest.raises(StromaError) as caught:
        load_therapy("mycophenolat")
    assert caught.value.diagnostics[0].code == "D010" and "`mycophenolate`" in caught.value.diagnostics[0].hint
    (tmp_path / "therapies").mkdir()
    (tmp_path / "therapies" / "broken.toml").write_text('id = "broken"\nname = "x"\n')
    with pytest.raises(StromaError) as caught:
        load_therapy("broken", tmp_path)
    assert caught.value.diagnostics[0].code == "D011" and "kind" in caught.value.diagnostics[0].message
