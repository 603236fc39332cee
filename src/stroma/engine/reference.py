"""The reference engine: SciPy only, one subject at a time, slow and plain. Others are judged against it.

It shares no code with any other engine: SymPy turns the model into Python functions of NumPy scalars,
SciPy's Radau (implicit Runge-Kutta of order 5) solves it, and the solve restarts at every dose, every event
and every time at which a formula switches by the clock. Of SciPy's three stiff methods Radau alone delivers
an error below the tolerance asked for; LSODA is five times faster and exceeds it tenfold.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray
from scipy.integrate import Radau
from scipy.special import factorial
from sympy.core.relational import Relational
from sympy.printing.numpy import NumPyPrinter
from sympy.printing.pycode import PythonCodePrinter

from stroma.engine.ensemble import EnsembleProblem, Status, Tolerance, Trajectories
from stroma.model.ode_model import TIME, OdeModel, symbol

Array = NDArray[np.float64]
Expression = Any  # SymPy's annotations are too narrow to be checked against


class _FailedError(Exception):
    """A subject cannot be integrated."""

    def __init__(self, status: Status) -> None:
        super().__init__(status.name)
        self.status = status


def _with_steps(steps: list, results: list) -> tuple[list, list]:
    """Stand in for SymPy's search for common subexpressions: the steps are known."""
    return steps, results


# NumPy functions of one number: a choice evaluates its own branch only.
_ScalarPrinter = type("_ScalarPrinter", (NumPyPrinter,), {
    f"_print_{word}": getattr(PythonCodePrinter, f"_print_{word}")
    for word in ("Piecewise", "ITE", "Relational", "And", "Or", "Not")})


class _Functions:
    """Numeric functions of one model: ``(t, y, p) -> array``."""

    def __init__(self, model: OdeModel) -> None:
        plain = {symbol(n): sympy.Symbol(f"y{i}", real=True) for i, n in enumerate(model.states)}
        plain |= {symbol(n): sympy.Symbol(f"p{i}", real=True) for i, n in enumerate(model.parameters)}
        plain |= {symbol(n): sympy.Symbol(f"a{i}", real=True) for i, (n, _) in enumerate(model.assignments)}
        self._arguments = [sympy.Symbol("t", real=True), [plain[symbol(n)] for n in model.states],
                           [plain[symbol(n)] for n in model.parameters]]
        plain[TIME] = self._arguments[0]
        steps = [(plain[symbol(n)], e.xreplace(plain)) for n, e in model.assignments]
        rhs = [e.xreplace(plain) for e in model.rhs]
        triggers = [e.trigger.xreplace(plain) for e in model.events]
        self.triggers = self._function(triggers, steps)
        new = [[value.xreplace(plain) for _, value in e.changes] for e in model.events]
        self.changes = [self._function(values, steps) for values in new]
        self.targets = [[model.states.index(n) for n, _ in e.changes] for e in model.events]
        ranks: list[Expression] = [-sympy.oo if e.priority is None else e.priority for e in model.events]
        self.priorities = self._function([rank.xreplace(plain) for rank in ranks], steps)
        self.switch_times = self._switch_times([*rhs, *triggers, *(e for _, e in steps)])
        self.initial = self._function([e.xreplace(plain) for e in model.initial], [])
        self.rhs = self._function(rhs, steps)
        self.outputs = self._function([plain[symbol(n)] for n in model.outputs], steps)
        self.jacobian = self._jacobian(rhs, steps)

    def _function(self, results: list[Expression], steps: list[tuple[sympy.Symbol, Expression]],
                  ) -> Callable[[float, Array, Array], list[float]]:
        """Return a function that evaluates ``steps`` in order and then ``results``."""
        printer = _ScalarPrinter({"fully_qualified_modules": False, "inline": True})
        in_order: Any = partial(_with_steps, steps)
        return sympy.lambdify(self._arguments, results, modules=[{"factorial": factorial}, "numpy"],
                              printer=printer, cse=in_order)

    def _switch_times(self, expressions: list[Expression]) -> Callable[[float, Array, Array], list[float]]:
        """Return a function for the times at which a comparison of the clock with constants changes."""
        time, _, parameters = self._arguments
        found = set()
        for relation in {r for e in expressions for r in e.atoms(Relational)}:
            gap = relation.lhs - relation.rhs
            if time in gap.free_symbols and gap.free_symbols <= {time, *parameters}:
                slope = sympy.diff(gap, time)
                if time not in slope.free_symbols and not gap.has(sympy.Piecewise):
                    found.add(-gap.xreplace({time: sympy.Integer(0)}) / slope)
        return self._function(sorted(found, key=str), [])

    def _jacobian(self, rhs: list[Expression], steps: list[tuple[sympy.Symbol, Expression]],
                  ) -> Callable[[float, Array, Array], Array] | None:
        """Return the Jacobian by the chain rule through the assignments.

        ``None`` when a derivative has no closed form (then the solver takes differences).
        """
        states = self._arguments[1]
        slopes: dict[tuple[Expression, Expression], sympy.Symbol] = {}
        chained: list[tuple[sympy.Symbol, Expression]] = []

        def slope(expression: Expression, state: sympy.Symbol) -> Expression:
            through = [sympy.diff(expression, a) * slopes[a, state]
                       for a in sorted(expression.free_symbols, key=str) if (a, state) in slopes]
            return sympy.Add(sympy.diff(expression, state), *through)

        for i, (target, expression) in enumerate(steps):
            chained.append((target, expression))
            for j, state in enumerate(states):
                value = slope(expression, state)
                if value != 0:
                    slopes[target, state] = sympy.Symbol(f"d{i}_{j}", real=True)
                    chained.append((slopes[target, state], value))
        rows = [slope(expression, state) for expression in rhs for state in states]
        unknown = (sympy.Derivative, sympy.Subs, sympy.polygamma)
        if any(e.has(*unknown) for e in [*rows, *(e for _, e in chained)]):
            return None
        flat, n = self._function(rows, chained), len(states)
        return lambda t, y, p: np.array(flat(t, y, p), float).reshape(n, n)


class _Course:
    """One subject on its way: the present day and state, and the outputs reported so far."""

    def __init__(self, functions: _Functions, problem: EnsembleProblem, subject: int,
                 tolerance: Tolerance) -> None:
        unset = np.full(len(problem.model.states), np.nan)
        self.functions, self.tolerance = functions, tolerance
        self.parameters = problem.parameters[subject]
        self.visits, self.t = problem.t_visit, problem.t_start
        self.columns = [problem.model.outputs.index(name) for name in problem.outputs]
        self.values = np.empty((self.visits.size, len(self.columns)))
        self.reported = self.steps = 0
        self.model = problem.model
        self.held = np.array([event.starts_true for event in self.model.events], bool)
        self.switches = [t for t in functions.switch_times(0.0, unset, self.parameters) if np.isfinite(t)]
        self.y = np.array(functions.initial(self.t, unset, self.parameters), float)
        if not np.all(np.isfinite(self.y)):
            raise _FailedError(Status.NOT_FINITE)

    def report(self, until: float, state_at: Callable[[float], Array]) -> None:
        """Report every visit up to and including ``until``."""
        while self.reported < self.visits.size and self.visits[self.reported] <= until:
            day = self.visits[self.reported]
            row = np.array(self.functions.outputs(day, state_at(day), self.parameters), float)[self.columns]
            if not np.all(np.isfinite(row)):
                raise _FailedError(Status.NOT_FINITE)
            self.values[self.reported] = row
            self.reported += 1

    def advance(self, stop: float) -> None:
        """Integrate to ``stop`` and report the visits on the way, ``stop`` included."""
        self._fire()
        self.report(self.t, lambda _: self.y)
        while self.t < stop:
            edge = min([stop, *(t for t in self.switches if self.t < t < stop)])
            if self.y.size:
                self._integrate(edge)
            else:
                self.t = edge
            self._fire()
        self.report(self.t, lambda _: self.y)

    def _integrate(self, edge: float) -> None:
        """Integrate to ``edge`` or to the first event before it."""
        p, functions, just_before = self.parameters, self.functions, np.nextafter(edge, -np.inf)

        def rhs(t: float, y: Array) -> Array:
            return np.array(functions.rhs(min(t, just_before), y, p), float)

        def jacobian(t: float, y: Array) -> Array:
            assert functions.jacobian is not None
            exact = functions.jacobian(min(t, just_before), y, p)
            for column in np.flatnonzero(~np.isfinite(exact).all(axis=0)):  # such as d(x**n)/dx at x = 0
                step = np.zeros_like(y)
                step[column] = 1e-8 * max(abs(y[column]), 1e-4)
                exact[:, column] = (rhs(t, y + step) - rhs(t, y)) / step[column]
            return exact

        if not np.all(np.isfinite(rhs(self.t, self.y))):
            raise _FailedError(Status.NOT_FINITE)
        try:
            solver = Radau(rhs, self.t, self.y, edge, rtol=self.tolerance.relative,
                           atol=self.tolerance.absolute, jac=None if functions.jacobian is None else jacobian)
            while solver.status == "running":
                self._count_step()
                solver.step()
                if solver.status == "failed":
                    raise _FailedError(Status.STEP_UNDERFLOW)
                dense = solver.dense_output()
                event = self._first_event(self.t, solver.t, dense)
                until = solver.t if event is None else event
                self.report(np.nextafter(until, self.t), dense)
                self.t, self.y = until, solver.y if event is None else dense(until)
                if event is not None:
                    return
        except ValueError:  # SciPy refuses a Jacobian that is not finite
            raise _FailedError(Status.NOT_FINITE) from None

    def _count_step(self) -> None:
        if self.steps >= self.tolerance.max_steps:
            raise _FailedError(Status.MAX_STEPS)
        self.steps += 1

    def _holds(self, t: float, y: Array) -> NDArray[np.bool_]:
        return np.array(self.functions.triggers(t, y, self.parameters), bool)

    def _first_event(self, begin: float, end: float, dense: Callable[[float], Array]) -> float | None:
        """Return the first time in a step at which a trigger turns true, found by halving the interval.

        A trigger that is true for less than an eighth of a step, and not by the clock, can pass unseen.
        """
        if not self.held.size:
            return None
        low = begin
        for high in np.linspace(begin, end, 9)[1:].tolist():
            holds = self._holds(high, dense(high))
            if np.any(holds & ~self.held):
                while low < (middle := 0.5 * (low + high)) < high:
                    if np.any(self._holds(middle, dense(middle)) & ~self.held):
                        high = middle
                    else:
                        low = middle
                return high
            self.held, low = holds, high
        return None

    def _fire(self) -> None:
        """Let every event happen whose trigger has turned true, and those that follow from it now."""
        waiting: list[tuple[int, list[float] | None]] = []
        while self.held.size:
            holds = self._holds(self.t, self.y)
            for event in np.flatnonzero(holds & ~self.held).tolist():
                early = self.model.events[event].values_when_triggered
                waiting.append((event, self._new_values(event) if early else None))
            self.held = holds
            waiting = [(e, v) for e, v in waiting if holds[e] or self.model.events[e].persistent]
            if not waiting:
                return
            self._count_step()
            priorities = self.functions.priorities(self.t, self.y, self.parameters)
            ranks = [priorities[event] for event, _ in waiting]
            event, values = waiting.pop(ranks.index(max(ranks)))
            self.y = self.y.copy()
            self.y[self.functions.targets[event]] = self._new_values(event) if values is None else values

    def _new_values(self, event: int) -> list[float]:
        return self.functions.changes[event](self.t, self.y, self.parameters)


def _usable(parameters: Array, doses: list[tuple[float, int, float]], t_start: float) -> bool:
    days = [t_start, *(day for day, _, _ in doses)]
    return bool(np.all(np.isfinite(parameters)) and np.all(np.isfinite([(d, a) for d, _, a in doses]))
                and all(a <= b for a, b in pairwise(days)))


class ReferenceBackend:
    """SciPy's Radau, one subject after the other."""

    name = "reference"

    def __init__(self) -> None:
        self._functions: dict[str, _Functions] = {}

    def solve_ensemble(self, problem: EnsembleProblem, tolerance: Tolerance) -> Trajectories:
        """Solve every subject.

        Parameters
        ----------
        problem : EnsembleProblem
        tolerance : Tolerance
            ``relative`` and ``absolute`` go to SciPy as they are.

        Returns
        -------
        Trajectories
            A subject whose parameters or doses are not finite, or whose doses are out of order or precede
            the start, has status BAD_INPUT.
        """
        key = problem.model.content_hash
        if key not in self._functions:
            self._functions[key] = _Functions(problem.model)
        values = np.full((problem.n_subject, problem.t_visit.size, len(problem.outputs)), np.nan)
        status = np.zeros(problem.n_subject, np.int8)
        with np.errstate(all="ignore"):
            for subject in range(problem.n_subject):
                try:
                    values[subject] = self._one(self._functions[key], problem, subject, tolerance)
                except _FailedError as failure:
                    status[subject] = failure.status
        return Trajectories(values, status, problem.outputs, problem.t_visit)

    @staticmethod
    def _one(functions: _Functions, problem: EnsembleProblem, subject: int, tolerance: Tolerance) -> Array:
        doses = problem.doses.of(subject)
        if not _usable(problem.parameters[subject], doses, problem.t_start):
            raise _FailedError(Status.BAD_INPUT)
        course = _Course(functions, problem, subject, tolerance)
        last = problem.t_visit[-1] if problem.t_visit.size else problem.t_start
        for day, state, amount in doses:
            if day >= last:
                break
            course.advance(day)
            course.y = course.y.copy()
            course.y[state] += amount
        course.advance(last)
        return course.values
