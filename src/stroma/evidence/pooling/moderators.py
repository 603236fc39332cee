"""Why do studies differ? Meta-regression and subgroups.

With few studies a moderator is a hypothesis, not a finding; results say so.

Sources
-------
Knapp, Hartung, Stat Med 2003;22:2693, doi 10.1002/sim.1482 (tests). Raudenbush, in: The Handbook of Research
Synthesis and Meta-Analysis, 2nd ed. 2009, ch. 16 (R2). Borenstein, Higgins, Prev Sci 2013;14:134,
doi 10.1007/s11121-013-0377-7 (subgroups).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from stroma.errors import Problems, StromaError, fail
from stroma.evidence.pooling import inputs
from stroma.evidence.pooling.heterogeneity import TAU2_METHODS, q_profile
from stroma.evidence.pooling.inference import INTERVALS, infer, two_sided_p
from stroma.evidence.pooling.kinds import families, kind_note, one_kind
from stroma.evidence.pooling.pooled import PooledEffect, i_squared, pool
from stroma.evidence.pooling.weighted import weighted_fit

Array = NDArray[np.float64]

STUDIES_PER_MODERATOR = 10
"""Fewer studies for each moderator than this get a note (Cochrane Handbook 6.4, section 10.11.5.1)."""


@dataclass(frozen=True)
class MetaRegression:
    """Result of :func:`regress`.

    Attributes
    ----------
    names : tuple of str, length p
        ``intercept``, then moderators; ``route=iv`` is the contrast of a category with the reference.
    coefficient, se, low, high, p_value : tuple of float, length p
    df : float
        Degrees of freedom of each test; infinite for ``z``.
    moderator_statistic, moderator_df, moderator_p : float, int, float
        All moderators together: chi2 for ``z``, F with (moderator_df, df) otherwise.
    tau2, tau2_ci, i2 : float, tuple of two float, float
        What the moderators leave unexplained.
    r2 : float
        Percent of tau2 that the moderators explain, floored at 0; NaN if there was none.
    q, q_df, q_p : float, int, float
        Residual heterogeneity.
    k, level, tau2_method, interval, kind, notes
        As in ``PooledEffect``.
    """

    names: tuple[str, ...]
    coefficient: tuple[float, ...]
    se: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    p_value: tuple[float, ...]
    df: float
    moderator_statistic: float
    moderator_df: int
    moderator_p: float
    tau2: float
    tau2_ci: tuple[float, float]
    i2: float
    r2: float
    q: float
    q_df: int
    q_p: float
    k: int
    level: float
    tau2_method: str
    interval: str
    kind: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Subgroups:
    """Result of :func:`subgroups`.

    Attributes
    ----------
    groups : mapping of str to PooledEffect
        In alphabetical order; each has its own tau2.
    q, q_df, q_p : float, int, float
        Test of a difference between the groups' means; NaN where families of evidence differ.
    notes : tuple of str
    """

    groups: Mapping[str, PooledEffect]
    q: float
    q_df: int
    q_p: float
    notes: tuple[str, ...]


def regress(effect: ArrayLike, variance: ArrayLike, moderators: Mapping[str, ArrayLike],
            tau2_method: str = "reml", interval: str = "hksj", *, kind: Sequence[str] | None = None,
            level: float = 0.95) -> MetaRegression:
    """Explain effects by study-level moderators in a mixed-effects model.

    Parameters
    ----------
    effect, variance, tau2_method, interval, kind, level
        As in ``pool``.
    moderators : mapping of str to array_like, shape (k,)
        Numbers enter as they are; text becomes one contrast a category with the alphabetically first.

    Raises
    ------
    StromaError
        As ``pool``; E529 a moderator is missing in a row, E530 moderators that cannot be told apart, E531
        fewer studies than coefficients plus one.
    """
    y, v = inputs.effects(effect, variance)
    inputs.known(tau2_method, TAU2_METHODS, "heterogeneity estimator")
    inputs.known(interval, INTERVALS, "interval")
    inputs.fraction(level)
    label = one_kind(kind, y.size)
    names, design = _design(moderators, y.size)
    k, p = design.shape
    basis, triangle = np.linalg.qr(design)
    result = infer(y[None], v[None], basis, tau2_method, interval)
    back = np.linalg.inv(triangle)
    coefficient = back @ result.fit.coefficient[0]
    covariance = back @ result.covariance[0] @ back.T
    se = np.sqrt(np.diag(covariance))
    half = result.quantile(level) * se
    at_zero = weighted_fit(y[None], v[None], np.zeros(1), basis)
    q, tau2 = float(at_zero.q[0]), float(result.tau2[0])
    low, high = (float(x[0]) for x in q_profile(y[None], v[None], basis, level))
    total = float(TAU2_METHODS[tau2_method](y[None], v[None], np.ones((k, 1)))[0])
    statistic, statistic_p = _together(coefficient[1:], covariance[1:, 1:], result.df)
    notes = [] if k >= STUDIES_PER_MODERATOR * (p - 1) else [
        f"{k} studies, moderator coefficients: {p - 1}; under {STUDIES_PER_MODERATOR} each, a hypothesis at best"]
    return MetaRegression(
        names=names, coefficient=_row(coefficient), se=_row(se), low=_row(coefficient - half),
        high=_row(coefficient + half),
        p_value=tuple(two_sided_p(float(t), result.df) for t in coefficient / se), df=result.df,
        moderator_statistic=statistic, moderator_df=p - 1, moderator_p=statistic_p, tau2=tau2,
        tau2_ci=(low, high), i2=i_squared(tau2, q, k - p, float(at_zero.trace[0]), tau2_method),
        r2=100.0 * max(0.0, (total - tau2) / total) if total > 0 else math.nan,
        q=q, q_df=k - p, q_p=float(stats.chi2.sf(q, k - p)), k=k, level=level, tau2_method=tau2_method,
        interval=interval, kind=label, notes=(*notes, *kind_note(label)))


def subgroups(effect: ArrayLike, variance: ArrayLike, group: Sequence[str], tau2_method: str = "reml",
              interval: str = "hksj", *, kind: Sequence[str] | None = None, level: float = 0.95) -> Subgroups:
    """Pool each group by itself and test the difference between groups.

    Parameters
    ----------
    group : sequence of str, length k
        The group of each study.
    effect, variance, tau2_method, interval, kind, level
        As in ``pool``. Families of evidence may differ between groups, never within one.

    Raises
    ------
    StromaError
        As ``pool``; E529 a study without a group.
    """
    y, v = inputs.effects(effect, variance)
    label = np.asarray(_categories("group", np.asarray(group), y.size))
    groups: dict[str, PooledEffect] = {}
    for name in sorted(set(label.tolist())):
        rows = np.flatnonzero(label == name)
        part = None if kind is None else [kind[int(i)] for i in rows]
        groups[name] = pool(y[rows], v[rows], tau2_method, interval, kind=part, level=level)
    if kind is not None and len(set(families(kind))) > 1:
        note = "the groups hold different families of evidence: their difference is no effect of the group"
        return Subgroups(groups, math.nan, 0, math.nan, (note,))
    df = len(groups) - 1
    if df == 0:
        return Subgroups(groups, math.nan, 0, math.nan, ("one group: nothing to compare",))
    between = pool([g.estimate for g in groups.values()], [g.se**2 for g in groups.values()], "common", "z")
    small = [name for name, g in groups.items() if g.k < 5]
    notes = (f"fewer than 5 studies in {', '.join(small)}: little to test a difference on",)
    return Subgroups(groups, between.q, df, between.q_p, notes if small else ())


def _design(moderators: Mapping[str, ArrayLike], k: int) -> tuple[tuple[str, ...], Array]:
    names, columns = ["intercept"], [np.ones(k)]
    problems = Problems()
    for name, given in moderators.items():
        values = np.asarray(given)
        try:
            for title, column in _coded(name, values, k):
                names.append(title)
                columns.append(column)
        except StromaError as problem:
            problems.extend(problem)
    problems.raise_if_any()
    design = np.stack(columns, axis=1)
    if k <= design.shape[1]:
        raise fail("E531", f"{k} studies cannot carry {design.shape[1]} coefficients: {', '.join(names)}")
    scaled = design / np.linalg.norm(design, axis=0).clip(min=np.finfo(float).tiny)
    if np.linalg.matrix_rank(scaled, tol=1e-10) < design.shape[1]:
        raise fail("E530", f"these cannot be told apart in these studies: {', '.join(names)}",
                   hint="one is constant or follows from the others: leave it out")
    return tuple(names), design


def _coded(name: str, values: NDArray[np.generic], k: int) -> list[tuple[str, Array]]:
    if values.dtype.kind in "biuf":
        column = _numbers(name, values.astype(float), k)
        return [(name, column)]
    label = _categories(name, values, k)
    return [(f"{name}={level}", np.asarray([x == level for x in label], dtype=float))
            for level in sorted(set(label))[1:]]


def _numbers(name: str, values: Array, k: int) -> Array:
    _length(name, values.shape, k)
    _present(name, [i for i in range(k) if not math.isfinite(values[i])])
    return values


def _categories(name: str, values: NDArray[np.generic], k: int) -> list[str]:
    _length(name, values.shape, k)
    label = ["" if x is None else str(x) for x in values.tolist()]
    _present(name, [i for i, x in enumerate(label) if not x.strip()])
    return label


def _length(name: str, shape: tuple[int, ...], k: int) -> None:
    if shape != (k,):
        raise fail("E521", f"`{name}` has shape {shape} for {k} effects")


def _present(name: str, missing: list[int]) -> None:
    problems = Problems()
    for i in missing:
        problems.add("E529", f"row {i}: `{name}` is missing", hint="leave the study out or categorise it")
    problems.raise_if_any()


def _together(coefficient: Array, covariance: Array, df: float) -> tuple[float, float]:
    m = coefficient.size
    if m == 0:
        return math.nan, math.nan
    wald = float(coefficient @ np.linalg.solve(covariance, coefficient))
    if math.isinf(df):
        return wald, float(stats.chi2.sf(wald, m))
    return wald / m, float(stats.f.sf(wald / m, m, df))


def _row(values: Array) -> tuple[float, ...]:
    return tuple(values.tolist())
