"""The default engine: one subject a SIMD lane, lanes refilled, one loop a thread."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stroma.engine.ensemble import EnsembleProblem, Status, Tolerance, Trajectories
from stroma.engine.lane_program import lane_program
from stroma.engine.lane_task import Events, Functions, Task, make_room, pack
from stroma.kernel.compile import Kernel, compile_model
from stroma.model.ode_model import OdeModel


@dataclass(frozen=True)
class Effort:
    """What a solve took, over all workers.

    Parameters
    ----------
    attempts : int
        Steps tried, counted once for all lanes of a worker.
    lane_attempts, accepted : int
        Steps tried and accepted, counted per subject.
    restarts : int
        First steps chosen: at the start and after doses.
    lanes : int
    """

    attempts: int
    lane_attempts: int
    accepted: int
    restarts: int
    lanes: int

    @property
    def utilisation(self) -> float:
        """Return the share of lane attempts that had a subject in the lane."""
        return self.lane_attempts / (self.attempts * self.lanes) if self.attempts else 1.0


@dataclass(frozen=True)
class CpuBackend:
    """Rodas5P in vector lanes on the processor's cores.

    Parameters
    ----------
    n_workers : int or None
        Threads; all cores this process may use when None. Answers do not depend on it.
    """

    n_workers: int | None = None
    name: str = "cpu"

    def solve_ensemble(self, problem: EnsembleProblem, tolerance: Tolerance) -> Trajectories:
        """Solve every subject; a subject's answer depends on its own row and doses only.

        Raises
        ------
        StromaError
            S020 when the model uses a function the engine does not know.
        """
        return self.solve_counting(problem, tolerance)[0]

    def solve_counting(self, problem: EnsembleProblem, tolerance: Tolerance) -> tuple[Trajectories, Effort]:
        """Solve every subject and say what it took."""
        kernel = compile_model(problem.model, problem.outputs)
        n_subject, n_visit = problem.n_subject, problem.t_visit.size
        values = np.full((n_subject, n_visit, len(problem.outputs)), np.nan)
        status = np.where(_bad_input(problem), Status.BAD_INPUT, Status.OK).astype(np.int64)
        tally = np.zeros(4, np.int64)
        if n_visit and n_subject:
            tally = self._integrate(kernel, problem, tolerance, values, status)
        effort = Effort(*tally.tolist(), lanes=kernel.lanes)
        return Trajectories(values, status.astype(np.int8), problem.outputs, problem.t_visit), effort

    def _integrate(self, kernel: Kernel, problem: EnsembleProblem, tolerance: Tolerance,
                   values: NDArray[np.float64], status: NDArray[np.int64]) -> NDArray[np.int64]:
        layout, doses = kernel.layout, problem.doses
        parameters, t_visit, day, amount = (np.ascontiguousarray(a, np.float64) for a in (
            problem.parameters, problem.t_visit, doses.t_day, doses.amount))
        offset, state = (np.ascontiguousarray(a, np.int64) for a in (doses.offset, doses.state))
        taken = np.zeros(1, np.int64)
        functions = Functions(kernel.prepare, kernel.attempt, kernel.start, kernel.report, kernel.moment,
                              kernel.locate, layout.constants,
                              kernel.n_constant, layout.new, kernel.n_state, layout.peak, layout.base_peak,
                              layout.base - layout.base_peak, layout.switches, layout.argument - layout.switches,
                              layout.trigger, layout.rank, layout.change, layout.argument, layout.out)
        task = Task(parameters, offset, state, day, amount, t_visit, taken, values, status, int(tolerance.max_steps),
                    float(problem.t_start), float(tolerance.relative), float(tolerance.absolute))
        events = _events(problem.model)
        n_workers = min(self.n_workers or len(os.sched_getaffinity(0)), -(-problem.n_subject // kernel.lanes))
        rooms = [make_room(functions, layout.rows, kernel.lanes) for _ in range(n_workers)]
        packed = [pack(functions, task, events, room) for room in rooms]
        loop = lane_program()
        with ThreadPoolExecutor(n_workers) as pool:
            try:
                running = [pool.submit(loop.call, words.ctypes.data, reals.ctypes.data) for words, reals in packed]
                for each in running:
                    each.result()
            except BaseException:
                # Workers stop when no subject is left to take.
                taken[0] = problem.n_subject
                raise
        return np.sum([room.tally for room in rooms], axis=0)


def _events(model: OdeModel) -> Events:
    """Return the events as arrays."""
    counts = [len(e.changes) for e in model.events]
    targets = [model.states.index(n) for e in model.events for n, _ in e.changes]
    flags = [(e.starts_true, e.persistent, e.values_when_triggered) for e in model.events]
    return Events(np.cumsum([0, *counts], dtype=np.int64), np.array(targets, np.int64),
                  *np.array(flags, np.int64).reshape(-1, 3).T.copy())


def _bad_input(problem: EnsembleProblem) -> NDArray[np.bool_]:
    """Tell which subjects cannot start: values not finite, doses out of order or before the start."""
    doses = problem.doses
    bad = np.asarray(~np.isfinite(problem.parameters).all(axis=1))
    owner = np.repeat(np.arange(problem.n_subject), np.diff(doses.offset))
    wrong = ~np.isfinite(doses.t_day) | ~np.isfinite(doses.amount) | (doses.t_day < problem.t_start)
    wrong |= (doses.state < 0) | (doses.state >= len(problem.model.states))
    if owner.size:
        wrong[1:] |= (np.diff(doses.t_day) < 0) & (owner[1:] == owner[:-1])
    bad[owner[wrong]] = True
    return bad
