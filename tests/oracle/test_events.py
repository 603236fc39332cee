"""State-triggered events, on every engine that runs them, against what can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import sympy

from stroma.engine.backends import BACKENDS, backend
from stroma.engine.ensemble import Backend, Doses, EnsembleProblem, Tolerance
from stroma.errors import StromaError
from stroma.model.ode_model import TIME, Event, OdeModel, symbol

TIGHT = Tolerance(1e-9, 1e-12)
X, Y, Z, K = map(symbol, ("x", "y", "z", "k"))
ZERO, HALF, ONE = sympy.Integer(0), sympy.Rational(1, 2), sympy.Integer(1)


ENGINES = [name for name, can in BACKENDS.items() if can.events]


@pytest.fixture(params=ENGINES, scope="module")
def engine(request: pytest.FixtureRequest) -> Backend:
    return backend(request.param)


def run(engine: Backend, model: OdeModel, row: list[float], t_visit: list[float],
        doses: list[tuple[float, int, float]] | None = None) -> np.ndarray:
    given = Doses.per_subject([doses or []])
    problem = EnsembleProblem(model, np.array([row], float), np.array(t_visit, float), model.states, given)
    got = engine.solve_ensemble(problem, TIGHT)
    assert got.status.tolist() == [0]
    return got.values[0]


def test_a_sawtooth_falls_whenever_it_reaches_its_height(engine: Backend) -> None:
    """x rises at rate k and returns to 0 at 2: x(t) = k t mod 2."""
    drop = Event("drop", X >= 2, (("x", ZERO), ("y", Y + 1)))
    model = OdeModel("saw", ("x", "y"), ("k",), (), (K, ZERO), (ZERO, ZERO), events=(drop,))
    t = np.array([0.5, 2.0, 3.1, 9.9])
    got = run(engine, model, [1.3], t.tolist())
    height = 1.3 * t % 2
    assert np.allclose(got[:, 0], height, atol=1e-6)
    falls = 1.3 * t // 2
    assert np.allclose(got[:, 1], falls, atol=1e-9)


def test_a_decay_is_refilled_at_half(engine: Backend) -> None:
    """x falls from 1 at rate k; at 1/2 it is set back to 1: a period of ln 2 / k."""
    refill = Event("refill", X < HALF, (("x", ONE),))
    model = OdeModel("refill", ("x",), ("k",), (), (-K * X,), (ONE,), events=(refill,))
    t = np.array([0.3, 1.0, 2.5, 7.0])
    wanted = np.exp(-0.7 * (t % (np.log(2) / 0.7)))
    assert np.allclose(run(engine, model, [0.7], t.tolist())[:, 0], wanted, atol=1e-6)


def test_the_clock_can_be_a_trigger_and_the_value_then_is_the_new_one(engine: Backend) -> None:
    kick = Event("kick", TIME >= 2, (("x", X + 5),))
    model = OdeModel("clock", ("x",), (), (), (ONE,), (ZERO,), events=(kick,))
    assert np.allclose(run(engine, model, [], [1.0, 2.0, 3.0])[:, 0], [1.0, 7.0, 8.0], atol=1e-6)


@pytest.mark.parametrize(("starts_true", "wanted"), [(True, 3.0), (False, 9.0)])
def test_a_trigger_that_holds_at_the_start(engine: Backend, starts_true: bool, wanted: float) -> None:
    model = OdeModel("start", ("x",), (), (), (ZERO,), (sympy.Integer(3),),
                     events=(Event("first", X > 2, (("x", sympy.Integer(9)),), starts_true=starts_true),))
    assert run(engine, model, [], [0.0, 1.0])[:, 0].tolist() == [wanted, wanted]


@pytest.mark.parametrize(("ranks", "persistent", "early", "wanted"), [
    ((2, 1), True, True, [10.0, 2.0]),   # x first; y from the x of the trigger: 1 + 1
    ((2, 1), True, False, [10.0, 11.0]),  # y from the x of its turn: 10 + 1
    ((1, 2), True, False, [10.0, 2.0]),  # y first
    ((2, 1), False, True, [10.0, 0.0]),  # the change of x takes y's reason away
])
def test_order_among_events_that_fire_together(engine: Backend, ranks: tuple[int, int], persistent: bool,
                                               early: bool, wanted: list[float]) -> None:
    now = TIME >= 1
    first = Event("set_x", now, (("x", sympy.Integer(10)),), priority=sympy.Integer(ranks[0]))
    second = Event("set_y", sympy.And(now, X < 5), (("y", X + 1),), priority=sympy.Integer(ranks[1]),
                   persistent=persistent, values_when_triggered=early)
    model = OdeModel("order", ("x", "y"), (), (), (ZERO, ZERO), (ONE, ZERO), events=(first, second))
    assert run(engine, model, [], [2.0])[0].tolist() == wanted


def test_an_event_can_cause_another_at_the_same_time(engine: Backend) -> None:
    events = (Event("a", TIME >= 1, (("x", sympy.Integer(4)),)), Event("b", X > 3, (("y", X * 2),)),
              Event("c", Y > 7, (("z", Y + X),)))
    model = OdeModel("cascade", ("x", "y", "z"), (), (), (ZERO,) * 3, (ZERO,) * 3, events=events)
    assert run(engine, model, [], [1.5])[0].tolist() == [4.0, 8.0, 12.0]


FULL = OdeModel("full", ("x", "y"), (), (), (ZERO, ZERO), (ONE, ZERO),
                events=(Event("full", X > 2, (("y", Y + X),)),))


@pytest.mark.parametrize("engine", [e for e in ENGINES if e != "roadrunner"], indirect=True)
def test_a_dose_can_fire_an_event_and_the_report_at_the_dose_is_before_both(engine: Backend) -> None:
    got = run(engine, FULL, [], [1.0, 2.0, 3.0], [(1.0, 0, 4.0)])
    assert got.tolist() == [[1.0, 0.0], [5.0, 5.0], [5.0, 5.0]]


def test_roadrunner_refuses_events_with_doses() -> None:
    with pytest.raises(StromaError, match="S011"):
        run(backend("roadrunner"), FULL, [], [2.0], [(1.0, 0, 4.0)])
