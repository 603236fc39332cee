"""How large: one pool for all sizes, the level of the test is kept, the estimand is what it says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stroma.calibration.forecast import Trial, read_registered
from stroma.calibration.how_large import PowerForecast, SizeQuestion, how_large, read_question
from stroma.calibration.prediction import ALPHA, Settings
from stroma.engine.cpu import CpuBackend
from stroma.engine.ensemble import EnsembleProblem, Tolerance, Trajectories
from stroma.errors import StromaError
from stroma.report.power_view import power_object

SIZES = (18, 60, 240)
SMALL = Settings(draws=60, subjects=40, trials=3000)
TRIAL = read_registered("NCT01539902")


class Counting(CpuBackend):
    """The cpu engine, counting what it is asked to solve."""

    patients = 0

    def solve_ensemble(self, problem: EnsembleProblem, tolerance: Tolerance) -> Trajectories:
        """Solve and count."""
        self.patients += problem.parameters.shape[0]
        return super().solve_ensemble(problem, tolerance)


@pytest.fixture(scope="module")
def engine() -> Counting:
    return Counting(1)


@pytest.fixture(scope="module")
def found(engine: Counting) -> PowerForecast:
    return how_large(TRIAL, SizeQuestion(SIZES, (1.0, 1.0)), SMALL, engine)


def test_the_patients_are_solved_once_for_all_sizes(found: PowerForecast, engine: Counting) -> None:
    assert [s.n for s in found.sizes] == list(SIZES)
    assert engine.patients == 2 * SMALL.draws * SMALL.subjects


def test_the_level_of_the_test_is_kept(found: PowerForecast) -> None:
    for size in found.sizes:
        assert size.type_one.value <= ALPHA + 3.0 * size.type_one.error, size.n
        assert 0 < size.type_one.error < 0.01
    assert found.sizes[-1].type_one.value > 0.002, "the test can be lost"


def test_larger_trials_have_narrower_intervals_and_err_less(found: PowerForecast) -> None:
    widths = [s.width.value for s in found.sizes]
    assert widths == sorted(widths, reverse=True)
    assert widths[1] / widths[2] == pytest.approx(2.0, rel=0.1), "four times the patients, half the width"
    assert found.sizes[0].arms == (9, 9) and found.sizes[2].arms == (120, 120)


def test_treatment_policy_counts_rescued_responders(found: PowerForecast) -> None:
    policy = how_large(TRIAL, SizeQuestion((60,), (1.0, 1.0), "treatment-policy"), SMALL, CpuBackend(1))
    assert any("whatever rescue" in line for line in policy.estimand)
    assert any("rescue treatment by that day counts as a failure" in line for line in found.estimand)
    assert all(any("no death" in line for line in f.estimand) for f in (policy, found))
    assert policy.sizes[0].width != found.sizes[1].width


def test_an_open_trial_tells_what_belief_alone_would_win() -> None:
    opened = Trial("open", "open", TRIAL.disease, (replace(TRIAL.designs[0], blinded=False),))
    told = how_large(opened, SizeQuestion((240,), (1.0, 1.0)), SMALL, CpuBackend(1)).sizes[0]
    assert told.open_win is not None and told.open_win.value > told.type_one.value
    assert told.type_one.value <= ALPHA + 3.0 * told.type_one.error, "the test itself keeps its level"


def test_json_has_every_size(found: PowerForecast) -> None:
    said = power_object(found)
    assert [s["arms"] for s in said["sizes"]] == [{"hUC-MSC": n // 2, "Placebo": n // 2} for n in SIZES]
    assert said["estimand"]["strategy"] == "composite" and said["simulated"] is True
    assert all(s["probability_of_success_if_cells_do_nothing_open_label"] is None for s in said["sizes"])


def test_a_question_is_read_strictly() -> None:
    assert read_question("60, 18,60", "2:1", "composite") == SizeQuestion((18, 60), (2.0, 1.0), "composite")
    with pytest.raises(StromaError) as caught:
        read_question("18,x,0", "2:0", "itt")
    assert [d.code for d in caught.value.diagnostics] == ["T224"] * 3


@pytest.mark.parametrize(("question", "words"), [
    (SizeQuestion((60,), (1.0, 1.0, 1.0)), "3 parts, the trial 2 arms"),
    (SizeQuestion((2,), (20.0, 1.0)), "leave an arm empty")])
def test_a_ratio_that_does_not_fit(question: SizeQuestion, words: str) -> None:
    with pytest.raises(StromaError) as caught:
        how_large(TRIAL, question, SMALL, CpuBackend(1))
    assert words in caught.value.diagnostics[0].message


def test_nothing_is_compared_without_a_control() -> None:
    alone = Trial("alone", "alone", TRIAL.disease, (replace(TRIAL.designs[0], arms=TRIAL.designs[0].arms[:1]),))
    with pytest.raises(StromaError) as caught:
        how_large(alone, SizeQuestion((20,)), SMALL, CpuBackend(1))
    assert "no control arm" in caught.value.diagnostics[0].message


def test_the_rates_behind_the_power_are_told(found: PowerForecast) -> None:
    told = power_object(found)
    low, middle, high = found.truth
    assert low <= middle <= high and told["true_difference"]["median"] == pytest.approx(middle, rel=1e-4, abs=1e-9)
    share = told["true_control_percent"]
    assert 0 < share["pi90"][0] <= share["median"] <= share["pi90"][1] <= 100
    assert f"{found.cells} minus {found.control}" in found.estimand[0]


def test_an_outcome_that_was_chosen_is_not_called_primary() -> None:
    asked = how_large(read_registered("NCT01851070"), SizeQuestion((60,)), Settings(draws=50, subjects=20, trials=200))
    assert "chosen outcome, not the registered one," in asked.estimand[0] and "primary" not in asked.estimand[0]
    assert asked.estimand[0].count("other arms are not compared") == 1
