"""What the loops of a worker share: the kernel's addresses, the task, and calls of compiled functions."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils, config
from numba.extending import intrinsic
from numpy.typing import NDArray

from stroma.engine import ensemble
from stroma.engine.ensemble import Status
from stroma.kernel import layout
from stroma.kernel.layout import Row
from stroma.kernel.native import cache_folder

T, STEP, STOP, BEFORE, USED, ACCEPTED = (int(r) for r in (
    Row.T, Row.STEP, Row.STOP, Row.BEFORE, Row.USED, Row.ACCEPTED))
ERROR, FRESH, THETA, WHEN, RELATIVE, ABSOLUTE, OUTSIDE = (int(r) for r in (
    Row.ERROR, Row.FRESH, Row.THETA, Row.WHEN, Row.RELATIVE, Row.ABSOLUTE, Row.OUTSIDE))
OK, STEP_UNDERFLOW, MAX_STEPS, NOT_FINITE = (int(s) for s in (
    Status.OK, Status.STEP_UNDERFLOW, Status.MAX_STEPS, Status.NOT_FINITE))
IDLE = -1


def _cache() -> Path:
    """Return where the compiled loops are kept: numba looks at one file's age only, the loops span several."""
    parts = [*sorted(Path(__file__).parent.glob("lane_*.py")), Path(str(ensemble.__file__)), Path(str(layout.__file__))]
    digest = hashlib.sha256(b"\0".join(p.read_bytes() for p in parts)).hexdigest()[:16]
    return cache_folder() / "loops" / digest


def lane_loop(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function with numba, without the GIL, and keep the result beside the compiled models."""
    settings: Any = config
    before = settings.CACHE_DIR
    settings.CACHE_DIR = str(_cache())
    try:
        return njit(cache=True, nogil=True)(function)
    finally:
        settings.CACHE_DIR = before


class Functions(NamedTuple):
    """Addresses of the compiled kernel and where it keeps things; see ``stroma.kernel.compile.Kernel``."""

    prepare: int
    attempt: int
    start: int
    report: int
    moment: int
    locate: int
    constants: int
    n_constant: int
    new: int
    n_state: int
    peak: int
    base_peak: int
    n_base: int
    switches: int
    n_switch: int
    trigger: int
    rank: int
    change: int
    argument: int
    out: int


class Events(NamedTuple):
    """The state-triggered events of a model, see ``stroma.model.ode_model.Event``; empty arrays for none.

    Parameters
    ----------
    offset : ndarray of int64, shape (n_event + 1,)
        First change of each event.
    target : ndarray of int64
        State that each change sets.
    starts_true, persistent, early : ndarray of bool, shape (n_event,)
        ``early`` events compute their new values when they fire, others when their turn comes.
    """

    offset: NDArray[np.int64]
    target: NDArray[np.int64]
    starts_true: NDArray[np.bool_]
    persistent: NDArray[np.bool_]
    early: NDArray[np.bool_]


class Task(NamedTuple):
    """What all workers share: inputs, results and the number of the next subject to take."""

    parameters: NDArray[np.float64]
    parameters_at: int
    offset: NDArray[np.int64]
    dose_day: NDArray[np.float64]
    dose_state: NDArray[np.int64]
    dose_amount: NDArray[np.float64]
    t_visit: NDArray[np.float64]
    t_start: float
    relative: float
    absolute: float
    max_steps: int
    taken: NDArray[np.int64]
    values: NDArray[np.float64]
    status: NDArray[np.int8]


@intrinsic
def call(typingctx, address, first, second, third, fourth):
    """Call ``void (*)(ptr, ptr, ptr, ptr)`` at an address; functions of fewer arguments ignore the rest."""
    def generate(context, builder, signature, args):
        pointer = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [pointer] * 4)
        function = builder.inttoptr(args[0], kind.as_pointer())
        builder.call(function, [builder.inttoptr(a, pointer) for a in args[1:]])
        return context.get_dummy_value()
    return types.void(*[types.int64] * 5), generate


@intrinsic
def take(typingctx, counter):
    """Return ``counter[0]`` and raise it by one, atomically among threads."""
    def generate(context, builder, signature, args):
        array = context.make_array(signature.args[0])(context, builder, args[0])
        first = cgutils.gep_inbounds(builder, array.data, 0)
        return builder.atomic_rmw("add", first, ir.Constant(ir.IntType(64), 1), "monotonic")
    return types.int64(counter), generate
