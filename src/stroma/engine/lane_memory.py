"""What the loops of a worker share: rows of the workspace, statuses, and calls of compiled functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from stroma.engine.ensemble import Status
from stroma.kernel.layout import Row

T, STEP, STOP, BEFORE, USED, ACCEPTED = (int(r) for r in (
    Row.T, Row.STEP, Row.STOP, Row.BEFORE, Row.USED, Row.ACCEPTED))
ERROR, FRESH, THETA, WHEN, RELATIVE, ABSOLUTE, OUTSIDE = (int(r) for r in (
    Row.ERROR, Row.FRESH, Row.THETA, Row.WHEN, Row.RELATIVE, Row.ABSOLUTE, Row.OUTSIDE))
OK, STEP_UNDERFLOW, MAX_STEPS, NOT_FINITE = (int(s) for s in (
    Status.OK, Status.STEP_UNDERFLOW, Status.MAX_STEPS, Status.NOT_FINITE))
IDLE = -1


def lane_loop(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function with numba; it neither allocates nor raises, so that it runs without numba later on."""
    return njit(error_model="numpy")(function)


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
