"""The lane loop as a C function of two vectors, compiled by numba to text that LLVM alone can load again."""

# numba passes a first argument that the caller does not see.
# pyright: reportCallIssue=false, reportPrivateImportUsage=false

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import carray, cfunc, types
from numba.extending import intrinsic

from stroma.engine.lane_driver import work
from stroma.engine.lane_memory import lane_loop
from stroma.engine.lane_task import Events, Functions, Room, Task

MOST_WORDS, MOST_REALS = 200, 3


@intrinsic
def _at(typingctx, address):
    """Return an address as a pointer."""
    def generate(context, builder, signature, args):
        return builder.inttoptr(args[0], ir.IntType(8).as_pointer())
    return types.voidptr(types.int64), generate


@lane_loop
def _whole(q, i):
    return carray(_at(q[i]), (q[i + 1],), np.int64)


@lane_loop
def _whole_table(q, i):
    return carray(_at(q[i]), (q[i + 1], q[i + 2]), np.int64)


@lane_loop
def _real(q, i):
    return carray(_at(q[i]), (q[i + 1],), np.float64)


@lane_loop
def _real_table(q, i):
    return carray(_at(q[i]), (q[i + 1], q[i + 2]), np.float64)


@lane_loop
def _real_block(q, i):
    return carray(_at(q[i]), (q[i + 1], q[i + 2], q[i + 3]), np.float64)


def _enter(words, reals):
    q, x = carray(words, MOST_WORDS), carray(reals, MOST_REALS)
    f = Functions(q[0], q[1], q[2], q[3], q[4], q[5], q[6], q[7], q[8], q[9], q[10], q[11], q[12], q[13], q[14], q[15],
                  q[16], q[17], q[18], q[19])
    task = Task(_real_table(q, 20), _whole(q, 23), _whole(q, 25), _real(q, 27), _real(q, 29), _real(q, 31),
                _whole(q, 33), _real_block(q, 35), _whole(q, 39), q[41], x[0], x[1], x[2])
    events = Events(_whole(q, 42), _whole(q, 44), _whole(q, 46), _whole(q, 48), _whole(q, 50))
    room = Room(_real_table(q, 52), _whole(q, 55), _whole(q, 57), _whole(q, 59), _whole(q, 61), _whole_table(q, 63),
                _whole(q, 66), _whole(q, 68), _real(q, 70), _real(q, 72), _real_table(q, 74), _real(q, 77),
                _real(q, 79), _real(q, 81))
    work(f, task, events, room)


def compiled_loop() -> tuple[str, str]:
    """Return the LLVM text of the loop and the name of its entry ``void (int64 *words, double *reals)``."""
    signature = types.void(types.CPointer(types.int64), types.CPointer(types.float64))
    entry = cfunc(signature, error_model="numpy")(_enter)
    return entry.inspect_llvm(), entry.native_name
