"""One arm taken apart: a cause turned off is worth nothing, what is selected at entry regresses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from stroma.calibration.posterior import load_posterior
from stroma.calibration.predict import take_draws
from stroma.calibration.simulate import people_of, regimen
from stroma.calibration.targets import Target, load_targets
from stroma.disease import known_diseases, load_disease
from stroma.engine.backends import backend
from stroma.errors import StromaError
from stroma.explanation.arm import Game, plain_logit
from stroma.explanation.causes import read_mechanisms, switched_off
from stroma.explanation.parts import CHANCE, ROUTE, SIGNAL, ExplainedOutcome, Settings
from stroma.explanation.scenarios import Solver
from stroma.library import library_root
from stroma.therapy import load_therapy
from stroma.trial.rules import load_rules

SMALL = Settings(draws=24, subjects=20, seed=3)
SLE = load_disease("sle")
PROTEINURIA = "nanjing_cn12|UC-MSC|paired with 3 mo|proteinuria_24h|day 90"


def target(name: str = PROTEINURIA) -> Target:
    return next(t for t in load_targets(SLE).targets if t.target_id == name)


def game(*targets: Target, settings: Settings = SMALL) -> Game:
    drawn = take_draws(load_posterior(SLE), settings.draws, settings.seed)
    rules = load_rules(library_root() / "evidence" / "response_rules.csv")
    return Game(SLE, targets, drawn, read_mechanisms(SLE), rules, settings, backend("cpu"))


def part(outcome: ExplainedOutcome, name: str) -> float:
    return next(p.mean for p in outcome.parts if p.part_id == name)


@pytest.fixture(scope="module")
def open_and_blind() -> list[ExplainedOutcome]:
    one = target()
    return game(one, replace(one, blinding="double_blind")).play([])


def test_parts_sum_to_the_published_change(open_and_blind: list[ExplainedOutcome]) -> None:
    for o in open_and_blind:
        assert sum(p.mean for p in o.parts) == pytest.approx(o.published)
        assert sum(p.mean for p in o.parts if p.kind != CHANCE) == pytest.approx(o.predicted)
        assert sum(p.mean for p in o.routes) == pytest.approx(o.cells.mean)
        assert o.published == pytest.approx(100 * np.expm1(target().observed))


def test_blinded_patients_have_no_open_label_bias(open_and_blind: list[ExplainedOutcome]) -> None:
    knowing, blind = open_and_blind
    assert part(knowing, "open_label") < 0
    assert part(blind, "open_label") == 0
    assert part(knowing, "background_drugs") == pytest.approx(part(blind, "background_drugs"), rel=0.5)


def test_an_arm_without_cells_owes_them_nothing() -> None:
    control = next(t for t in load_targets(SLE).targets if t.study_id == "deng2017" and "placebo" in t.arm_label)
    found, = game(control).play([])
    assert found.cells.absent and all(p.absent for p in found.routes)
    assert [p.mean for p in found.parts if p.kind in ("signal", "open_label")] == [0.0] * 4
    assert part(found, "background_drugs") != 0


@pytest.mark.parametrize("disease_id", known_diseases())
def test_cells_without_any_signal_or_any_route_are_no_cells(disease_id: str) -> None:
    """Three roads to the same patients: cells not given, given with every signal off, with every route off."""
    disease = load_disease(disease_id)
    code = next(c for c, r in disease.regimens.items() if any(load_therapy(t).kind == "cells" for t in r["therapies"]))
    therapies = regimen(disease, code)
    drawn = take_draws(load_posterior(disease), 12, 3)
    people = people_of(disease, drawn.draws, 10, disease.config["populations"][0],
                       next(iter(disease.config["regions"]), ""), 3)
    causes = read_mechanisms(disease)
    solver = Solver(disease, np.array([0.0, 30, 90, 180]), 3, backend("cpu"))
    without = solver.solve(people, [t for t in therapies if t.kind != "cells"]).states
    for kind in (SIGNAL, ROUTE):
        off = switched_off(disease, people, [m for m in causes if m.kind == kind])
        for name, values in solver.solve(off, therapies).states.items():
            assert np.allclose(values, without[name], rtol=2e-3, atol=1e-5), (kind, name)
    given = solver.solve(people, therapies).states
    assert any(not np.allclose(values, without[name], rtol=1e-2, atol=1e-4) for name, values in given.items())


def test_the_signal_that_a_draw_has_not_is_worth_nothing() -> None:
    """Contradiction X2 is a switch in lupus: a draw has one of the two signals."""
    played = game(target())
    apoptosis = played.values["host_by_apoptosis"]
    drugs = frozenset({"natural_course", "background_drugs"})
    dead, secretome = (played.simulated(drugs | {s})[:, 0] for s in ("dead_cells", "secretome"))
    none = played.simulated(drugs)[:, 0]
    assert set(np.unique(apoptosis)) == {0.0, 1.0}
    assert np.allclose(dead[apoptosis == 0], none[apoptosis == 0], atol=1e-3)
    assert np.allclose(secretome[apoptosis == 1], none[apoptosis == 1], atol=1e-3)
    assert (dead[apoptosis == 1] < none[apoptosis == 1] - 1e-3).any()


def test_the_logit_of_a_share_is_plain_and_finite_at_nobody_and_everybody() -> None:
    found = expit(plain_logit(np.array([0.0, 0.04, 0.5, 0.7, 1.0]), 0.5 / 40))
    assert found == pytest.approx([0.5 / 40, 0.04, 0.5, 0.7, 1 - 0.5 / 40], abs=1e-12)


def test_nobody_is_in_remission_at_entry() -> None:
    share = next(t for t in load_targets(SLE).targets if t.kind == "proportion" and t.outcome == "overall_remission")
    found, = game(share).play([])
    assert part(found, "at_entry") == pytest.approx(0.0, abs=1e-9)


def test_severe_entry_regresses_downwards_and_mild_entry_upwards() -> None:
    """Who is chosen for a high measured value measures lower the next time, with nothing done."""
    def regression(severity: float) -> float:
        one = replace(target(), severity=severity, regimen="standard_care", blinding="double_blind")
        found, = game(one, settings=Settings(draws=40, subjects=40, seed=3)).play([])
        return part(found, "regression_to_the_mean")

    severe, mild = regression(7.0), regression(1.0)
    assert severe < -3 < 3 < mild


def test_rows_taken_from_an_earlier_scenario_are_those_solved_anew() -> None:
    played, fresh = game(target()), game(target())
    names = {m.mechanism_id: m for m in played.mechanisms}
    off = switched_off(SLE, played.people, [names["secretome"]])
    played.solver.solve(played.people, played.therapies)
    again = played.solver.solve(off, played.therapies)
    anew = fresh.solver.solve(off, fresh.therapies)
    for name, values in anew.states.items():
        assert np.array_equal(values, again.states[name]), name
    assert np.array_equal(anew.status, again.status)


def test_malformed_causes_are_all_named(tmp_path: Path) -> None:
    folder = tmp_path / "sle"
    folder.mkdir()
    with pytest.raises(StromaError, match="C060"):
        read_mechanisms(replace(SLE, folder=folder))
    (folder / "decomposition.csv").write_text(
        "kind,mechanism_id,label,parameter_id,when_off,source\n"
        "signal,a,a,host_k_secretom,0,none\n"
        "signal,b,b,host_k_secretome,host_k_secretome*hots_potency,none\n", encoding="utf-8")
    with pytest.raises(StromaError) as caught:
        read_mechanisms(replace(SLE, folder=folder))
    said = str(caught.value)
    assert "host_k_secretome" in said and "decomposition.csv:2" in said and "decomposition.csv:3" in said
