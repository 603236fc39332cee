"""sympy expressions to nodes of the straight-line program."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import sympy
from sympy.logic.boolalg import Boolean

from stroma.errors import fail
from stroma.kernel.graph import Graph

FUNCTIONS: dict[type, str] = {
    sympy.exp: "exp", sympy.log: "log", sympy.tanh: "tanh", sympy.sin: "sin", sympy.cos: "cos",
    sympy.tan: "tan", sympy.asin: "asin", sympy.acos: "acos", sympy.atan: "atan", sympy.sinh: "sinh",
    sympy.cosh: "cosh", sympy.asinh: "asinh", sympy.acosh: "acosh", sympy.atanh: "atanh",
    sympy.gamma: "tgamma", sympy.Abs: "abs", sympy.floor: "floor", sympy.ceiling: "ceil",
}
RELATIONS: dict[type, tuple[str, bool]] = {
    sympy.StrictLessThan: ("lt", False), sympy.LessThan: ("le", False),
    sympy.StrictGreaterThan: ("lt", True), sympy.GreaterThan: ("le", True),
}
"""Relation to (comparison, whether its sides change places)."""


class Lowering:
    """Translates expressions into one graph.

    Parameters
    ----------
    graph : Graph
    names : dict of sympy.Symbol to int
        The node of every symbol an expression may use; extended by the caller as assignments are lowered.
    """

    def __init__(self, graph: Graph, names: dict[sympy.Symbol, int]) -> None:
        self.graph = graph
        self.names = names
        self._done: dict[sympy.Basic, int] = {}
        self._rules: tuple[tuple[type, Callable[[sympy.Basic], int]], ...] = (
            (sympy.Symbol, self._symbol), (sympy.Add, self._sum), (sympy.Mul, self._product),
            (sympy.Pow, self._power), (sympy.Piecewise, self._piecewise), (sympy.Max, self._extreme),
            (sympy.Min, self._extreme), (sympy.Mod, self._modulo), (sympy.factorial, self._factorial),
            (sympy.sign, self._sign), (Boolean, self._condition),
        )

    def node(self, expression: sympy.Basic) -> int:
        """Return the node of an expression.

        Raises
        ------
        StromaError
            S020 when the expression uses a function or name the engine does not know.
        """
        if expression not in self._done:
            self._done[expression] = self._translate(expression)
        return self._done[expression]

    def _translate(self, e: sympy.Basic) -> int:
        if isinstance(e, sympy.Expr) and e.is_number:
            return self._number(e)
        if e is sympy.true or e is sympy.false:
            return self.graph.truth(bool(e))
        for kind, name in FUNCTIONS.items():
            if isinstance(e, kind):
                return self.graph.call(name, self.node(e.args[0]))
        for kind, rule in self._rules:
            if isinstance(e, kind):
                return rule(e)
        raise fail("S020", f"the engine has no `{type(e).__name__}`", text=str(e)[:100],
                   hint="known: + - * / ^, " + ", ".join(sorted(FUNCTIONS.values()))
                        + ", sqrt, sign, min, max, piecewise")

    def _number(self, e: sympy.Expr) -> int:
        if e in (sympy.zoo, sympy.nan) or not e.is_extended_real:
            return self.graph.number(float("nan"))
        return self.graph.number(float(e))

    def _symbol(self, e: sympy.Basic) -> int:
        if e not in self.names:
            raise fail("S020", f"an expression uses `{e}`, no state, parameter or earlier assignment")
        return self.names[cast("sympy.Symbol", e)]

    def _sum(self, e: sympy.Basic) -> int:
        return self.graph.total([self.node(a) for a in e.args])

    def _product(self, e: sympy.Basic) -> int:
        above, below = [], []
        for factor in e.args:
            if isinstance(factor, sympy.Pow) and factor.exp.is_number and factor.exp.is_negative:
                below.append(self.node(sympy.Pow(factor.base, -factor.exp)))
            else:
                above.append(self.node(factor))
        g = self.graph
        for level in sorted({g.depends[n] for n in below}):
            above.append(g.reciprocal(g.product([n for n in below if g.depends[n] == level])))
        return g.product(above)

    def _power(self, e: sympy.Basic) -> int:
        base, exponent = e.args
        if base is sympy.E:
            return self.graph.call("exp", self.node(exponent))
        return self.graph.power(self.node(base), self.node(exponent))

    def _piecewise(self, e: sympy.Basic) -> int:
        result = self.graph.number(float("nan"))
        for value, condition in reversed([pair.args for pair in e.args]):
            result = self.graph.select(self.node(condition), self.node(value), result)
        return result

    def _extreme(self, e: sympy.Basic) -> int:
        combine = self.graph.maximum if isinstance(e, sympy.Max) else self.graph.minimum
        nodes = sorted(self.node(a) for a in e.args)
        result = nodes[0]
        for node in nodes[1:]:
            result = combine(result, node)
        return result

    def _modulo(self, e: sympy.Basic) -> int:
        g, (a, b) = self.graph, (self.node(x) for x in e.args)
        return g.sub(a, g.mul(b, g.call("floor", g.mul(a, g.reciprocal(b)))))

    def _factorial(self, e: sympy.Basic) -> int:
        return self.graph.call("tgamma", self.graph.add(self.node(e.args[0]), self.graph.number(1.0)))

    def _sign(self, e: sympy.Basic) -> int:
        g, x = self.graph, self.node(e.args[0])
        zero = g.number(0.0)
        return g.select(g.compare("lt", zero, x), g.number(1.0),
                        g.select(g.compare("lt", x, zero), g.number(-1.0), zero))

    def _condition(self, e: sympy.Basic) -> int:
        g = self.graph
        if isinstance(e, sympy.And | sympy.Or):
            return g.logic("and" if isinstance(e, sympy.And) else "or",
                           sorted(self.node(a) for a in e.args))
        if isinstance(e, sympy.Not):
            return g.logic("not", [self.node(e.args[0])])
        if isinstance(e, sympy.ITE):
            test, yes, no = (self.node(a) for a in e.args)
            return g.logic("or", [g.logic("and", [test, yes]), g.logic("and", [g.logic("not", [test]), no])])
        if isinstance(e, sympy.Xor):
            odd = self.node(e.args[0])
            for part in e.args[1:]:
                other = self.node(part)
                odd = g.logic("and", [g.logic("or", [odd, other]),
                                      g.logic("not", [g.logic("and", [odd, other])])])
            return odd
        if isinstance(e, sympy.Equality | sympy.Unequality):
            same = g.compare("eq", self.node(e.args[0]), self.node(e.args[1]))
            return same if isinstance(e, sympy.Equality) else g.logic("not", [same])
        if type(e) in RELATIONS:
            op, swapped = RELATIONS[type(e)]
            left, right = (self.node(a) for a in e.args)
            return g.compare(op, right, left) if swapped else g.compare(op, left, right)
        raise fail("S020", f"the engine has no condition `{type(e).__name__}`", text=str(e)[:100])
