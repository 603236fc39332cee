"""State-triggered events of the cpu engine against closed forms and against the reference engine."""

from __future__ import annotations

import numpy as np
import pytest
import sympy

from stroma.engine.cpu import CpuBackend
from stroma.engine.ensemble import Doses, EnsembleProblem, Status, Tolerance, Trajectories
from stroma.engine.reference import ReferenceBackend
from stroma.model.ode_model import TIME, Event, OdeModel, symbol

X, Y, K = map(symbol, ("x", "y", "k"))
ZERO, ONE = sympy.Integer(0), sympy.Integer(1)


def asked(model: OdeModel, rows: list[list[float]], t_visit: list[float],
          doses: list[tuple[float, int, float]] | None = None) -> EnsembleProblem:
    table = np.array(rows, float)
    return EnsembleProblem(model, table, np.array(t_visit, float), model.states,
                           Doses.per_subject([doses or []] * len(rows)))


def solve(problem: EnsembleProblem) -> Trajectories:
    return CpuBackend().solve_ensemble(problem, Tolerance(1e-9, 1e-12))


def test_bouncing_ball_keeps_the_time_of_every_bounce() -> None:
    """Dropped from height 1 without loss: period 2 sqrt(2 / g), so after whole periods it is back on top."""
    bounce = Event("bounce", X < 0, (("x", ZERO), ("y", -Y)), starts_true=False)
    model = OdeModel("ball", ("x", "y"), ("k",), (), (Y, -K), (ONE, ZERO), events=(bounce,))
    period = 2 * np.sqrt(2 / 9.81)
    got = solve(asked(model, [[9.81]], [0.25 * period, period, 5 * period, 5.5 * period - 1e-9]))
    assert got.status.tolist() == [0]
    assert np.allclose(got.values[0, :, 0], [0.75, 1.0, 1.0, 0.0], atol=1e-7)


def test_refill_on_threshold_makes_a_sawtooth() -> None:
    """x' = -k x from 1, set back to 1 at 1/2: period ln 2 / k in every subject's own time."""
    refill = Event("refill", sympy.Rational(1, 2) > X, (("x", ONE), ("y", Y + 1)))
    model = OdeModel("saw", ("x", "y"), ("k",), (), (-K * X, ZERO), (ONE, ZERO), events=(refill,))
    rates = np.array([0.3, 1.0, 2.7, 5.0, 0.01, 1.9, 0.7, 3.3, 4.1, 0.2])
    t = np.array([0.5, 2.0, 6.1])
    got = solve(asked(model, rates[:, None].tolist(), t.tolist()))
    turns = rates[:, None] * t / np.log(2)
    assert np.allclose(got.values[:, :, 1], np.floor(turns))
    assert np.allclose(got.values[:, :, 0], 2.0 ** -(turns - np.floor(turns)), atol=1e-7)


def test_clock_event_fires_at_its_time_and_is_reported_after() -> None:
    jump = Event("jump", TIME >= 2, (("x", X + 10),))
    model = OdeModel("clock", ("x",), ("k",), (), (-K * X,), (ONE,), events=(jump,))
    got = solve(asked(model, [[0.1]], [1.0, 2.0, 3.0])).values[0, :, 0]
    at_two = np.exp(-0.2) + 10
    assert np.allclose(got, [np.exp(-0.1), at_two, at_two * np.exp(-0.1)], atol=1e-8)


def test_dose_can_trigger_an_event() -> None:
    clear = Event("clear", X > 3, (("y", Y + X), ("x", ZERO)))
    model = OdeModel("dose", ("x", "y"), ("k",), (), (ZERO, ZERO), (ONE, ZERO), events=(clear,))
    got = solve(asked(model, [[1.0]], [1.0, 2.0], [(1.0, 0, 5.0)])).values[0]
    assert got.tolist() == [[1.0, 0.0], [0.0, 6.0]]


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize("persistent", [True, False])
@pytest.mark.parametrize("priority", [1, 3])
def test_priorities_queues_and_cascades_match_the_reference(early: bool, persistent: bool, priority: int) -> None:
    """Three events at one moment, of which the first to happen may disarm the second and arm the third."""
    half = sympy.Rational(1, 2) > X
    events = (
        Event("a", half, (("y", Y + 2 * X), ("x", X + sympy.Rational(1, 4))), sympy.Integer(priority), True,
              persistent, early),
        Event("b", half & (Y < 1), (("y", 3 * Y + X),), sympy.Integer(2), True, persistent, early),
        Event("c", sympy.Rational(1, 2) < Y, (("x", X + K),), None, True, persistent, early),
    )
    model = OdeModel("queue", ("x", "y"), ("k",), (), (-K * X, -Y), (ONE, ZERO), events=events)
    problem = asked(model, [[0.5], [1.1], [2.0]], [0.3, 1.0, 1.7, 4.0])
    judge = ReferenceBackend().solve_ensemble(problem, Tolerance(1e-9, 1e-12))
    assert not judge.status.any()
    np.testing.assert_allclose(solve(problem).values, judge.values, atol=1e-6)


def test_events_without_end_are_given_up_and_leave_others_alone() -> None:
    flip = Event("flip", X > 0, (("x", -X),))
    flop = Event("flop", X < 0, (("x", -X),))
    model = OdeModel("loop", ("x",), ("k",), (), (K,), (-ONE,), events=(flip, flop))
    got = solve(asked(model, [[1.0], [-1.0]], [0.5, 3.0]))
    assert got.status.tolist() == [Status.MAX_STEPS, Status.OK]
    assert np.allclose(got.values[1, :, 0], [-1.5, -4.0])


def test_events_that_crowd_together_are_got_through() -> None:
    """u rises and d falls at rate 1; u > d puts u back to 1/5: ever sooner, until both meet there at t = 4/5."""
    back = Event("back", X > Y, (("x", sympy.Rational(1, 5)),))
    model = OdeModel("crowd", ("x", "y"), ("k",), (), (K, -K), (ZERO, ONE), events=(back,))
    got = solve(asked(model, [[1.0]], [0.45, 0.6, 1.0]))
    assert got.status.tolist() == [0]
    assert np.allclose(got.values[0], [[0.45, 0.55], [0.3, 0.4], [0.4, 0.0]], atol=1e-7)


def test_more_events_than_lanes_at_one_moment() -> None:
    events = tuple(Event(f"e{i}", TIME > 1, ((f"x{i}", ONE),), sympy.Integer(i % 7)) for i in range(100))
    model = OdeModel("crowd", tuple(f"x{i}" for i in range(100)), (), (), (ZERO,) * 100, (ZERO,) * 100,
                     events=events)
    assert np.all(solve(asked(model, [[]], [0.9, 1.1])).values[0] == [[0.0], [1.0]])
