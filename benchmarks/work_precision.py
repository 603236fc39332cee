"""Throughput at equal delivered error: sweep the tolerance, measure both, interpolate."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stroma.engine.delivered import delivered_error
from stroma.engine.ensemble import Backend, EnsembleProblem, Tolerance
from stroma.engine.safeguard import select

TARGETS = (1e-3, 1e-4, 1e-5)
ABSOLUTE_SHARE = 1e-3
"""Absolute tolerance over relative tolerance, the same for every engine."""


@dataclass(frozen=True)
class Point:
    """One tolerance of one engine.

    Parameters
    ----------
    relative : float
    error : float
        Largest delivered error, see ``stroma.engine.delivered.delivered_error``.
    per_second : float
        Subjects per second of processor time, one core; the best round.
    failed : int
    """

    relative: float
    error: float
    per_second: float
    failed: int


@dataclass(frozen=True)
class Entrant:
    """One engine in the race.

    Parameters
    ----------
    name : str
    build : callable
        Makes the engine; every round and tolerance uses the same one.
    relative : sequence of float
        Tolerances to sweep.
    n_subject : int
        Subjects it is timed on; errors are always taken over the ones all engines share.
    """

    name: str
    build: Callable[[], Backend]
    relative: Sequence[float]
    n_subject: int


def sweep(problem: EnsembleProblem, exact: NDArray[np.float64], entrants: Sequence[Entrant],
          rounds: int) -> dict[str, list[Point]]:
    """Run every engine at every tolerance, taking turns, so that a slow spell of the machine hits all alike.

    Parameters
    ----------
    exact : ndarray, shape (n_shared, n_visit, n_output)
        The answer for the first subjects.
    """
    size = np.abs(exact).max(axis=(0, 1))
    engines = {e.name: e.build() for e in entrants}
    parts = {e.name: select(problem, np.arange(e.n_subject)) for e in entrants}
    best: dict[tuple[str, float], float] = {}
    quality: dict[tuple[str, float], tuple[float, int]] = {}
    for e in entrants:
        engines[e.name].solve_ensemble(select(problem, np.arange(1)), _tolerance(e.relative[0]))
    for _ in range(rounds):
        for e in entrants:
            for relative in e.relative:
                began = time.process_time()
                got = engines[e.name].solve_ensemble(parts[e.name], _tolerance(relative))
                rate = e.n_subject / (time.process_time() - began)
                best[e.name, relative] = max(rate, best.get((e.name, relative), 0.0))
                shared = min(len(exact), e.n_subject)
                error = delivered_error(got.values[:shared], exact[:shared], size)
                quality[e.name, relative] = error, int((got.status != 0).sum())
    return {e.name: [Point(r, quality[e.name, r][0], best[e.name, r], quality[e.name, r][1]) for r in e.relative]
            for e in entrants}


def _tolerance(relative: float) -> Tolerance:
    return Tolerance(relative, ABSOLUTE_SHARE * relative, 1_000_000)


def at_error(points: Sequence[Point], error: float) -> float | None:
    """Return the throughput that delivers an error, interpolated in logarithms; None outside the sweep."""
    usable = sorted((p for p in points if not p.failed and np.isfinite(p.error) and p.error > 0),
                    key=lambda p: p.error)
    errors = np.array([p.error for p in usable])
    if not usable or not errors[0] <= error <= errors[-1]:
        return None
    rates = np.log([p.per_second for p in usable])
    return float(np.exp(np.interp(np.log(error), np.log(errors), rates)))
