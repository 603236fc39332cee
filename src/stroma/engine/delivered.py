"""Delivered error: how far answers are from what a much tighter solve gives, and what a run says about it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

POPULATION_SHARE = 1e-3
"""An error counts relative to the value plus this share of the output's largest size in the population."""
LIMIT = 1e-4
"""What the delivered error of a run is kept below."""


def delivered_error(values: NDArray[np.float64], exact: NDArray[np.float64],
                    size: NDArray[np.float64]) -> float:
    """Return the largest error of any subject, visit and output.

    Parameters
    ----------
    values, exact : ndarray, shape (n_subject, n_visit, n_output)
    size : ndarray, shape (n_output,)
        Largest size of each output in the population.
    """
    scale = np.abs(exact) + POPULATION_SHARE * size
    with np.errstate(invalid="ignore"):
        share = np.abs(values - exact) / scale
    # An output that is zero in everybody is exact.
    return float(np.max(np.where(values == exact, 0.0, share), initial=0.0))


@dataclass(frozen=True)
class DeliveredError:
    """What a run found out about its own accuracy.

    Parameters
    ----------
    error : float
        Largest delivered error among the subjects checked; NaN where none could be.
    n_checked, n_subject : int
        Subjects solved a second time, of all.
    relative : float
        Relative tolerance in force; smaller than what was asked for where that did not keep the limit.
    n_failed, n_rescued : int
        Subjects that the fast engine could not solve, and how many of them the pivoting one could.
    limit : float
    """

    error: float
    n_checked: int
    n_subject: int
    relative: float
    n_failed: int = 0
    n_rescued: int = 0
    limit: float = LIMIT

    @property
    def kept(self) -> bool:
        """Return whether the error is below the limit."""
        return self.error < self.limit

    def says(self) -> str:
        """Return the finding as one sentence."""
        if not self.n_checked:
            return f"delivered error not known: none of {self.n_subject:,} subjects could be checked"
        text = (f"delivered error at most {self.error:.1e} on {self.n_checked:,} of {self.n_subject:,} subjects, "
                f"{'below' if self.kept else 'NOT below'} {self.limit:g} (relative tolerance {self.relative:.0e})")
        if self.n_failed:
            text += f"; {self.n_failed:,} failed, of whom the pivoting engine solved {self.n_rescued:,}"
        return text


def worst(found: Iterable[DeliveredError | None]) -> DeliveredError | None:
    """Return one finding for several solves: the largest error, the tightest tolerance, subjects added up.

    None where a solve was not checked counts for nothing; None when none was.
    """
    known = [f for f in found if f is not None]
    if not known:
        return None
    return DeliveredError(
        error=max((f.error for f in known if f.n_checked), default=math.nan),
        n_checked=sum(f.n_checked for f in known), n_subject=sum(f.n_subject for f in known),
        relative=min(f.relative for f in known), n_failed=sum(f.n_failed for f in known),
        n_rescued=sum(f.n_rescued for f in known), limit=min(f.limit for f in known))
