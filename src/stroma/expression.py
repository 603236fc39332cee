"""A small, safe language for conditions and arithmetic on what is measured at visits.

Python's own syntax and precedence, read with :mod:`ast` and never executed. It serves response rules,
entry criteria and formulas of observables::

    upcr <= 0.5*upcr0 and (upcr0 < 3 or upcr < 3) and not rescue
    held(prednisone <= 10, 56) and serum_creatinine <= max(creatinine_uln, 1.15*serum_creatinine0)

A quantity is its value at the visit. ``0`` after its name is the value at the first visit, ``_min`` and
``_max`` the lowest and highest observed so far, this visit included. ``day`` is the day of the visit.

=====================  =====================================================================
``count(a, b, ...)``   how many conditions are true; stands on one side of a comparison
``held(a, d)``         true at every visit of the last ``d`` days, both ends included
``ever(a)``            true at any visit so far
``min max abs log exp sqrt``  as in Python, element by element
``a if c else b``      as in Python
=====================  =====================================================================

**Missing values.** A comparison with a missing value is neither true nor false (Kleene's logic), and an
expression that is not known to be true is reported as false: what was not measured never makes a
responder, also not below a ``not``. Undefined arithmetic (division by zero, logarithm of a negative
number) is missing.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stroma.errors import Problems, nearest

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]

DAY = "day"
DEEPEST = 60
_SUFFIXES = ("0", "_min", "_max")
_CONDITIONAL = ("count", "held", "ever")
_ELEMENTWISE: dict[str, Callable[..., Numbers]] = {
    "min": np.minimum, "max": np.maximum, "abs": np.abs, "log": np.log, "exp": np.exp, "sqrt": np.sqrt}
_ARITHMETIC: dict[type[ast.operator], Callable[[Numbers, Numbers], Numbers]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Pow: operator.pow}
_COMPARISON: dict[type[ast.cmpop], Callable[[Numbers, Numbers], Flags]] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
    ast.Eq: operator.eq, ast.NotEq: operator.ne}
_BITWISE = {ast.BitAnd: "and", ast.BitOr: "or", ast.Invert: "not"}


@dataclass(frozen=True)
class Quantity:
    """A name of an expression, taken apart.

    Parameters
    ----------
    base : str
        The measured quantity.
    suffix : {"", "0", "_min", "_max"}
        At the visit, at the first visit, lowest or highest so far.
    """

    base: str
    suffix: str


def resolve(name: str, vocabulary: Collection[str]) -> Quantity | None:
    """Return what ``name`` means; a name of the vocabulary always means itself.

    So ``tjc280`` is ``tjc28`` at baseline, and ``acr20`` is itself where the vocabulary has it.
    """
    if name in vocabulary:
        return Quantity(name, "")
    for suffix in _SUFFIXES:
        if name.endswith(suffix) and name.removesuffix(suffix) in vocabulary:
            return Quantity(name.removesuffix(suffix), suffix)
    return None


@dataclass(frozen=True)
class Expression:
    """A checked expression.

    Parameters
    ----------
    text : str
        As written.
    condition : bool
        True when it answers yes or no, false when it yields a number.
    file, line
        Where it stands, for messages.
    """

    text: str
    condition: bool
    tree: ast.expr = field(repr=False, compare=False)
    file: Path | None = None
    line: int | None = None

    def names(self, vocabulary: Collection[str]) -> frozenset[str]:
        """Return the quantities that the expression needs, without suffixes and without ``day``.

        Parameters
        ----------
        vocabulary : collection of str
            Every known quantity; it decides whether a final ``0`` belongs to the name.

        Raises
        ------
        StromaError
            E305 for every name that the vocabulary does not have.
        """
        return frozenset(q.base for q in self._quantities(vocabulary).values())

    def _quantities(self, vocabulary: Collection[str]) -> dict[str, Quantity]:
        problems, found = Problems(), {}
        functions = {id(n.func) for n in ast.walk(self.tree) if isinstance(n, ast.Call)}
        for node in ast.walk(self.tree):
            if not isinstance(node, ast.Name) or id(node) in functions or node.id in (*found, DAY):
                continue
            quantity = resolve(node.id, vocabulary)
            if quantity is None:
                problems.add("E305", f"unknown quantity `{node.id}` at column {node.col_offset + 1}",
                             file=self.file, line=self.line, text=self.text,
                             hint=nearest(node.id, vocabulary))
            else:
                found[node.id] = quantity
        problems.raise_if_any()
        return found

    def evaluate(self, values: Mapping[str, NDArray[np.generic]],
                 visit_day: Numbers) -> NDArray[Any]:
        """Evaluate at every visit of every subject.

        Parameters
        ----------
        values : mapping of str to ndarray, shape (n_subject, n_visit) or (n_subject, 1)
            Quantities; NaN is missing; yes-or-no quantities are 0 and 1 or bool.
        visit_day : ndarray, shape (n_visit,)
            Days, ascending; the first visit is the baseline.

        Returns
        -------
        ndarray of bool or float, shape (n_subject, n_visit)
            Bool for a condition (false where it is not known to be true), float for a number.

        Raises
        ------
        StromaError
            E305 for every quantity that ``values`` does not have.
        """
        day = np.asarray(visit_day, dtype=np.float64)
        if day.ndim != 1 or np.any(np.diff(day) <= 0):
            raise ValueError("visit_day must be one ascending row of days")
        quantities = self._quantities(values.keys())
        shape = (max((np.shape(v)[0] for v in values.values()), default=1), day.size)
        arrays = {name: _observed(np.asarray(values[q.base], dtype=np.float64), q.suffix, shape)
                  for name, q in quantities.items()}
        arrays[DAY] = np.broadcast_to(day, shape)
        evaluation = _Evaluation(arrays, day, shape)
        with np.errstate(all="ignore"):
            if self.condition:
                return evaluation.truth(self.tree).yes
            return evaluation.number(self.tree)


def parse(text: str, file: Path | None = None, line: int | None = None) -> Expression:
    """Read an expression.

    Parameters
    ----------
    text : str
        One expression in the language of this module.
    file, line
        Where it stands, for messages.

    Raises
    ------
    StromaError
        E301 not readable, E302 a construct outside the language, E303 a function unknown or with
        wrong arguments, E304 a number where a condition is needed or the reverse; all at once.
    """
    text, problems = text.strip(), Problems()
    checker = _Checker(text, file, line, problems)
    tree = checker.read()
    problems.raise_if_any()
    assert tree is not None
    kind = checker.kind(tree)
    if kind == "count":
        checker.report("E304", tree, "count(...) alone is neither a condition nor a number",
                       "compare it: count(...) >= 2")
    problems.raise_if_any()
    return Expression(text, kind in ("truth", "either"), tree, file, line)


@dataclass(frozen=True)
class _Checker:
    """Finds out whether each part is a number or a condition, and reports all that is neither.

    Kinds: ``number``, ``truth``, ``either`` (a bare quantity, which may be a yes-or-no one), ``count``,
    and ``wrong`` (already reported).
    """

    text: str
    file: Path | None
    line: int | None
    problems: Problems

    def report(self, code: str, node: ast.AST, message: str, hint: str = "") -> str:
        column = getattr(node, "col_offset", 0) + 1
        self.problems.add(code, f"{message}, at column {column}", file=self.file, line=self.line,
                          text=self.text, hint=hint)
        return "wrong"

    def shown(self, node: ast.expr) -> str:
        return ast.get_source_segment(self.text, node) or ast.unparse(node)

    def read(self) -> ast.expr | None:
        start = ast.Constant(value=0, col_offset=0)
        try:
            tree = ast.parse(self.text, mode="eval").body
        except SyntaxError as error:
            start.col_offset = max((error.offset or 1) - 1, 0)
            self.report("E301", start, f"cannot read the expression: {error.msg}")
            return None
        except (ValueError, MemoryError, RecursionError):
            self.report("E301", start, "cannot read the expression: too deep, or not plain text")
            return None
        level: list[ast.AST] = [tree]
        for _ in range(DEEPEST):
            level = [child for node in level for child in ast.iter_child_nodes(node)]
            if not level:
                return tree
        self.report("E301", start, f"the expression nests deeper than {DEEPEST} levels", "split it")
        return None

    def kind(self, node: ast.expr) -> str:
        match node:
            case ast.Constant():
                return self._constant(node)
            case ast.Name():
                return self._name(node)
            case ast.BoolOp():
                for value in node.values:
                    self.want(value, "truth")
                return "truth"
            case ast.UnaryOp():
                return self._unary(node)
            case ast.BinOp():
                return self._binary(node)
            case ast.Compare():
                return self._compare(node)
            case ast.IfExp():
                return self._choice(node)
            case ast.Call():
                return self._call(node)
        return self.report("E302", node, f"`{self.shown(node)}` is not part of the expression language")

    def want(self, node: ast.expr, kind: str) -> None:
        """Report a part that is not of the wanted kind."""
        found = self.kind(node)
        if found in (kind, "either", "wrong"):
            return
        shown = self.shown(node)
        if found == "count":
            self.report("E304", node, f"`{shown}` must stand on one side of a comparison",
                        f"write {shown} >= 2")
        elif kind == "truth":
            self.report("E304", node, f"`{shown}` is a number where a condition is needed", "compare it")
        else:
            self.report("E304", node, f"`{shown}` is a condition where a number is needed")

    def _constant(self, node: ast.Constant) -> str:
        if isinstance(node.value, bool) or not isinstance(node.value, int | float):
            return self.report("E302", node, f"`{self.shown(node)}` is not a number")
        try:
            node.value = float(node.value)
        except OverflowError:
            return self.report("E302", node, "this number is too large")
        return "number"

    def _name(self, node: ast.Name) -> str:
        if node.id in _ELEMENTWISE or node.id in _CONDITIONAL:
            return self.report("E303", node, f"`{node.id}` is a function", f"write {node.id}(...)")
        return "number" if node.id == DAY else "either"

    def _unary(self, node: ast.UnaryOp) -> str:
        if isinstance(node.op, ast.Not):
            self.want(node.operand, "truth")
            return "truth"
        if isinstance(node.op, ast.Invert):
            return self._bitwise(node, ast.Invert)
        self.want(node.operand, "number")
        return "number"

    def _binary(self, node: ast.BinOp) -> str:
        if type(node.op) in _BITWISE:
            return self._bitwise(node, type(node.op))
        if type(node.op) not in _ARITHMETIC:
            return self.report("E302", node, f"`{self.shown(node)}`: only + - * / ** are known")
        self.want(node.left, "number")
        self.want(node.right, "number")
        return "number"

    def _bitwise(self, node: ast.expr, symbol: type) -> str:
        return self.report("E302", node, f"`{self.shown(node)}`: & | ~ bind tighter than comparisons",
                           f"write `{_BITWISE[symbol]}`")

    def _compare(self, node: ast.Compare) -> str:
        for symbol in node.ops:
            if type(symbol) not in _COMPARISON:
                return self.report("E302", node, f"`{self.shown(node)}`: only < <= > >= == != are known")
        for side in (node.left, *node.comparators):
            if _is_count(side):
                self.kind(side)
            else:
                self.want(side, "number")
        for left, right in zip((node.left, *node.comparators), node.comparators, strict=False):
            if _is_count(left) and _is_count(right):
                self.report("E304", right, "two counts cannot be compared with each other")
        return "truth"

    def _choice(self, node: ast.IfExp) -> str:
        self.want(node.test, "truth")
        kinds = {self.kind(node.body), self.kind(node.orelse)}
        if "wrong" in kinds:
            return "wrong"
        if "count" in kinds or kinds >= {"number", "truth"}:
            return self.report("E304", node, f"`{self.shown(node)}`: both sides must be numbers, or both "
                                             "conditions")
        return next(iter(kinds - {"either"}), "either")

    def _call(self, node: ast.Call) -> str:
        known = (*_ELEMENTWISE, *_CONDITIONAL)
        if not isinstance(node.func, ast.Name):
            return self.report("E302", node, f"`{self.shown(node.func)}` cannot be called")
        name, arguments = node.func.id, node.args
        if name not in known:
            return self.report("E303", node, f"unknown function `{name}`", nearest(name, known))
        if node.keywords or any(isinstance(a, ast.Starred) for a in arguments):
            return self.report("E303", node, f"{name}(...) takes plain arguments only")
        least, most = {"min": (2, 99), "max": (2, 99), "count": (1, 99), "held": (2, 2)}.get(name, (1, 1))
        if not least <= len(arguments) <= most:
            return self.report("E303", node, f"{name}(...) has {len(arguments)} arguments",
                               f"it takes {least if least == most else f'{least} or more'}")
        if name == "held":
            span = arguments[1]
            if not (isinstance(span, ast.Constant) and type(span.value) in (int, float)):
                self.report("E303", span, f"`{self.shown(span)}` is not a number of days", "held(a, 28)")
            arguments = arguments[:1]
        for argument in arguments:
            self.want(argument, "truth" if name in _CONDITIONAL else "number")
        return {"count": "count", "held": "truth", "ever": "truth"}.get(name, "number")


def _is_count(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "count"


def _observed(array: Numbers, suffix: str, shape: tuple[int, int]) -> Numbers:
    full = np.broadcast_to(array, shape)
    if suffix == "0":
        return np.broadcast_to(full[:, :1], shape)
    if suffix:
        return (np.fmin if suffix == "_min" else np.fmax).accumulate(full, axis=1)
    return full


@dataclass(frozen=True)
class _Truth:
    """Kleene truth: known to be true, known to be false, or neither."""

    yes: Flags
    no: Flags


@dataclass(frozen=True)
class _Evaluation:
    arrays: Mapping[str, Numbers]
    day: Numbers
    shape: tuple[int, int]

    def number(self, node: ast.expr) -> Numbers:
        """Evaluate a number; what is not finite is missing."""
        match node:
            case ast.Constant():
                return np.full(self.shape, node.value)
            case ast.Name():
                return self.arrays[node.id]
            case ast.UnaryOp():
                value = self.number(node.operand)
                return -value if isinstance(node.op, ast.USub) else value
            case ast.BinOp():
                return _finite(_ARITHMETIC[type(node.op)](self.number(node.left), self.number(node.right)))
            case ast.IfExp():
                test = self.truth(node.test)
                return np.where(test.yes, self.number(node.body),
                                np.where(test.no, self.number(node.orelse), np.nan))
        assert isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        function = _ELEMENTWISE[node.func.id]
        values = [self.number(a) for a in node.args]
        result = values[0] if len(values) > 1 else function(values[0])
        for value in values[1:]:
            result = function(result, value)
        return _finite(result)

    def truth(self, node: ast.expr) -> _Truth:
        """Evaluate a condition."""
        match node:
            case ast.Name():
                value = self.arrays[node.id]
                known = ~np.isnan(value)
                return _Truth(known & (value != 0), known & (value == 0))
            case ast.BoolOp():
                parts = [self.truth(v) for v in node.values]
                yes, no = np.stack([p.yes for p in parts]), np.stack([p.no for p in parts])
                if isinstance(node.op, ast.And):
                    return _Truth(np.all(yes, axis=0), np.any(no, axis=0))
                return _Truth(np.any(yes, axis=0), np.all(no, axis=0))
            case ast.UnaryOp():
                part = self.truth(node.operand)
                return _Truth(part.no, part.yes)
            case ast.Compare():
                sides = (node.left, *node.comparators)
                pairs = [self._pair(left, symbol, right)
                         for left, symbol, right in zip(sides, node.ops, node.comparators, strict=False)]
                return _Truth(np.all([p.yes for p in pairs], axis=0), np.any([p.no for p in pairs], axis=0))
            case ast.IfExp():
                test, body, other = (self.truth(n) for n in (node.test, node.body, node.orelse))
                return _Truth((test.yes & body.yes) | (test.no & other.yes),
                              (test.yes & body.no) | (test.no & other.no))
        assert isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        part = self.truth(node.args[0])
        if node.func.id == "ever":
            return _Truth(np.logical_or.accumulate(part.yes, axis=1),
                          np.logical_and.accumulate(part.no, axis=1))
        span = node.args[1]
        assert isinstance(span, ast.Constant) and isinstance(span.value, int | float)
        return self._held(part, float(span.value))

    def _pair(self, left: ast.expr, symbol: ast.cmpop, right: ast.expr) -> _Truth:
        compare = _COMPARISON[type(symbol)]
        if _is_count(left) or _is_count(right):
            counted, other = (left, right) if _is_count(left) else (right, left)
            assert isinstance(counted, ast.Call)
            return self._counted([self.truth(a) for a in counted.args], self.number(other),
                                 compare if counted is left else (lambda n, x: compare(x, n)))
        a, b = self.number(left), self.number(right)
        known = ~(np.isnan(a) | np.isnan(b))
        holds = compare(a, b)
        return _Truth(known & holds, known & ~holds)

    def _counted(self, parts: list[_Truth], other: Numbers,
                 compare: Callable[[Numbers, Numbers], Flags]) -> _Truth:
        """Compare a count; conditions that are unknown may turn out either way."""
        least = np.sum([p.yes for p in parts], axis=0)
        most = len(parts) - np.sum([p.no for p in parts], axis=0)
        yes = ~np.isnan(other)
        no = yes.copy()
        for possible in range(len(parts) + 1):
            impossible = (possible < least) | (possible > most)
            holds = compare(np.full(self.shape, float(possible)), other)
            yes &= impossible | holds
            no &= impossible | ~holds
        return _Truth(yes, no)

    def _held(self, part: _Truth, days: float) -> _Truth:
        first = np.searchsorted(self.day, self.day - days - 1e-9)
        last = np.arange(self.day.size) + 1

        def within(flags: Flags) -> NDArray[np.int64]:
            running = np.zeros((self.shape[0], self.day.size + 1), np.int64)
            np.cumsum(flags, axis=1, out=running[:, 1:])
            return running[:, last] - running[:, first]

        return _Truth(within(~part.yes) == 0, within(part.no) > 0)


def _finite(values: Numbers) -> Numbers:
    return np.where(np.isfinite(values), values, np.nan)
