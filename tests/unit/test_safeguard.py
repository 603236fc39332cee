"""The safeguard reports the true error, hands failures over, and leaves the fast answers untouched."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import sympy

from stroma.engine.cpu import CpuBackend
from stroma.engine.delivered import DeliveredError, worst
from stroma.engine.ensemble import Doses, EnsembleProblem, Status, Tolerance, Trajectories
from stroma.engine.reference import ReferenceBackend
from stroma.engine.safeguard import SafeguardedBackend, select
from stroma.model.ode_model import OdeModel, symbol

X, K = symbol("x"), symbol("k")
DECAY = OdeModel("decay", ("x",), ("k",), (), (-K * X,), (sympy.Integer(1),))
RATES = np.linspace(0.1, 3.0, 300)


def problem(rates: np.ndarray = RATES) -> EnsembleProblem:
    doses = Doses.per_subject([[(0.5, 0, float(i))] * (i % 3) for i in range(rates.size)])
    return EnsembleProblem(DECAY, rates[:, None], np.array([1.0, 2.0]), ("x",), doses)


def test_selection_keeps_each_subjects_own_doses() -> None:
    whole, chosen = problem(), np.array([7, 2, 2, 299, 0])
    part = select(whole, chosen)
    assert [part.doses.of(i) for i in range(5)] == [whole.doses.of(int(i)) for i in chosen]
    assert np.array_equal(part.parameters, whole.parameters[chosen])


def test_estimated_error_is_the_true_error_of_the_sample() -> None:
    watched = SafeguardedBackend(CpuBackend(), ReferenceBackend(), share=1.0)
    got = watched.solve_ensemble(problem(), Tolerance(1e-4, 1e-7))
    i, t = np.arange(300)[:, None], np.array([1.0, 2.0])
    exact = np.exp(-RATES[:, None] * t) + (i % 3) * i * np.exp(-RATES[:, None] * (t - 0.5))
    true = np.max(np.abs(got.values[:, :, 0] - exact) / (exact + 1e-3 * exact.max()))
    assert got.checked is not None and got.checked.n_checked == 300
    assert abs(got.checked.error - true) <= 1e-3 * true
    assert f"at most {true:.1e} on 300 of 300" in got.notes[0]


@pytest.mark.parametrize(("n", "checked"), [(2500, 25), (300, 16), (5, 5)])
def test_one_percent_is_checked_and_nothing_else_changes(n: int, checked: int) -> None:
    asked = problem(np.linspace(0.1, 3.0, n))
    got = SafeguardedBackend(CpuBackend(), ReferenceBackend()).solve_ensemble(asked, Tolerance())
    assert np.array_equal(got.values, CpuBackend().solve_ensemble(asked, Tolerance()).values)
    assert got.checked is not None
    assert (got.checked.n_checked, got.checked.n_subject, got.checked.relative) == (checked, n, 1e-6)
    assert len(got.notes) == 1 and f"on {checked:,} of {n:,} subjects" in got.notes[0]


def test_a_tolerance_that_misses_the_limit_is_lowered_until_it_keeps_it() -> None:
    loose = Tolerance(0.1, 1e-4)
    missed = SafeguardedBackend(CpuBackend(), ReferenceBackend(), limit=np.inf).solve_ensemble(problem(), loose)
    got = SafeguardedBackend(CpuBackend(), ReferenceBackend()).solve_ensemble(problem(), loose)
    assert missed.checked is not None and missed.checked.error > 1e-4
    assert got.checked is not None and got.checked.kept and got.checked.relative < 0.05
    i, t = np.arange(300)[:, None], np.array([1.0, 2.0])
    exact = np.exp(-RATES[:, None] * t) + (i % 3) * i * np.exp(-RATES[:, None] * (t - 0.5))
    assert np.max(np.abs(got.values[:, :, 0] - exact) / (exact + 1e-3 * exact.max())) < 3e-4


def test_a_limit_that_cannot_be_kept_is_said() -> None:
    got = SafeguardedBackend(CpuBackend(), ReferenceBackend(), limit=1e-17).solve_ensemble(problem(), Tolerance())
    assert got.checked is not None and not got.checked.kept
    assert "NOT below 1e-17" in got.notes[0]


def test_nobody_to_check_is_no_accuracy() -> None:
    watched = SafeguardedBackend(CpuBackend(), ReferenceBackend())
    failed = watched.solve_ensemble(problem(np.full(4, np.nan)), Tolerance())
    assert failed.checked is not None and not failed.checked.kept and "not known" in failed.notes[0]
    assert watched.solve_ensemble(problem(np.zeros(0)), Tolerance()).checked is None


def test_several_solves_are_as_good_as_their_worst() -> None:
    one = DeliveredError(1e-6, 10, 100, 1e-5, n_failed=2, n_rescued=1)
    two = DeliveredError(3e-5, 20, 300, 1e-6)
    assert worst([one, None, two]) == DeliveredError(3e-5, 30, 400, 1e-6, 2, 1)
    assert worst([None]) is None


@dataclass(frozen=True)
class Stumbling:
    """An engine that gives up on every tenth subject."""

    name: str = "stumbling"

    def solve_ensemble(self, asked: EnsembleProblem, tolerance: Tolerance) -> Trajectories:
        got = CpuBackend().solve_ensemble(asked, tolerance)
        values, status = got.values.copy(), got.status.copy()
        values[::10], status[::10] = np.nan, Status.STEP_UNDERFLOW
        return replace(got, values=values, status=status)


def test_failures_are_solved_by_the_slow_engine_and_said() -> None:
    got = SafeguardedBackend(Stumbling(), ReferenceBackend()).solve_ensemble(problem(), Tolerance())
    assert not got.status.any()
    assert np.allclose(got.values, CpuBackend().solve_ensemble(problem(), Tolerance()).values, rtol=1e-4)
    assert got.checked is not None and (got.checked.n_failed, got.checked.n_rescued) == (30, 30)
    assert "30 of 300 subjects failed in `stumbling`; `reference` tried 30 of them and solved 30" in got.notes[0]


def test_bad_input_is_not_handed_over() -> None:
    rates = RATES.copy()
    rates[3] = np.nan
    got = SafeguardedBackend(CpuBackend(), ReferenceBackend()).solve_ensemble(problem(rates), Tolerance())
    assert got.status[3] == Status.BAD_INPUT and len(got.notes) == 1
