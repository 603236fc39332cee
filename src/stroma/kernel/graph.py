"""The straight-line program: a graph of operations in which equal expressions are one node.

Nodes are integers. Building a node folds constants, drops neutral elements and returns the existing node
when the same operation on the same arguments is already there, so common subexpressions never appear twice.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

PARAMETER, TIME, STATE, WORK = 1, 2, 4, 8
"""What a node depends on, as bits; a node with ``PARAMETER`` alone is computed once per subject."""

BOOLEAN = frozenset({"lt", "le", "eq", "and", "or", "not"})
UNARY = {
    "exp": math.exp, "log": math.log, "sqrt": math.sqrt, "tanh": math.tanh, "sin": math.sin, "cos": math.cos,
    "tan": math.tan, "asin": math.asin, "acos": math.acos, "atan": math.atan, "sinh": math.sinh,
    "cosh": math.cosh, "asinh": math.asinh, "acosh": math.acosh, "atanh": math.atanh, "tgamma": math.gamma,
    "abs": abs, "floor": math.floor, "ceil": math.ceil,
}
"""Functions of one argument and what folds them when the argument is a number."""


@dataclass(frozen=True)
class Routine:
    """One function of the program.

    Parameters
    ----------
    name : str
    loads : dict of int to (str, int)
        Nodes that the caller provides, as (array, row); their arguments are not visited.
    stores : tuple of (str, int, int)
        Results as (array, row, node).
    order : tuple of int
        Every node to compute, arguments before uses.
    """

    name: str
    loads: dict[int, tuple[str, int]]
    stores: tuple[tuple[str, int, int], ...]
    order: tuple[int, ...]

    @property
    def arrays(self) -> tuple[str, ...]:
        """Return the arrays that the routine touches, in order of appearance."""
        read = [self.loads[n][0] for n in self.order if n in self.loads]
        return tuple(dict.fromkeys(read + [a for a, _, _ in self.stores]))


class Graph:
    """Operations by number; see the module's text."""

    def __init__(self) -> None:
        self.op: list[str] = []
        self.args: list[tuple[int, ...]] = []
        self.value: list[float | tuple[str, int]] = []
        self.depends: list[int] = []
        self.power_of: dict[int, tuple[int, int]] = {}
        self._known: dict[tuple[object, ...], int] = {}

    def _node(self, op: str, args: tuple[int, ...] = (), value: float | tuple[str, int] = 0.0,
              depends: int = 0) -> int:
        # repr tells 0.0 from -0.0 and keeps NaN equal to itself.
        key = (op, args, repr(value))
        if key not in self._known:
            self._known[key] = len(self.op)
            self.op.append(op)
            self.args.append(args)
            self.value.append(value)
            for a in args:
                depends |= self.depends[a]
            self.depends.append(depends)
        return self._known[key]

    # ---- leaves

    def number(self, value: float) -> int:
        """Return the node of a constant."""
        return self._node("number", value=float(value))

    def load(self, array: str, row: int, depends: int) -> int:
        """Return the node of an input, one row of an array."""
        return self._node("load", value=(array, row), depends=depends)

    def number_of(self, node: int) -> float | None:
        """Return the value of a constant node, None for any other."""
        value = self.value[node]
        return value if self.op[node] == "number" and isinstance(value, float) else None

    def is_boolean(self, node: int) -> bool:
        """Tell conditions from numbers."""
        return self.op[node] in BOOLEAN

    # ---- arithmetic

    def add(self, a: int, b: int) -> int:
        """Return a + b."""
        x, y = self.number_of(a), self.number_of(b)
        if x is not None and y is not None:
            return self.number(x + y)
        if x == 0:
            return b
        if y == 0:
            return a
        if self.op[b] == "neg":
            return self.sub(a, self.args[b][0])
        if self.op[a] == "neg":
            return self.sub(b, self.args[a][0])
        return self._node("add", (min(a, b), max(a, b)))

    def sub(self, a: int, b: int) -> int:
        """Return a - b."""
        x, y = self.number_of(a), self.number_of(b)
        if x is not None and y is not None:
            return self.number(x - y)
        if a == b:
            return self.number(0.0)
        if y == 0:
            return a
        if x == 0:
            return self.neg(b)
        if self.op[b] == "neg":
            return self.add(a, self.args[b][0])
        return self._node("sub", (a, b))

    def neg(self, a: int) -> int:
        """Return -a."""
        x = self.number_of(a)
        if x is not None:
            return self.number(-x)
        if self.op[a] == "neg":
            return self.args[a][0]
        if self.op[a] == "sub":
            return self.sub(self.args[a][1], self.args[a][0])
        return self._node("neg", (a,))

    def mul(self, a: int, b: int) -> int:
        """Return a * b."""
        x, y = self.number_of(a), self.number_of(b)
        if x is not None and y is not None:
            return self.number(x * y)
        if x == 0 or y == 0:
            return self.number(0.0)
        for number, other in ((x, b), (y, a)):
            if number == 1:
                return other
            if number == -1:
                return self.neg(other)
        if self.op[a] == "neg":
            return self.neg(self.mul(self.args[a][0], b))
        if self.op[b] == "neg":
            return self.neg(self.mul(a, self.args[b][0]))
        return self._node("mul", (min(a, b), max(a, b)))

    def reciprocal(self, a: int) -> int:
        """Return 1 / a; a division by zero stays in the program and gives an infinity there."""
        x = self.number_of(a)
        if x is not None and x != 0:
            return self.number(1.0 / x)
        if self.op[a] == "reciprocal":
            return self.args[a][0]
        if self.op[a] == "neg":
            return self.neg(self.reciprocal(self.args[a][0]))
        return self._node("reciprocal", (a,))

    def call(self, function: str, a: int) -> int:
        """Return function(a), one of :data:`UNARY`."""
        x = self.number_of(a)
        if x is not None:
            try:
                return self.number(UNARY[function](x))
            except (ValueError, OverflowError):
                return self.number(math.nan)
        return self._node(function, (a,))

    def maximum(self, a: int, b: int) -> int:
        """Return the larger of two values."""
        return a if a == b else self._node("max", (min(a, b), max(a, b)))

    def minimum(self, a: int, b: int) -> int:
        """Return the smaller of two values."""
        return a if a == b else self._node("min", (min(a, b), max(a, b)))

    def total(self, nodes: Iterable[int]) -> int:
        """Return the sum, parameter-only terms first so that they become one per-subject value."""
        return self._fold(nodes, self.add, 0.0)

    def product(self, nodes: Iterable[int]) -> int:
        """Return the product, parameter-only factors first."""
        return self._fold(nodes, self.mul, 1.0)

    def _fold(self, nodes: Iterable[int], combine, neutral: float) -> int:
        result = None
        for node in sorted(nodes, key=lambda n: self.depends[n].bit_length()):
            result = node if result is None else combine(result, node)
        return self.number(neutral) if result is None else result

    # ---- conditions

    def compare(self, op: str, a: int, b: int) -> int:
        """Return a condition: ``lt``, ``le`` or ``eq``."""
        x, y = self.number_of(a), self.number_of(b)
        if x is not None and y is not None:
            return self.truth(x < y if op == "lt" else x <= y if op == "le" else x == y)
        return self._node(op, (a, b))

    def truth(self, value: bool) -> int:
        """Return the constant condition."""
        zero = self.number(0.0)
        return self._node("le" if value else "lt", (zero, zero))

    def logic(self, op: str, args: Sequence[int]) -> int:
        """Return ``and``, ``or`` of many conditions or ``not`` of one."""
        if op == "not":
            inner = args[0]
            return self.args[inner][0] if self.op[inner] == "not" else self._node("not", (inner,))
        result = args[0]
        for other in args[1:]:
            result = result if result == other else self._node(op, (min(result, other), max(result, other)))
        return result

    def select(self, condition: int, yes: int, no: int) -> int:
        """Return ``yes`` where the condition holds, else ``no``."""
        if yes == no:
            return yes
        if condition == self.truth(True):
            return yes
        return no if condition == self.truth(False) else self._node("select", (condition, yes, no))

    # ---- powers

    def power(self, base: int, exponent: int) -> int:
        """Return base ** exponent for real arguments.

        A constant whole exponent is multiplied out; a negative base to another whole exponent keeps its sign.
        Zero to a positive power is 0. A negative base has no value when the exponent is not whole: it counts
        as zero here, because the stages of a step may undershoot, and :meth:`domain` says which bases must be
        watched at the states that are accepted.
        """
        number = self.number_of(exponent)
        if number is not None and not math.isfinite(number):
            return self.number(math.nan)
        if number is not None and number == int(number) and abs(number) <= 64:
            return self._whole_power(base, int(number))
        if number is not None and 2 * number == int(2 * number) and 0 < number <= 16:
            root = self.call("sqrt", self.maximum(base, self.number(0.0)))
            result = self.mul(self._whole_power(base, int(number)), root)
        else:
            result = self._real_power(base, exponent)
        self.power_of[result] = (base, exponent)
        return result

    def _real_power(self, base: int, exponent: int) -> int:
        zero, one = self.number(0.0), self.number(1.0)
        size = self.call("exp", self.mul(exponent, self._node("log_size", (base,))))
        half = self.mul(self.number(0.5), exponent)
        even = self.compare("eq", self.call("floor", half), half)
        sign = self.select(self.whole(exponent), self.select(even, one, self.number(-1.0)), zero)
        at_zero = self.select(self.compare("lt", zero, exponent), zero,
                              self.select(self.compare("eq", exponent, zero), one, self.number(math.inf)))
        signed = self.select(self.compare("lt", base, zero), self.mul(sign, size), size)
        return self.select(self.compare("eq", base, zero), at_zero, signed)

    def whole(self, a: int) -> int:
        """Return the condition that a value is a whole number."""
        return self.compare("eq", self.call("floor", a), a)

    def domain(self, roots: Iterable[int]) -> list[int]:
        """Return the values below the roots that may not be negative: bases of powers that are not whole."""
        zero = self.number(0.0)
        reached = self.routine("", [("", 0, r) for r in roots], {}).order
        powers = [self.power_of[n] for n in reached if n in self.power_of]
        bases = [self.select(self.whole(exponent), zero, base) for base, exponent in powers]
        return [b for b in dict.fromkeys(bases) if b != zero]

    def _whole_power(self, base: int, n: int) -> int:
        if n < 0:
            return self.reciprocal(self._whole_power(base, -n))
        result, square = self.number(1.0), base
        while n:
            if n & 1:
                result = self.mul(result, square)
            n >>= 1
            if n:
                square = self.mul(square, square)
        return result

    # ---- routines

    def routine(self, name: str, stores: Sequence[tuple[str, int, int]],
                given: Mapping[int, tuple[str, int]]) -> Routine:
        """Return the function that computes the stored nodes from the given ones.

        Parameters
        ----------
        given : mapping of node to (array, row)
            Nodes that are read instead of computed; input nodes need not be listed.
        """
        order: list[int] = []
        loads: dict[int, tuple[str, int]] = {}
        done: set[int] = set()
        stack = [(node, False) for _, _, node in reversed(stores)]
        while stack:
            node, ready = stack.pop()
            if ready:
                order.append(node)
                continue
            if node in done:
                continue
            done.add(node)
            value = self.value[node]
            if node in given:
                loads[node] = given[node]
            elif self.op[node] == "load" and isinstance(value, tuple):
                loads[node] = value
            stack.append((node, True))
            if node not in loads:
                stack.extend((a, False) for a in reversed(self.args[node]))
        return Routine(name, loads, tuple(stores), tuple(order))

    def per_subject(self, roots: Iterable[int]) -> list[int]:
        """Return the largest parameter-only nodes below the roots, in order of discovery."""
        found: dict[int, None] = {}
        done: set[int] = set()
        stack = list(roots)[::-1]
        while stack:
            node = stack.pop()
            if node in done or self.depends[node] == 0:
                continue
            done.add(node)
            if self.depends[node] == PARAMETER:
                found[node] = None
            else:
                stack.extend(reversed(self.args[node]))
        return list(found)
