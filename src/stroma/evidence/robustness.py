"""How firm is a pooled answer? Subgroup tests, meta-regression, sensitivity and small-study effects by family."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from stroma.errors import StromaError, fail, nearest
from stroma.evidence.comparisons import MODERATORS, Comparison
from stroma.evidence.meta_analysis import Analysis, shown
from stroma.evidence.pooling import (
    FAMILY,
    cumulative,
    egger,
    influence,
    leave_one_out,
    regress,
    subgroups,
    trim_and_fill,
)

NUMERIC = ("dose", "year")
"""Moderators that enter a meta-regression as numbers: log10 of the mean cells per kg, calendar year."""


def subgroup_tests(answer: Analysis) -> list[dict[str, Any]]:
    """Return, for each family of evidence, the test of a difference between the groups of the answer."""
    tests = []
    for family, rows in _families(answer):
        groups = [answer.groups[i] for i in rows]
        if len(set(groups)) < 2:
            continue
        effect, variance, kind = _numbers(answer, rows)
        found = subgroups(effect, variance, groups, answer.tau2_method, answer.interval, kind=kind)
        tests.append({
            "family": family, "groups": len(found.groups), "q": found.q, "df": found.q_df, "p": found.q_p,
            "notes": list(found.notes)})
    return tests


def meta_regression(answer: Analysis, moderators: Sequence[str]) -> list[dict[str, Any]]:
    """Explain the effects of each family of evidence by moderators, all in one model.

    Parameters
    ----------
    answer : Analysis
    moderators : sequence of str
        Keys of :data:`stroma.evidence.comparisons.MODERATORS`. Those in :data:`NUMERIC` enter as numbers; a
        study that does not state one is left out and named.

    Returns
    -------
    list of dict
        One a family: coefficients on the scale of pooling, or, where the model cannot be fitted, why.

    Raises
    ------
    StromaError
        E152 unknown moderator.
    """
    for name in moderators:
        if name not in MODERATORS:
            raise fail("E152", f"studies cannot be grouped by `{name}`", hint=nearest(name, MODERATORS), exit_code=2)
    return [_regression(answer, family, rows, moderators) for family, rows in _families(answer)] if moderators else []


def sensitivity(answer: Analysis) -> list[dict[str, Any]]:
    """Return leave-one-out, cumulative pooling by year, influence, Egger's test, trim and fill by family."""
    return [_probe(answer, family, rows) for family, rows in _families(answer)]


def _families(answer: Analysis) -> list[tuple[str, list[int]]]:
    families = [FAMILY[row.kind] for row in answer.comparisons.rows]
    return [(name, [i for i, family in enumerate(families) if family == name]) for name in dict.fromkeys(families)]


def _numbers(answer: Analysis, rows: Sequence[int]) -> tuple[ArrayLike, ArrayLike, list[str]]:
    return (
        answer.effects.effect[list(rows)],
        answer.effects.variance[list(rows)],
        [answer.comparisons.rows[i].kind for i in rows],
    )


def _value(row: Comparison, name: str) -> float | str | None:
    if name == "year":
        return None if row.study.published_year is None else float(row.study.published_year)
    if name == "dose":
        doses = [float(np.mean(arm.dose.values)) for arm in row.experimental.arms if arm.dose is not None]
        units = {arm.dose_unit for arm in row.experimental.arms}
        return math.log10(float(np.mean(doses))) if units == {"cells_per_kg"} and doses else None
    return MODERATORS[name](row)


def _regression(answer: Analysis, family: str, rows: Sequence[int], moderators: Sequence[str]) -> dict[str, Any]:
    values = {i: [_value(answer.comparisons.rows[i], name) for name in moderators] for i in rows}
    used = [i for i in rows if None not in values[i]]
    told: dict[str, Any] = {
        "family": family, "studies": len(used), "coefficients": [], "notes": [],
        "left_out": [answer.comparisons.rows[i].study.study_id for i in rows if i not in used]}
    columns = {name: np.array([values[i][j] for i in used]) for j, name in enumerate(moderators)}
    effect, variance, kind = _numbers(answer, used)
    try:
        if not used:
            raise fail("E529", f"no study states {', '.join(moderators)} as a number")
        found = regress(effect, variance, columns, answer.tau2_method, answer.interval, kind=kind)
    except StromaError as error:
        told["notes"] = [f"not fitted: {found.message}" for found in error.diagnostics]
        return told
    told["coefficients"] = [
        {"name": name, "estimate": b, "se": se, "low": low, "high": high, "p": p}
        for name, b, se, low, high, p in zip(
            found.names, found.coefficient, found.se, found.low, found.high, found.p_value, strict=True)]
    told |= {"moderators_p": found.moderator_p, "tau2": found.tau2, "r2": None if math.isnan(found.r2) else found.r2}
    same = [name for name, column in columns.items() if len(set(column)) == 1]
    told["notes"] = [*found.notes, *(f"{name} is {columns[name][0]} in every study used: no contrast" for name in same)]
    return told


def _probe(answer: Analysis, family: str, rows: Sequence[int]) -> dict[str, Any]:
    names = [answer.comparisons.rows[i].study.study_id for i in rows]
    told: dict[str, Any] = {
        "family": family, "without": [], "cumulative": [], "influence": [], "egger": None, "trim_and_fill": None,
        "notes": []}
    if len(rows) < 2:
        told["notes"].append("one study: nothing to leave out")
        return told
    effect, variance, kind = _numbers(answer, rows)
    method = answer.tau2_method
    left = leave_one_out(effect, variance, method, answer.interval, kind=kind)
    told["without"] = [{"study": name, **_line(answer, part)} for name, part in zip(names, left, strict=True)]
    found = influence(effect, variance, method, kind=kind)
    told["influence"] = [
        {"study": name, "weight": float(found.hat[i]), "studentised": float(found.studentised[i]),
         "cook": float(found.cook[i]), "dfbetas": float(found.dfbetas[i])} for i, name in enumerate(names)]
    years = [answer.comparisons.rows[i].study.published_year for i in rows]
    dated = [i for i, year in enumerate(years) if year is not None]
    told["notes"] += [f"cumulative: {names[i]} has no year" for i, year in enumerate(years) if year is None]
    if dated:
        whole, spread = np.asarray(effect)[dated], np.asarray(variance)[dated]
        order, steps = cumulative(
            whole, spread, [float(years[i] or 0) for i in dated], method, answer.interval,
            kind=[kind[i] for i in dated])
        told["cumulative"] = [
            {"year": years[dated[row]], "study_added": names[dated[row]], **_line(answer, step)}
            for row, step in zip(order, steps, strict=True)]
    try:
        told["egger"] = asdict(egger(effect, variance, kind=kind))
        filled = trim_and_fill(effect, variance, method, answer.interval, kind=kind)
        told["trim_and_fill"] = {"missing": filled.missing, "side": filled.side, **_line(answer, filled.pooled)}
    except StromaError as error:
        told["notes"] += [problem.message for problem in error.diagnostics]
    return told


def _line(answer: Analysis, result: Any) -> dict[str, Any]:
    return {
        "studies": result.k, "estimate": result.estimate, "low": result.ci[0], "high": result.ci[1],
        "shown": shown(answer, result), "tau2": None if math.isnan(result.tau2) else result.tau2}
