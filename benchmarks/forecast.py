"""The forecast's own pool with the fast engine and with the plain one: how much faster, and how far apart."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from benchmarks.lupus import problem
from stroma.calibration.arm_pools import TOLERANCE
from stroma.engine.cpu import CpuBackend
from stroma.engine.delivered import delivered_error
from stroma.engine.reference import ReferenceBackend
from stroma.engine.safeguard import select

FAST, PLAIN = 5000, 12


def run() -> dict[str, Any]:
    """Return subjects per second of processor time of `cpu` and `reference`, their ratio and largest difference."""
    pool = problem(FAST)
    few = select(pool, np.arange(PLAIN))
    CpuBackend(1).solve_ensemble(few, TOLERANCE)
    began = time.process_time()
    fast = CpuBackend(1).solve_ensemble(pool, TOLERANCE)
    between = time.process_time()
    plain = ReferenceBackend().solve_ensemble(few, TOLERANCE)
    ended = time.process_time()
    rates = FAST / (between - began), PLAIN / (ended - between)
    size = np.nanmax(np.abs(fast.values), axis=(0, 1))
    return {"cpu_per_second_and_core": rates[0], "reference_per_second_and_core": rates[1],
            "ratio": rates[0] / rates[1],
            "largest_difference": delivered_error(fast.values[:PLAIN], plain.values, size)}
