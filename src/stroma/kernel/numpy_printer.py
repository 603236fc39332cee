"""Routines of the straight-line program as readable NumPy source: the oracle of the LLVM text.

Slow and plain on purpose: one assignment a node, NumPy's own functions, so that a mistake in the vector code
or in its elementary functions cannot hide in both.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import cast

import numpy as np
from numpy.typing import NDArray

from stroma.kernel.graph import Graph, Routine

BINARY = {"add": "+", "sub": "-", "mul": "*", "lt": "<", "le": "<=", "eq": "==", "and": "&", "or": "|"}
CALLS = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "asinh": "arcsinh", "acosh": "arccosh",
         "atanh": "arctanh"}
"""Where NumPy's name differs."""

Arrays = Mapping[str, NDArray[np.float64]]


def print_source(graph: Graph, routine: Routine) -> str:
    """Return a Python function of the routine's arrays, which it reads and writes by row."""
    lines = [f"def {routine.name}({', '.join(routine.arrays)}):"]
    for node in routine.order:
        if node in routine.loads:
            array, row = routine.loads[node]
            text = f"{array}[{row}]" + (" != 0" if graph.is_boolean(node) else "")
        else:
            text = _expression(graph, node)
        lines.append(f"    v{node} = {text}")
    lines += [f"    {array}[{row}] = v{node}" for array, row, node in routine.stores]
    return "\n".join(lines) + "\n"


def python_function(graph: Graph, routine: Routine) -> Callable[..., None]:
    """Return the printed routine, ready to call."""
    space: dict[str, object] = {"np": np, "math": math, "inf": math.inf, "nan": math.nan}
    exec(print_source(graph, routine), space)
    return cast("Callable[..., None]", space[routine.name])


def _expression(graph: Graph, node: int) -> str:
    op, args = graph.op[node], [f"v{a}" for a in graph.args[node]]
    number = graph.number_of(node)
    if number is not None:
        return repr(number)
    if op in BINARY:
        return f"{args[0]} {BINARY[op]} {args[1]}"
    match op:
        case "tgamma":
            return f"math.gamma({args[0]})"
        case "neg":
            return f"-{args[0]}"
        case "not":
            return f"np.logical_not({args[0]})"
        case "reciprocal":
            return f"np.divide(1.0, {args[0]})"
        case "log_size":
            return f"np.log(np.abs({args[0]}))"
        case "max":
            return f"np.where({args[0]} < {args[1]}, {args[1]}, {args[0]})"
        case "min":
            return f"np.where({args[1]} < {args[0]}, {args[1]}, {args[0]})"
        case "select":
            return f"np.where({', '.join(args)})"
    return f"np.{CALLS.get(op, op)}({args[0]})"
