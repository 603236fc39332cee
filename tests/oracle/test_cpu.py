"""The cpu engine against closed forms and against SciPy's tightest solves (tests/oracle/test_backends.py has more)."""

from __future__ import annotations

import numpy as np
import pytest
import sympy
from benchmarks.synthetic import problem as synthetic
from scipy.integrate import solve_ivp

from stroma.engine.cpu import CpuBackend
from stroma.engine.ensemble import Doses, EnsembleProblem, Status, Tolerance
from stroma.errors import StromaError
from stroma.model.ode_model import TIME, OdeModel, symbol


def one(model: OdeModel, parameters: list[float], t_visit: list[float],
        doses: list[tuple[float, int, float]] | None = None, tolerance: Tolerance | None = None) -> np.ndarray:
    table = np.array([parameters], float)
    schedule = Doses.per_subject([doses or []])
    problem = EnsembleProblem(model, table, np.array(t_visit, float), model.outputs, schedule)
    got = CpuBackend().solve_ensemble(problem, tolerance or Tolerance())
    assert got.status.tolist() == [Status.OK]
    return got.values[0]


def test_long_linear_chain_is_the_gamma_distribution() -> None:
    """Dose 1 into the first of 30 stages at rate k: stage i holds (k t)^i exp(-k t) / i!."""
    n = 30
    x, k = [symbol(f"x{i}") for i in range(n)], symbol("k")
    rhs = tuple(k * ((x[i - 1] if i else 0) - x[i]) for i in range(n))
    model = OdeModel("gamma", tuple(s.name for s in x), ("k",), (), rhs, (sympy.Integer(0),) * n)
    t = np.array([0.5, 3.0, 20.0])
    got = one(model, [1.5], t.tolist(), [(0.0, 0, 1.0)])
    for i in range(n):
        exact = (1.5 * t) ** i * np.exp(-1.5 * t) / float(sympy.factorial(i))
        assert np.all(np.abs(got[:, i] - exact) < 1e-6 * exact.max() + 1e-9)


def test_robertson_over_eleven_decades() -> None:
    """Robertson 1966, the classical stiff problem, to t = 1e9."""
    a, b, c = map(symbol, ("a", "b", "c"))
    k1, k2, k3 = map(symbol, ("k1", "k2", "k3"))
    rhs = (-k1 * a + k3 * b * c, k1 * a - k3 * b * c - k2 * b**2, k2 * b**2)
    model = OdeModel("robertson", ("a", "b", "c"), ("k1", "k2", "k3"), (), rhs, tuple(map(sympy.Integer, (1, 0, 0))))
    t = [1e-3, 0.4, 40.0, 4e3, 4e5, 1e9]
    got = one(model, [0.04, 3e7, 1e4], t)
    judge = solve_ivp(lambda _, y: [-0.04 * y[0] + 1e4 * y[1] * y[2],
                                    0.04 * y[0] - 1e4 * y[1] * y[2] - 3e7 * y[1] ** 2, 3e7 * y[1] ** 2],
                      (0, t[-1]), [1.0, 0.0, 0.0], "Radau", t, rtol=1e-11, atol=1e-18).y.T
    assert np.max(np.abs(got - judge) / (np.abs(judge) + 1e-3 * np.abs(judge).max(axis=0))) < 1e-4
    assert np.allclose(got.sum(axis=1), 1.0, atol=1e-6)


def solved_by_scipy(problem: EnsembleProblem, subject: int) -> np.ndarray:
    """Return all states at the visits, by Radau between doses, straight from the model's expressions."""
    model, visits = problem.model, problem.t_visit
    given = {symbol(name): e for name, e in model.assignments}
    names = [[symbol(n) for n in model.states], [symbol(n) for n in model.parameters]]
    rate = sympy.lambdify(names, [e.xreplace(given) for e in model.rhs], "math", cse=True)
    p, t, y = problem.parameters[subject], 0.0, np.array([float(e) for e in model.initial])
    doses, found = problem.doses.of(subject), []
    for stop in sorted({day for day, _, _ in doses} | {float(visits[-1])}):
        if stop > t:
            inside = visits[(visits > t) & (visits <= stop)]
            solved = solve_ivp(lambda _, x: rate(x, p), (t, stop), y, "Radau", dense_output=True, rtol=1e-10,
                               atol=1e-12)
            found += [solved.sol(v) for v in inside]
            t, y = stop, solved.y[:, -1].copy()
        for day, state, amount in doses:
            y[state] += amount if day == stop else 0.0
    return np.array(found)


def test_forty_stiff_states_with_default_tolerance() -> None:
    """The delivered error on the population's scale stays below 1e-4, against SciPy at 1e-10."""
    problem = synthetic(1, 2)
    got = CpuBackend().solve_ensemble(problem, Tolerance())
    judge = np.stack([solved_by_scipy(problem, subject) for subject in range(2)])
    assert not got.status.any()
    scale = np.abs(judge) + 1e-3 * np.abs(judge).max(axis=(0, 1))
    assert np.max(np.abs(got.values - judge) / scale) < 1e-4


def test_error_falls_with_the_tolerance() -> None:
    problem = synthetic(1, 8)
    tight = CpuBackend().solve_ensemble(problem, Tolerance(1e-11, 1e-14)).values
    scale = np.abs(tight) + 1e-3 * np.abs(tight).max(axis=(0, 1))
    errors = [np.max(np.abs(CpuBackend().solve_ensemble(problem, Tolerance(r, 1e-3 * r)).values - tight) / scale)
              for r in (1e-4, 1e-6, 1e-8)]
    assert errors[0] < 3e-3 and errors[1] < 2e-5 and errors[2] < 2e-7


def test_many_small_doses_cost_few_steps_each() -> None:
    """Thirty taper steps of a slow drug: restarting must not cost the step size."""
    d, e, k = map(symbol, ("d", "e", "k"))
    model = OdeModel("taper", ("d", "e"), ("k",), (), (-0 * d, k * (d - e)), (sympy.Integer(30), sympy.Integer(30)))
    schedule = Doses.per_subject([[(7.0 * i, 0, -1.0) for i in range(1, 31)]])
    problem = EnsembleProblem(model, np.array([[0.05]]), np.array([300.0]), ("d", "e"), schedule)
    got, effort = CpuBackend(1).solve_counting(problem, Tolerance())
    exact = sum(1 - np.exp(-0.05 * (300 - 7.0 * i)) for i in range(1, 31))
    assert got.values[0, 0, 0] == 0 and abs(got.values[0, 0, 1] - (30 - exact)) < 1e-5
    assert effort.accepted < 30 * 8


def test_pulse_by_the_clock_is_never_stepped_over() -> None:
    """An infusion of one minute after a quiet month, given at parameter-dependent times."""
    start, x = symbol("start"), symbol("x")
    minute = sympy.Rational(1, 1440)
    rate = sympy.Piecewise((1440, (start <= TIME) & (start + minute > TIME)), (0, True))
    model = OdeModel("pulse", ("x",), ("start",), (), (rate - 0.01 * x,), (sympy.Integer(0),))
    got = one(model, [31.25], [31.0, 40.0])
    assert got[0, 0] == 0 and got[1, 0] == pytest.approx(np.exp(-0.01 * (40 - 31.25)), rel=1e-5)


@pytest.mark.parametrize("expression", [
    "sin(x)", "cos(x)", "tan(x)", "atan(x)", "asin(x/9)", "acos(x/9)", "sinh(x)", "cosh(x)", "tanh(x)", "exp(-x)",
    "log(x)", "sqrt(x)", "x**1.7", "x**-2.5", "x**3", "Abs(x - 2)", "Max(x, 1.5)", "Min(x, 1.5)", "sign(x - 3)",
    "floor(x)", "ceiling(x)", "Piecewise((x, x < 2), (3, (x >= 2) & (x < 2.5)), (4, True))", "Mod(x, 0.7)",
    "Piecewise((1, Ne(x, 2) | (x > 100)), (0, True))", "2**x", "exp(x)**0.5",
    "asinh(x - 2)", "acosh(x)", "atanh(x/9)", "factorial(3)*x"])
def test_every_function_is_what_sympy_says(expression: str) -> None:
    x = symbol("x")
    value = sympy.sympify(expression, {"x": x})
    model = OdeModel("f", ("x",), ("k",), (("y", value),), (symbol("k") * (3 - x),), (sympy.Integer(1),))
    got = one(model, [0.3], [0.0, 0.7, 2.0, 5.0, 9.0])
    wanted = [float(value.subs(x, v)) for v in got[:, 0]]
    np.testing.assert_allclose(got[:, 1], wanted, rtol=1e-13)


def test_unknown_function_is_named() -> None:
    x = symbol("x")
    model = OdeModel("f", ("x",), (), (), (sympy.zeta(x),), (sympy.Integer(1),))
    problem = EnsembleProblem(model, np.zeros((1, 0)), np.array([1.0]), ("x",), Doses.none(1))
    with pytest.raises(StromaError, match=r"S020.*zeta"):
        CpuBackend().solve_ensemble(problem, Tolerance())


@pytest.mark.parametrize(("exponent", "status"), [(1.5, Status.NOT_FINITE), (2.0, Status.OK), (0.5, Status.NOT_FINITE)])
def test_negative_base_needs_a_whole_exponent(exponent: float, status: Status) -> None:
    """x falls through zero at t = 1; x^n from there on has a value only for whole n."""
    x, n = symbol("x"), symbol("n")
    model = OdeModel("domain", ("x", "y"), ("n",), (), (sympy.Integer(-1), x**n), (sympy.Integer(1), sympy.Integer(0)))
    problem = EnsembleProblem(model, np.array([[exponent]]), np.array([0.5, 2.0]), ("x", "y"), Doses.none(1))
    got = CpuBackend().solve_ensemble(problem, Tolerance())
    assert got.status.tolist() == [status]
    assert np.all(np.isnan(got.values)) == (status != Status.OK)


def test_decay_to_nothing_may_undershoot_under_a_power() -> None:
    """Fast cells decay by 600 e-folds; their Hill term with exponent 1.6 must neither fail nor slow the solve."""
    x, y = symbol("x"), symbol("y")
    model = OdeModel("decay", ("x", "y"), ("n",), (), (-20 * x, (x / 5) ** symbol("n") - y),
                     (sympy.Integer(100), sympy.Integer(1)))
    problem = EnsembleProblem(model, np.array([[1.6]]), np.array([30.0]), ("x", "y"), Doses.none(1))
    got, effort = CpuBackend(1).solve_counting(problem, Tolerance())
    a = 20**1.6 / (1 - 32.0)
    assert got.status.tolist() == [0]
    assert got.values[0, 0, 1] == pytest.approx((1 - a) * np.exp(-30.0), rel=1e-3, abs=1e-9)
    assert effort.accepted < 200
