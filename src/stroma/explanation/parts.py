"""What an explanation says: the published change of each outcome, part by part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stroma.calibration.posterior import Posterior
from stroma.calibration.targets import Target
from stroma.disease import Disease

# Kinds of parts.
ENTRY, REGRESSION, NATURAL, DRUGS = "at_entry", "regression_to_the_mean", "natural", "background_drugs"
SIGNAL, ROUTE, CELLS = "signal", "route", "cells"
OPEN_LABEL, CHANCE = "open_label", "chance"
POINTS = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Settings:
    """Sizes of an explanation: parameter draws, patients simulated for each, seed."""

    draws: int = 200
    subjects: int = 50
    seed: int = 1


@dataclass(frozen=True)
class Part:
    """One part of a change, in the unit of its outcome.

    Parameters
    ----------
    kind, part_id, label : str
        The kind is one of the words of this module.
    mean : float
        Over the posterior; the means of all parts sum to the published change.
    pi50, pi90 : (float, float)
        Over the posterior's draws. They hold the Monte-Carlo noise of the patients of one draw too.
    error : float
        Monte-Carlo standard error of the mean.
    """

    kind: str
    part_id: str
    label: str
    mean: float
    pi50: tuple[float, float]
    pi90: tuple[float, float]
    error: float

    @property
    def absent(self) -> bool:
        """Return whether the part is exactly nothing in every draw."""
        return self.mean == 0.0 and self.error == 0.0


@dataclass(frozen=True)
class ExplainedOutcome:
    """The published change of one outcome of one arm and what it is made of.

    Parameters
    ----------
    target : Target
    statistic : {"percent", "mean_change", "percent_change"}
        Share of patients; change of the mean; change of the mean as a percentage of its entry value.
    unit : str
    published, predicted : float
        Predicted is the mean of the model without chance.
    parts : tuple of Part
        Steps in their order, chance last.
    cells : Part
        All parts of the cells together; exactly nothing in an arm without cells.
    routes : tuple of Part
        The cells together once more, by where their effect arrives.
    chance50, chance90 : (float, float)
        Where chance alone would put the difference between published and predicted: sampling of that many
        patients and what differs between studies.
    fitted : bool
        Whether the posterior was fitted to this number.
    """

    target: Target
    statistic: str
    unit: str
    published: float
    predicted: float
    parts: tuple[Part, ...]
    cells: Part
    routes: tuple[Part, ...]
    chance50: tuple[float, float]
    chance90: tuple[float, float]
    fitted: bool

    @property
    def chance_is_plausible(self) -> bool:
        """Return whether chance lies in its own 90 % range."""
        return self.chance90[0] <= self.parts[-1].mean <= self.chance90[1]


@dataclass(frozen=True)
class Explanation:
    """A study explained.

    Parameters
    ----------
    outcomes : tuple of ExplainedOutcome
    left_out : tuple of (str, str)
        Rows of the study without an explanation, and why.
    effective : float
        Effective number of distinct background draws.
    order : str
        How the parts were told apart.
    """

    study_id: str
    citation: str
    disease: Disease
    outcomes: tuple[ExplainedOutcome, ...]
    left_out: tuple[tuple[str, str], ...]
    posterior: Posterior
    settings: Settings
    effective: float
    order: str


def weighted_points(values: NDArray[np.float64], weight: NDArray[np.float64],
                    points: Sequence[float] = POINTS) -> list[float]:
    """Return weighted quantiles of a sample."""
    order = np.argsort(values, kind="stable")
    edges = np.cumsum(weight[order])
    at = np.searchsorted(edges / edges[-1], points).clip(0, values.size - 1)
    return [float(x) for x in values[order][at]]


def make_part(kind: str, part_id: str, label: str, values: NDArray[np.float64],
              weight: NDArray[np.float64]) -> Part:
    """Summarise one part over the draws; ``weight`` sums to one."""
    mean = float(weight @ values)
    q = weighted_points(values, weight)
    error = float(np.sqrt((weight**2) @ (values - mean) ** 2))
    return Part(kind, part_id, label, mean, (q[1], q[3]), (q[0], q[4]), error)
