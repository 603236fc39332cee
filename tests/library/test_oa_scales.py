"""Scales and response rule of knee osteoarthritis against worked examples of others."""

from __future__ import annotations

import numpy as np
import pytest

from stroma.disease import load_disease
from stroma.expression import parse
from stroma.library import library_root
from stroma.trial.rules import load_rules

TWO = np.array([0.0, 182.0])
ENTRY = {"womac_pain": 10.0, "womac_function": 34.0, "ptg": 50.0}


def scale(name: str, **values: float) -> float:
    """Evaluate one scale of the disease on one visit, scales above it included."""
    known = {key: np.array([[value]]) for key, value in values.items()}
    for row in load_disease("oa").scales:
        found = parse(row.text("formula"), row.file, row.line).evaluate(known, np.array([0.0]))
        if row.text("outcome_id") == name:
            return float(found[0, 0])
        known[row.text("outcome_id")] = found
    raise AssertionError(name)


def likert(pain: float, stiffness: float, function: float) -> dict[str, float]:
    """Return subscales on 0 to 100 as points of the Likert scale."""
    return {"womac_pain": 0.2 * pain, "womac_stiffness": 0.08 * stiffness, "womac_function": 0.68 * function}


@pytest.mark.parametrize(("pain", "stiffness", "function", "total"), [
    (47.5, 46.4, 48.7, 48.2), (48.8, 48.5, 49.3, 49.1)])
def test_womac_total_of_published_subscales(pain: float, stiffness: float, function: float, total: float) -> None:
    """Means of sums are sums of means: table 1 of Berenbaum 2012 (doi 10.1136/annrheumdis-2011-200972)."""
    assert scale("womac_normalised", **likert(pain, stiffness, function)) == pytest.approx(total, abs=0.1)


@pytest.mark.parametrize(("pain", "stiffness", "function", "total"), [
    (-3.2, -0.99, -8.05, -12.18), (-3.87, -1.21, -11.03, -16.02), (-4.23, -1.34, -12.09, -17.57),
    (-2.77, -0.88, -7.89, -11.54), (-3.39, -1.18, -10.74, -15.31), (-3.96, -1.25, -12.57, -17.77)])
def test_changes_of_womac_add_up_as_published(pain: float, stiffness: float, function: float, total: float) -> None:
    """Mean changes of both arms at three visits (Ha 2017, doi 10.1186/s12891-017-1591-4), Likert points."""
    found = scale("womac_total", womac_pain=pain, womac_stiffness=stiffness, womac_function=function)
    assert found == pytest.approx(total, abs=0.1)


@pytest.mark.parametrize(("function", "adl"), [(0, 100), (68, 0), (17, 75), (51, 25)])
def test_koos_by_its_users_guide(function: float, adl: float) -> None:
    """100 less the mean item times 25: all seventeen items "mild" (1) give 75, all "severe" (3) give 25."""
    assert scale("koos_adl", **{**ENTRY, "womac_stiffness": 4, "womac_function": function}) == pytest.approx(adl)
    assert scale("koos_pain", **{**ENTRY, "womac_stiffness": 4, "womac_pain": 5}) == pytest.approx(75)


def responds(**later: float) -> bool:
    """Return whether a patient at pain 50, function 50 and global 50 of 100 responds by OMERACT-OARSI."""
    values = {name: np.array([[start, later.get(name, start)]]) for name, start in ENTRY.items()}
    rule = load_rules(library_root() / "evidence" / "response_rules.csv")["oa_omeract_oarsi"]
    return bool(rule.evaluate(values, TWO)[0, 1])


@pytest.mark.parametrize(("later", "response"), [
    ({"womac_pain": 5.0}, True),                              # pain better by 50 % and 25 of 100
    ({"womac_pain": 5.1}, False),                             # 49 %, and alone
    ({"womac_function": 17.0}, True),                         # function better by 50 % and 25 of 100
    ({"ptg": 0.0}, False),                                    # the global alone never responds
    ({"womac_pain": 8.0, "ptg": 40.0}, True),                 # two by 20 % and 10 of 100
    ({"womac_pain": 8.0, "ptg": 40.5}, False),                # one of the two by 19 %
    ({"womac_pain": 8.0, "womac_function": 27.2}, True),
    ({"womac_function": 27.2, "ptg": 40.0}, True),
    ({"womac_pain": 15.0, "womac_function": 17.0}, True)])    # worse pain does not undo a high response
def test_omeract_oarsi_by_its_definition(later: dict[str, float], response: bool) -> None:
    """Pham 2004, doi 10.1016/j.joca.2004.02.001: scenario of the two-stage set of criteria."""
    assert responds(**later) is response


def test_small_absolute_changes_do_not_respond() -> None:
    """Half of a low pain is less than 20 of 100."""
    rule = load_rules(library_root() / "evidence" / "response_rules.csv")["oa_omeract_oarsi"]
    low = {"womac_pain": (3.0, 1.0), "womac_function": (8.0, 3.0), "ptg": (15.0, 8.0)}
    assert not rule.evaluate({name: np.array([pair]) for name, pair in low.items()}, TWO)[0, 1]
