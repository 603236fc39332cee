"""Routines of the straight-line program as LLVM functions."""

from __future__ import annotations

from stroma.kernel.graph import Graph, Routine
from stroma.kernel.llvm_text import Code

OWN = frozenset({"exp", "log", "log_size", "tanh"})
"""Functions of :mod:`stroma.kernel.elementary`."""
INTRINSIC = {"sqrt": "sqrt", "abs": "fabs", "floor": "floor", "ceil": "ceil", "sin": "sin", "cos": "cos",
             "tan": "tan", "asin": "asin", "acos": "acos", "atan": "atan", "sinh": "sinh", "cosh": "cosh"}
"""Functions that LLVM provides; from sin onwards one call of the C library per lane."""
LIBRARY = ("asinh", "acosh", "atanh", "tgamma")
"""Functions of the C library that LLVM does not know as its own."""
BINARY = {"add": "fadd", "sub": "fsub", "mul": "fmul"}
RELATION = {"lt": "olt", "le": "ole", "eq": "oeq"}


def library_declarations() -> str:
    """Return the LLVM declarations of :data:`LIBRARY`."""
    return "".join(f"declare double @{name}(double)\n" for name in LIBRARY)


def print_routine(graph: Graph, routine: Routine, lanes: int) -> str:
    """Return the LLVM text of ``void @name(ptr array, ...)``, arrays in the order of ``routine.arrays``."""
    code = Code(lanes)
    spelled: dict[int, str] = {}
    for node in routine.order:
        if node in routine.loads:
            array, row = routine.loads[node]
            value = code.load(f"%{array}", row)
            if graph.is_boolean(node):
                value = code.let(f"fcmp une {code.real} {value}, {code.number(0.0)}")
        else:
            value = _operation(code, graph, node, [spelled[a] for a in graph.args[node]])
        spelled[node] = value
    for array, row, node in routine.stores:
        value = spelled[node]
        if graph.is_boolean(node):
            value = code.select(value, code.number(1.0), code.number(0.0))
        code.store(value, f"%{array}", row)
    code.line("ret void")
    head = f"internal void @{routine.name}({', '.join(f'ptr noalias %{a}' for a in routine.arrays)})"
    return code.function(head, "noinline nounwind")


def call_routine(code: Code, routine: Routine, pointers: dict[str, str]) -> None:
    """Append a call of a printed routine with the address of each array."""
    code.line(f"call void @{routine.name}({', '.join(f'ptr {pointers[a]}' for a in routine.arrays)})")


def _operation(code: Code, graph: Graph, node: int, args: list[str]) -> str:
    op = graph.op[node]
    number = graph.number_of(node)
    if number is not None:
        return code.number(number)
    if op in BINARY:
        return code.binary(BINARY[op], *args)
    if op in OWN:
        return code.own(op, args[0])
    if op in INTRINSIC:
        return code.intrinsic(INTRINSIC[op], args[0])
    if op in LIBRARY:
        return code.library(op, args[0])
    if op in RELATION:
        return code.compare(RELATION[op], *args)
    match op:
        case "neg":
            return code.neg(args[0])
        case "reciprocal":
            return code.div(code.number(1.0), args[0])
        case "max":
            return code.larger(*args)
        case "min":
            return code.smaller(*args)
        case "select":
            return code.select(*args)
        case "and" | "or":
            return code.let(f"{op} {code.truth} {args[0]}, {args[1]}")
        case "not":
            return code.let(f"xor {code.truth} {args[0]}, {code.true}")
    raise AssertionError(f"no LLVM spelling for {op}")
