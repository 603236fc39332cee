"""A fast engine that is watched: its error is estimated in every run, and a slow engine takes what it cannot do.

A random sample is solved at the tolerance asked for and at a ten-thousandth of it. Where they differ by more than
the limit, the whole run takes a smaller tolerance. A subject's answer then depends on its own row, its doses and
that tolerance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stroma.engine.delivered import LIMIT, DeliveredError, delivered_error
from stroma.engine.ensemble import Backend, Doses, EnsembleProblem, Status, Tolerance, Trajectories
from stroma.streams import uniforms

TIGHTER, TIGHTEST = 1e-4, 1e-12
"""Factor on both tolerances of the solve that the delivered values are compared with; smallest relative one."""
MARGIN, LEAST_FACTOR, MOST_TIGHTENINGS = 0.3, 1e-3, 4
"""A tolerance that misses the limit is lowered in proportion, to this share of the limit, by a thousandth at most,
so many times."""
FEWEST_CHECKED = 16
MOST_RESCUED = 100
"""Subjects a run hands to the slow engine; where more fail, the model or its parameters are at fault."""
RESCUED_FOR = (Status.STEP_UNDERFLOW, Status.NOT_FINITE)


def select(problem: EnsembleProblem, subjects: NDArray[np.int64]) -> EnsembleProblem:
    """Return the same problem for some subjects only, in the given order."""
    doses = problem.doses
    counts = np.diff(doses.offset)[subjects]
    offset = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    rows = np.repeat(doses.offset[subjects] - offset[:-1], counts) + np.arange(offset[-1])
    return replace(problem, parameters=problem.parameters[subjects],
                   doses=Doses(offset, doses.t_day[rows], doses.state[rows], doses.amount[rows]))


@dataclass(frozen=True)
class SafeguardedBackend:
    """Solves with one engine, checks a sample of it, and retries failures with another.

    Parameters
    ----------
    fast, slow : Backend
    share : float
        Share of the subjects that are solved a second time; never fewer than ``FEWEST_CHECKED``.
    seed : int
        Decides which subjects are checked.
    limit : float
        What the delivered error of the sample is kept below.
    """

    fast: Backend
    slow: Backend
    share: float = 0.01
    seed: int = 0
    limit: float = LIMIT

    @property
    def name(self) -> str:
        """Return the name of the fast engine."""
        return self.fast.name

    def solve_ensemble(self, problem: EnsembleProblem, tolerance: Tolerance) -> Trajectories:
        """Solve every subject; ``checked`` and the notes give the estimated error and who was handed over."""
        sample = self._sample(problem.n_subject)
        checkable = sample.size > 0 and problem.t_visit.size > 0 and len(problem.outputs) > 0
        if not checkable:
            return self.fast.solve_ensemble(problem, tolerance)
        exact, tolerance = self._settle(select(problem, sample), tolerance)
        first = self.fast.solve_ensemble(problem, tolerance)
        values, status = first.values.copy(), first.status.copy()
        rescued = self._rescue(problem, tolerance, values, status)
        sound = (exact.status == Status.OK) & (status[sample] == Status.OK)
        error = delivered_error(values[sample[sound]], exact.values[sound], _size(values)) if sound.any() else math.nan
        found = DeliveredError(error, int(sound.sum()), problem.n_subject, tolerance.relative,
                               int(np.isin(first.status, RESCUED_FOR).sum()), rescued, self.limit)
        notes = [*first.notes]
        if found.n_failed:
            notes.append(f"{found.n_failed:,} of {problem.n_subject:,} subjects failed in `{self.fast.name}`; "
                         f"`{self.slow.name}` tried {min(found.n_failed, MOST_RESCUED):,} of them and solved "
                         f"{rescued:,}")
        return replace(first, values=values, status=status, notes=(*notes, found.says()), checked=found)

    def _sample(self, n_subject: int) -> NDArray[np.int64]:
        number = np.arange(n_subject, dtype=np.int64)
        draw = uniforms(self.seed, "delivered error", number, 1)[:, 0]
        return np.sort(np.argsort(draw)[:max(FEWEST_CHECKED, round(self.share * n_subject))])

    def _settle(self, sample: EnsembleProblem, asked: Tolerance) -> tuple[Trajectories, Tolerance]:
        """Return the answers of a sample and a tolerance that keeps the limit on it."""
        factor = max(TIGHTER, TIGHTEST / asked.relative)
        exact = self.fast.solve_ensemble(sample, _scaled(asked, factor))
        tolerance = asked
        for _ in range(MOST_TIGHTENINGS):
            got = self.fast.solve_ensemble(sample, tolerance)
            sound = (exact.status == Status.OK) & (got.status == Status.OK)
            error = delivered_error(got.values[sound], exact.values[sound], _size(exact.values))
            if error < self.limit or tolerance.relative <= TIGHTEST:
                break
            lowest = max(LEAST_FACTOR, TIGHTEST / tolerance.relative)
            tolerance = _scaled(tolerance, max(MARGIN * self.limit / error, lowest))
        return exact, tolerance

    def _rescue(self, problem: EnsembleProblem, tolerance: Tolerance, values: NDArray[np.float64],
                status: NDArray[np.int8]) -> int:
        """Let the slow engine solve what failed, in place; return how many it could."""
        tried = np.flatnonzero(np.isin(status, RESCUED_FOR))[:MOST_RESCUED]
        if not tried.size:
            return 0
        again = self.slow.solve_ensemble(select(problem, tried), tolerance)
        values[tried], status[tried] = again.values, again.status
        return int((again.status == Status.OK).sum())


def _scaled(tolerance: Tolerance, factor: float) -> Tolerance:
    return Tolerance(factor * tolerance.relative, factor * tolerance.absolute,
                     tolerance.max_steps if factor == 1.0 else 10 * tolerance.max_steps)


def _size(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the largest size of each output among the subjects that have values."""
    return np.max(np.abs(np.nan_to_num(values, nan=0.0)), axis=(0, 1))

