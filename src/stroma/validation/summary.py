"""Scores averaged per study, then per disease, with bootstrap intervals over studies, and what they betray."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stroma.streams import generator
from stroma.validation.outcomes import BASELINES, Scored

RESAMPLES = 2000
LEVEL = 0.90
BINS = 10
# A bootstrap over fewer studies says nothing.
MIN_STUDIES = 5


@dataclass(frozen=True)
class Estimate:
    """A number and its 90 % bootstrap interval over studies."""

    value: float
    ci: tuple[float, float]


@dataclass(frozen=True)
class BaselineSummary:
    """One baseline on the outcomes for which it is defined.

    Parameters
    ----------
    interval_score : float
        Of the baseline.
    ratio, ratio_ci : float, (float, float)
        Interval score of the model over that of the baseline on the same outcomes; below one the model is better.
    crps_ratio : float
        The same of the CRPS.
    informed_ratio, informed_ratio_ci : float, (float, float)
        ``ratio`` without the outcomes for which the vague default stood in; NaN where none is left.
    n_outcomes, n_vague : int
        Outcomes compared; for how many too few earlier studies existed, so that the default stood in.
    """

    interval_score: float
    ratio: float
    ratio_ci: tuple[float, float]
    crps_ratio: float
    informed_ratio: float
    informed_ratio_ci: tuple[float, float]
    n_outcomes: int
    n_vague: int


@dataclass(frozen=True)
class Order:
    """Comparisons of two arms of one trial, and how many the forecast got right."""

    right: int
    of: int


@dataclass(frozen=True)
class Summary:
    """How a set of forecasts did.

    Parameters
    ----------
    interval_score, crps : Estimate
        In reference SDs; smaller is better.
    bias : Estimate
        Mean of PIT - 1/2 towards benefit: below zero results were worse than forecast.
    pit : tuple of int
        Counts in ten bins.
    sign : Order
        Arms with cells against the control of their trial.
    ranking : Order
        All pairs of arms of one trial and outcome with different treatments.
    flags : tuple of str
        What the intervals exclude: over-confidence, under-confidence, bias; none below five studies.
    """

    n_outcomes: int
    n_studies: int
    coverage_pi50: Estimate
    coverage_pi90: Estimate
    interval_score: Estimate
    crps: Estimate
    bias: Estimate
    pit: tuple[int, ...]
    sign: Order
    ranking: Order
    baselines: dict[str, BaselineSummary]
    flags: tuple[str, ...]

    @property
    def best_baseline(self) -> str:
        """Return the baseline that is hardest to beat, of those defined for every outcome."""
        whole = [name for name, b in self.baselines.items() if b.n_outcomes == self.n_outcomes]
        return max(whole, key=lambda name: self.baselines[name].ratio, default="")


class _Studies:
    """Outcomes grouped by study and disease, resampled over studies within each disease."""

    def __init__(self, rows: Sequence[Scored], seed: int) -> None:
        self.keys = list(dict.fromkeys((r.disease, r.target.trial) for r in rows))
        self.place = np.array([self.keys.index((r.disease, r.target.trial)) for r in rows])
        diseases = list(dict.fromkeys(k[0] for k in self.keys))
        self.members = [np.flatnonzero([k[0] == d for k in self.keys]) for d in diseases]
        rng = generator(seed, "bootstrap over studies")
        self.resampled = [m[rng.integers(m.size, size=(RESAMPLES, m.size))] for m in self.members]

    def mean(self, values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Return the mean over studies, then diseases, and its bootstrap sample; NaN outcomes do not count."""
        known = np.isfinite(values)
        count = np.bincount(self.place[known], minlength=len(self.keys))
        total = np.bincount(self.place[known], weights=values[known], minlength=len(self.keys))
        study = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        with np.errstate(invalid="ignore"):
            whole = _nanmean(np.array([_nanmean(study[m], 0) for m in self.members]), 0)
            sample = _nanmean(np.array([_nanmean(study[r], 1) for r in self.resampled]), 0)
        return float(whole), sample

    def estimate(self, values: NDArray[np.float64]) -> Estimate:
        """Return the mean with its bootstrap interval."""
        value, sample = self.mean(values)
        return Estimate(value, _interval(sample))


def _nanmean(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    known = np.isfinite(values)
    return np.where(known, values, 0.0).sum(axis=axis) / np.where(known.any(axis=axis), known.sum(axis=axis), np.nan)


def _interval(sample: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.nanquantile(sample, [0.5 - LEVEL / 2, 0.5 + LEVEL / 2])
    return float(low), float(high)


def summarise(rows: Sequence[Scored], better: dict[str, float] | None = None, seed: int = 1) -> Summary:
    """Summarise scored forecasts.

    Parameters
    ----------
    rows : sequence of Scored
        At least one.
    better : dict of str to float, optional
        Sign of benefit of each outcome, +1 or -1; outcomes that are not named count as +1.
    seed : int
        Of the bootstrap.
    """
    studies = _Studies(rows, seed)

    def column(of: Callable[[Scored], float]) -> NDArray[np.float64]:
        return np.array([of(r) for r in rows], float)

    scores, distances, place = column(lambda r: r.score), column(lambda r: r.crps), column(lambda r: r.pit)
    cover50 = studies.estimate(column(lambda r: r.inside_50))
    cover90 = studies.estimate(column(lambda r: r.inside_90))
    towards = column(lambda r: (better or {}).get(r.target.outcome, 1.0))
    bias = studies.estimate(towards * (place - 0.5))
    compared = {name: _baseline(rows, studies, name, scores, distances) for name in BASELINES}
    return Summary(
        len(rows), len(studies.keys), cover50, cover90, studies.estimate(scores), studies.estimate(distances), bias,
        tuple(int(n) for n in np.histogram(place, bins=BINS, range=(0.0, 1.0))[0]), _pairs(rows, with_control=True),
        _pairs(rows, with_control=False), {n: b for n, b in compared.items() if b is not None},
        _flags(cover50, cover90, bias, len(studies.keys)))


def _baseline(rows: Sequence[Scored], studies: _Studies, name: str, scores: NDArray[np.float64],
              distances: NDArray[np.float64]) -> BaselineSummary | None:
    own = [r.baselines.get(name) for r in rows]
    known = np.array([b is not None for b in own])
    if not known.any():
        return None
    informed = np.array([b is not None and not b.vague for b in own])
    theirs = np.array([b.score if b else np.nan for b in own])
    their_crps = studies.mean(np.array([b.crps if b else np.nan for b in own]))[0]
    our_crps = studies.mean(np.where(known, distances, np.nan))[0]
    return BaselineSummary(
        studies.mean(theirs)[0], *_ratio(studies, scores, theirs, known), _quotient(our_crps, their_crps),
        *(_ratio(studies, scores, theirs, informed) if informed.any() else (np.nan, (np.nan, np.nan))),
        int(known.sum()), int((known & ~informed).sum()))


def _ratio(studies: _Studies, ours: NDArray[np.float64], theirs: NDArray[np.float64],
           counted: NDArray[np.bool_]) -> tuple[float, tuple[float, float]]:
    """Return the ratio of mean scores over the outcomes counted, with its bootstrap interval."""
    above, above_sample = studies.mean(np.where(counted, ours, np.nan))
    below, below_sample = studies.mean(np.where(counted, theirs, np.nan))
    with np.errstate(divide="ignore", invalid="ignore"):
        return _quotient(above, below), _interval(above_sample / below_sample)


def _quotient(above: float, below: float) -> float:
    """Return a ratio of scores; infinite against a baseline without any error, which nothing can beat."""
    return above / below if below > 0 else np.inf


def _flags(cover50: Estimate, cover90: Estimate, bias: Estimate, studies: int) -> tuple[str, ...]:
    flags: list[str] = []
    if studies < MIN_STUDIES:
        return ()
    for level, cover in ((50, cover50), (90, cover90)):
        if cover.ci[1] < level / 100:
            flags.append(f"over-confident: the {level} % intervals hold too few results")
        elif cover.ci[0] > level / 100:
            flags.append(f"under-confident: the {level} % intervals hold too many results")
    if bias.ci[1] < 0:
        flags.append("biased: results are worse than forecast")
    elif bias.ci[0] > 0:
        flags.append("biased: results are better than forecast")
    return tuple(flags)


def _pairs(rows: Sequence[Scored], with_control: bool) -> Order:
    """Count pairs of arms of one trial, outcome and visit whose published order the forecast got right."""
    right = of = 0
    for i, a in enumerate(rows):
        for b in rows[i + 1:]:
            if _visit(a) != _visit(b) or a.target.regimen == b.target.regimen or (with_control and a.cells == b.cells):
                continue
            published, forecast = a.observed - b.observed, a.expected - b.expected
            if published != 0:
                of += 1
                right += bool(published * forecast > 0)
    return Order(right, of)


def _visit(row: Scored) -> tuple[str, str, str, str, float, str]:
    t = row.target
    return row.disease, t.trial, t.outcome, t.kind, t.day, t.population


def by_group(rows: Sequence[Scored], of: Callable[[Scored], str], better: dict[str, float] | None = None,
             seed: int = 1) -> dict[str, Summary]:
    """Summarise each group of rows, in the order of its names."""
    return {name: summarise([r for r in rows if of(r) == name], better, seed) for name in sorted({of(r) for r in rows})}
