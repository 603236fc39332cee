"""From a model to functions ready to call: the kernel's front door."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import sympy

from stroma.kernel import llvm_step
from stroma.kernel.elementary import definitions
from stroma.kernel.graph import Routine
from stroma.kernel.layout import Layout, lay_out
from stroma.kernel.llvm_printer import call_routine, library_declarations, print_routine
from stroma.kernel.llvm_text import Code
from stroma.kernel.native import Loaded, host, load
from stroma.kernel.program import build_dense, build_program, build_report
from stroma.model.ode_model import OdeModel


@dataclass(frozen=True)
class Kernel:
    """Compiled functions of a model that report some outputs.

    Parameters
    ----------
    lanes : int
        Subjects solved side by side.
    n_state, n_constant : int
    layout : Layout
        Of the workspace, which all functions but ``prepare`` take as their only argument.
    prepare, attempt, start, report, moment, locate : int
        Addresses. ``prepare(p, c, y, when)`` turns one subject's parameters into its constants,
        initial states and switching times.
    code : Loaded
        Keeps the addresses valid.
    """

    lanes: int
    n_state: int
    n_constant: int
    layout: Layout
    prepare: int
    attempt: int
    start: int
    report: int
    moment: int
    locate: int
    code: Loaded


def compile_model(model: OdeModel, outputs: tuple[str, ...]) -> Kernel:
    """Return the kernel of a model, from the cache when it has been compiled before.

    Parameters
    ----------
    outputs : tuple of str
        States and assignments to report.

    Raises
    ------
    StromaError
        S020 for a function the engine does not know.
    """
    lanes = host().lanes
    if not model.states:
        # Formulas of the time alone: one state that stands still lets the clock run.
        model = replace(model, states=("(still)",), rhs=(sympy.Integer(0),), initial=(sympy.Integer(0),))
    key = f"{model.content_hash} {lanes} {' '.join(outputs)}"
    code = load(key, lambda: _module(model, outputs, lanes))
    facts = code.facts
    layout = Layout(**facts["layout"])
    return Kernel(lanes, len(model.states), layout.old - layout.constants, layout,
                  code.address("prepare_subject"), code.address("attempt"), code.address("start"),
                  code.address("report"), code.address("moment"), code.address("locate"), code)


def _module(model: OdeModel, outputs: tuple[str, ...], lanes: int) -> tuple[str, dict[str, Any]]:
    program = build_program(model)
    report = build_report(program, outputs)
    whole = build_dense(program, "dense_whole", range(program.n_state))
    layout = lay_out(program, len(outputs))
    graph = program.graph
    parts = [library_declarations(), definitions(lanes), print_routine(graph, program.prepare, 1)]
    if lanes != 1:
        parts.append(definitions(1))
    parts += [print_routine(graph, routine, lanes)
              for routine in (program.first, program.stage, program.slopes, program.events, report.dense,
                              report.values, whole)]
    parts += [_prepare(program.prepare), llvm_step.attempt(program, layout, lanes),
              llvm_step.start(program, layout, lanes), llvm_step.report(report, layout, lanes),
              llvm_step.events(program, whole, layout, lanes)]
    return "\n".join(parts), {"layout": asdict(layout)}


def _prepare(routine: Routine) -> str:
    code = Code(1)
    call_routine(code, routine, {"p": "%p", "c": "%c", "y": "%y", "when": "%when"})
    code.line("ret void")
    arguments = ", ".join(f"ptr noalias %{name}" for name in ("p", "c", "y", "when"))
    return code.function(f"void @prepare_subject({arguments})", "nounwind")
