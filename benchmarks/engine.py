"""The engine race: ours, libRoadRunner and SciPy's LSODA on the same problems, at equal delivered error."""

from __future__ import annotations

import importlib.util
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from benchmarks.cases import MODELS
from benchmarks.lsoda import LsodaBackend
from benchmarks.work_precision import TARGETS, Entrant, at_error, sweep
from stroma.engine.cpu import CpuBackend
from stroma.engine.delivered import delivered_error
from stroma.engine.ensemble import EnsembleProblem, Tolerance
from stroma.engine.roadrunner import RoadRunnerBackend
from stroma.engine.safeguard import select
from stroma.kernel.native import host

OURS = "stroma cpu"
SHARED = 40
"""Subjects over which every engine's error is taken."""
OUR_SUBJECTS = 800
WIDE, NARROW = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7), (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8)
REFERENCE = Tolerance(1e-11, 1e-14, 1_000_000)
NOT_RUN = ("amici", "diffrax")
"""Peers of the published comparison for which this benchmark has no adapter yet."""


def race(name: str, rounds: int) -> dict[str, Any]:
    """Return everything measured on one model."""
    problem = MODELS[name](OUR_SUBJECTS)
    shared = select(problem, np.arange(SHARED))
    exact = CpuBackend().solve_ensemble(shared, REFERENCE)
    few = select(problem, np.arange(5))
    other = RoadRunnerBackend().solve_ensemble(few, REFERENCE)
    size = np.abs(exact.values).max(axis=(0, 1))
    points = sweep(problem, exact.values, entrants(problem), rounds)
    rates = {engine: {f"{t:g}": at_error(found, t) for t in TARGETS} for engine, found in points.items()}
    _, effort = CpuBackend(1).solve_counting(problem, Tolerance())
    return {
        "states": len(problem.model.states), "parameters": len(problem.model.parameters),
        "outputs": len(problem.outputs), "visits": int(problem.t_visit.size),
        "doses_per_subject": problem.doses.t_day.size / problem.n_subject,
        "reference_agreement": delivered_error(exact.values[:5], other.values, size),
        "patients_per_second_and_core": rates,
        "ratio_at_equal_error": ratios(rates),
        "sweep": {engine: [asdict(p) for p in found] for engine, found in points.items()},
        "lane_utilisation": effort.utilisation,
        "steps_per_subject_at_default": effort.accepted / problem.n_subject,
        "two_cores_over_one": two_cores(problem),
        **start_up(name),
    }


def entrants(problem: EnsembleProblem) -> list[Entrant]:
    """Return who takes part; SciPy gets fewer subjects on large models."""
    few = max(8, min(SHARED, 1600 // len(problem.model.states)))
    return [Entrant(OURS, lambda: CpuBackend(1), WIDE, OUR_SUBJECTS),
            Entrant("libroadrunner", RoadRunnerBackend, NARROW, SHARED),
            Entrant("scipy lsoda", LsodaBackend, NARROW, few)]


def ratios(rates: dict[str, dict[str, float | None]]) -> dict[str, dict[str, float | None]]:
    """Return for each error how many times faster we are than each peer."""
    found: dict[str, dict[str, float | None]] = {}
    for target, ours in rates[OURS].items():
        peers = {engine: rate[target] for engine, rate in rates.items() if engine != OURS}
        found[target] = {e: ours / r if ours is not None and r is not None else None for e, r in peers.items()}
    return found


def two_cores(problem: EnsembleProblem) -> float | None:
    """Return how many times faster two workers are than one, by the clock on the wall."""
    if len(os.sched_getaffinity(0)) < 2:
        return None
    rows = np.arange(problem.n_subject).repeat(8)
    many, best = select(problem, rows), {}
    for _ in range(3):
        for workers in (1, 2):
            began = time.perf_counter()
            CpuBackend(workers).solve_ensemble(many, Tolerance())
            best[workers] = min(best.get(workers, np.inf), time.perf_counter() - began)
    return best[1] / best[2]


def start_up(name: str) -> dict[str, float]:
    """Return the seconds of a whole process to its first subjects: empty cache, new model, known model.

    The first process of all compiles the loops around the kernel, which every model then shares.
    """
    with tempfile.TemporaryDirectory() as cache:
        environment = os.environ | {"STROMA_CACHE": cache}
        seconds = []
        for model in ("sle" if name != "sle" else "synthetic40", name, name):
            began = time.perf_counter()
            subprocess.run([sys.executable, "-m", "benchmarks", "first-result", model], check=True, env=environment)
            seconds.append(time.perf_counter() - began)
    return {"empty_cache_to_first_result_s": seconds[0], "new_model_to_first_result_s": seconds[1],
            "warm_start_s": seconds[2]}


def run(names: Sequence[str], rounds: int) -> dict[str, Any]:
    """Return the whole report as plain data."""
    here = host()
    absent = [peer for peer in NOT_RUN if importlib.util.find_spec(peer) is None]
    return {
        "machine": {"cpu": here.name, "lanes": here.lanes, "cores": len(os.sched_getaffinity(0))},
        "load_at_start": os.getloadavg()[0],
        "peers_without_adapter": list(NOT_RUN), "of_these_not_installed": absent,
        "models": {name: race(name, rounds) for name in names},
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def render(report: dict[str, Any]) -> str:
    """Return the report for a reader."""
    machine = report["machine"]
    lines = [f"{machine['cpu']}, {machine['lanes']} lanes, {machine['cores']} cores, load at start "
             f"{report['load_at_start']:.1f}; subjects per second of processor time on one core"]
    for name, m in report["models"].items():
        lines += ["", f"{name}: {m['states']} states, {m['doses_per_subject']:.0f} doses a subject, {m['visits']} "
                      f"visits, {m['outputs']} outputs; reference agrees with CVODE to "
                      f"{m['reference_agreement']:.0e}",
                  f"  {'engine':<16}" + "".join(f"{'error ' + t:>16}" for t in m["ratio_at_equal_error"])]
        for engine, rates in m["patients_per_second_and_core"].items():
            cells = []
            for target, rate in rates.items():
                ratio = m["ratio_at_equal_error"][target].get(engine)
                behind = f" ({ratio:.1f}x)" if ratio is not None else ""
                cells.append(f"{'-' if rate is None else f'{rate:,.0f}{behind}':>16}")
            lines.append(f"  {engine:<16}" + "".join(cells))
        lines.append(f"  lanes busy {m['lane_utilisation']:.3f}; two cores over one {m['two_cores_over_one'] or 0:.2f};"
                     f" new model {m['new_model_to_first_result_s']:.2f} s, warm {m['warm_start_s']:.2f} s")
    return "\n".join([*lines, "", f"peak memory {report['peak_memory_mb']:.0f} MB"])


