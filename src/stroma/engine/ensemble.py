"""The ensemble problem, its answer, and the protocol that every backend follows."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stroma.engine.delivered import DeliveredError
from stroma.errors import Problems, fail, nearest
from stroma.model.ode_model import OdeModel


class Status(IntEnum):
    """What became of one subject; anything but OK means missing values, never zeros."""

    OK = 0
    STEP_UNDERFLOW = 1
    MAX_STEPS = 2
    NOT_FINITE = 3
    BAD_INPUT = 4


@dataclass(frozen=True)
class Doses:
    """Exact additions to states, for every subject.

    Row ``i`` of the ensemble owns entries ``offset[i]:offset[i + 1]``, ordered by time. A reported
    value at the time of a dose is the value just before it.

    Parameters
    ----------
    offset : ndarray of int64, shape (n_subject + 1,)
    t_day : ndarray, shape (n_dose,)
        Day of the dose.
    state : ndarray of int64, shape (n_dose,)
        Index into ``OdeModel.states``.
    amount : ndarray, shape (n_dose,)
        Added to the state, in the state's unit; negative values lower it (a taper step).
    """

    offset: NDArray[np.int64]
    t_day: NDArray[np.float64]
    state: NDArray[np.int64]
    amount: NDArray[np.float64]

    @staticmethod
    def none(n_subject: int) -> Doses:
        """Return the empty schedule."""
        return Doses(np.zeros(n_subject + 1, np.int64), np.zeros(0), np.zeros(0, np.int64), np.zeros(0))

    @staticmethod
    def per_subject(schedules: list[list[tuple[float, int, float]]]) -> Doses:
        """Build the table from one list of (day, state index, amount) a subject."""
        ordered = [sorted(s, key=lambda d: d[0]) for s in schedules]
        offset = np.concatenate([[0], np.cumsum([len(s) for s in ordered])]).astype(np.int64)
        flat = [d for s in ordered for d in s]
        return Doses(offset, np.array([d[0] for d in flat], float),
                     np.array([d[1] for d in flat], np.int64), np.array([d[2] for d in flat], float))

    def of(self, subject: int) -> list[tuple[float, int, float]]:
        """Return the schedule of one subject."""
        part = slice(self.offset[subject], self.offset[subject + 1])
        return list(zip(self.t_day[part].tolist(), self.state[part].tolist(), self.amount[part].tolist(),
                        strict=True))


@dataclass(frozen=True)
class Tolerance:
    """Error control of a solve.

    Parameters
    ----------
    relative, absolute : float
        Per step, in the sense of the backend's method; delivered error is measured, not promised.
    max_steps : int
        Steps a subject may take before it is given up.
    """

    relative: float = 1e-6
    absolute: float = 1e-9
    max_steps: int = 100_000


@dataclass(frozen=True)
class EnsembleProblem:
    """What to solve: one model, many subjects.

    Parameters
    ----------
    model : OdeModel
    parameters : ndarray, shape (n_subject, n_parameter)
        In the order of ``model.parameters``.
    t_visit : ndarray, shape (n_visit,)
        Increasing days at which outputs are reported; not before ``t_start``.
    outputs : tuple of str
        States or assignments of the model.
    doses : Doses
    t_start : float
        Day at which the initial state holds.

    Raises
    ------
    StromaError
        S001 shapes, S002 unknown output, S003 times out of order.
    """

    model: OdeModel
    parameters: NDArray[np.float64]
    t_visit: NDArray[np.float64]
    outputs: tuple[str, ...]
    doses: Doses
    t_start: float = 0.0

    def __post_init__(self) -> None:
        problems = Problems()
        wanted = len(self.model.parameters)
        if self.parameters.ndim != 2 or self.parameters.shape[1] != wanted:
            problems.add("S001", f"parameters have shape {self.parameters.shape}, the model `{self.model.name}` "
                                 f"needs (n_subject, {wanted})")
        elif self.doses.offset.shape != (self.parameters.shape[0] + 1,):
            problems.add("S001", f"doses describe {self.doses.offset.size - 1} subjects, parameters "
                                 f"{self.parameters.shape[0]}")
        for name in self.outputs:
            if name not in self.model.outputs:
                problems.add("S002", f"unknown output `{name}`", hint=nearest(name, self.model.outputs))
        if self.t_visit.size and (np.any(np.diff(self.t_visit) <= 0) or self.t_visit[0] < self.t_start):
            problems.add("S003", "visit days must increase and not precede the start")
        problems.raise_if_any()

    @property
    def n_subject(self) -> int:
        """Return the number of subjects."""
        return self.parameters.shape[0]


@dataclass(frozen=True)
class Trajectories:
    """The answer: subject × visit × output, and what became of each subject.

    Parameters
    ----------
    values : ndarray, shape (n_subject, n_visit, n_output)
        NaN for a subject whose status is not OK.
    status : ndarray of int8, shape (n_subject,)
        Values of :class:`Status`.
    outputs : tuple of str
    t_visit : ndarray, shape (n_visit,)
    notes : tuple of str
        Anything the run has to say about itself (fallbacks, for instance).
    checked : DeliveredError or None
        What the run found out about its own accuracy; None where it was not checked.
    """

    values: NDArray[np.float64]
    status: NDArray[np.int8]
    outputs: tuple[str, ...]
    t_visit: NDArray[np.float64]
    notes: tuple[str, ...] = field(default=())
    checked: DeliveredError | None = None


class Backend(Protocol):
    """One engine. Backends do not know one another; :mod:`stroma.engine.backends` lists them."""

    @property
    def name(self) -> str:
        """Return the name the registry lists it under."""
        ...

    def solve_ensemble(self, problem: EnsembleProblem, tolerance: Tolerance) -> Trajectories:
        """Solve every subject; a subject's answer depends on its own row and doses only."""
        ...


def require_all(trajectories: Trajectories, allowed: int = 0) -> None:
    """Raise when more subjects failed than a run allows.

    Raises
    ------
    StromaError
        S051, with the counts by reason.
    """
    failed = trajectories.status != Status.OK
    if int(failed.sum()) <= allowed:
        return
    reasons = ", ".join(f"{int((trajectories.status == s).sum())} × {s.name.lower()}" for s in Status
                        if s != Status.OK and (trajectories.status == s).any())
    raise fail("S051", f"{int(failed.sum()):,} of {failed.size:,} subjects could not be integrated "
                       f"(limit for this run: {allowed}): {reasons}",
               hint=f"first: subject {int(np.flatnonzero(failed)[0])}; their values are missing, not zero",
               exit_code=3)
