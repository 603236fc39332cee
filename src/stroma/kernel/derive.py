"""Derivatives of the straight-line program, by the chain rule from the inputs upwards.

Each node carries a sparse row: input node -> derivative node. Shared subexpressions keep one derivative, so
the Jacobian reuses the values the right-hand side has computed anyway.
"""

from __future__ import annotations

from collections.abc import Sequence

from stroma.errors import fail
from stroma.kernel.graph import Graph

Row = dict[int, int]


def jacobian(graph: Graph, functions: Sequence[int], inputs: Sequence[int]) -> list[Row]:
    """Differentiate nodes with respect to input nodes.

    Parameters
    ----------
    functions : sequence of int
        Nodes to differentiate.
    inputs : sequence of int
        Leaf nodes taken as independent.

    Returns
    -------
    list of dict
        For each function, input node -> derivative node; entries that vanish identically are absent.
    """
    rows: dict[int, Row] = {leaf: {leaf: graph.number(1.0)} for leaf in inputs}
    order = graph.routine("", [("", 0, f) for f in functions], {}).order
    for node in order:
        if node not in rows:
            rows[node] = _row(graph, node, rows)
    return [rows[f] for f in functions]


def _row(g: Graph, node: int, rows: dict[int, Row]) -> Row:
    if node in g.power_of:
        return _power_row(g, node, rows)
    op, args = g.op[node], g.args[node]
    if op in ("number", "load") or g.is_boolean(node) or op in ("floor", "ceil"):
        return {}
    if op in ("add", "sub"):
        second = rows[args[1]] if op == "add" else _scaled(g, rows[args[1]], g.number(-1.0))
        return _sum(g, rows[args[0]], second)
    if op == "mul":
        return _sum(g, _scaled(g, rows[args[0]], args[1]), _scaled(g, rows[args[1]], args[0]))
    if op in ("max", "min", "select"):
        condition, yes, no = args if op == "select" else _as_select(g, op, args)
        zero = g.number(0.0)
        both = {**rows[yes], **rows[no]}
        merged = {x: g.select(condition, rows[yes].get(x, zero), rows[no].get(x, zero)) for x in both}
        return {x: d for x, d in merged.items() if d != zero}
    inner = rows[args[0]]
    return _scaled(g, inner, _outer(g, node, op, args[0])) if inner else {}


def _as_select(g: Graph, op: str, args: tuple[int, ...]) -> tuple[int, int, int]:
    a, b = args
    return g.compare("lt", a, b), (b if op == "max" else a), (a if op == "max" else b)


def _outer(g: Graph, node: int, op: str, x: int) -> int:
    """Return the derivative of a function of one argument at that argument."""
    one = g.number(1.0)
    square = g.mul(x, x)
    match op:
        case "neg":
            return g.number(-1.0)
        case "reciprocal":
            return g.neg(g.mul(node, node))
        case "exp":
            return node
        case "log" | "log_size":
            return g.reciprocal(x)
        case "sqrt":
            return g.mul(g.number(0.5), g.reciprocal(node))
        case "tanh":
            return g.sub(one, g.mul(node, node))
        case "sin":
            return g.call("cos", x)
        case "cos":
            return g.neg(g.call("sin", x))
        case "tan":
            return g.add(one, g.mul(node, node))
        case "asin":
            return g.reciprocal(g.call("sqrt", g.sub(one, square)))
        case "acos":
            return g.neg(g.reciprocal(g.call("sqrt", g.sub(one, square))))
        case "atan":
            return g.reciprocal(g.add(one, square))
        case "sinh":
            return g.call("cosh", x)
        case "cosh":
            return g.call("sinh", x)
        case "abs":
            return g.select(g.compare("lt", x, g.number(0.0)), g.number(-1.0), one)
        case "asinh":
            return g.reciprocal(g.call("sqrt", g.add(square, one)))
        case "acosh":
            return g.reciprocal(g.call("sqrt", g.sub(square, one)))
        case "atanh":
            return g.reciprocal(g.sub(one, square))
        case "tgamma":
            raise fail("S020", "the engine has no derivative of the factorial of a changing value",
                       hint="able: `reference`")
    raise AssertionError(f"no derivative for {op}")


def _power_row(g: Graph, node: int, rows: dict[int, Row]) -> Row:
    base, exponent = g.power_of[node]
    zero, one = g.number(0.0), g.number(1.0)
    row: Row = {}
    if rows[base]:
        slope = g.mul(exponent, g.mul(node, g.reciprocal(base)))
        at_zero = g.select(g.compare("eq", exponent, one), one, zero)
        row = _scaled(g, rows[base], g.select(g.compare("eq", base, zero), at_zero, slope))
    if rows.get(exponent):  # a constant exponent has no row
        log = g.select(g.compare("lt", zero, base), g.call("log", base), zero)
        row = _sum(g, row, _scaled(g, rows[exponent], g.mul(node, log)))
    return row


def _sum(g: Graph, a: Row, b: Row) -> Row:
    result = dict(a)
    for x, d in b.items():
        result[x] = g.add(result[x], d) if x in result else d
    return {x: d for x, d in result.items() if g.number_of(d) != 0}


def _scaled(g: Graph, row: Row, factor: int) -> Row:
    return {x: g.mul(d, factor) for x, d in row.items()}
