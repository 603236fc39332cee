"""Scales and response rules of rheumatoid arthritis against worked examples of others."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest

from stroma.disease import load_disease
from stroma.expression import parse
from stroma.library import library_root
from stroma.tables import Row
from stroma.trial.rules import load_rules

DAY = np.array([0.0])
TWO = np.array([0.0, 168.0])


@lru_cache
def rows() -> dict[str, Row]:
    """Return the scales of the disease by name."""
    return {row.text("outcome_id"): row for row in load_disease("ra").scales}


def scale(name: str, **values: float) -> float:
    """Evaluate one scale of the disease on one visit, scales above it included."""
    known = {key: np.array([[value]]) for key, value in values.items()}
    row = rows()[name]
    if name == "sdai":
        known["cdai_ra"] = np.array([[scale("cdai_ra", **values)]])
    return float(parse(row.text("formula"), row.file, row.line).evaluate(known, DAY)[0, 0])


# Tender 4, swollen 5, ESR 44 mm/h or CRP 44 mg/L, global 12 mm: 4.56 and 4.24 by the calculator www.4s-dawn.com/DAS28.
CASE = {"tjc28": 4, "sjc28": 5, "ptg": 12}


def test_das28_of_a_published_calculator() -> None:
    assert scale("das28_esr", **CASE, esr=44) == pytest.approx(4.56, abs=0.005)
    assert scale("das28_crp", **CASE, crp=44) == pytest.approx(4.24, abs=0.005)


def test_das28_crp_has_the_published_floor() -> None:
    """The four-variable score cannot fall below 0.96."""
    assert scale("das28_crp", tjc28=0, sjc28=0, ptg=0, crp=0) == pytest.approx(0.96)


def test_the_two_versions_of_das28_agree_as_published() -> None:
    """DAS28-CRP is near 0.899 DAS28-ESR - 0.194 in trial populations (Leil 2021, doi 10.1002/cpt.2023)."""
    esr = scale("das28_esr", tjc28=15, sjc28=12, esr=45, ptg=60)
    assert scale("das28_crp", tjc28=15, sjc28=12, crp=15, ptg=60) == pytest.approx(0.899 * esr - 0.194, abs=0.35)


def test_cdai_and_sdai_of_trial_means() -> None:
    """Means of sums are sums of means: HOPEFUL 1, methotrexate arm, printed CDAI 38.3 and SDAI 41.4.

    Tender 13.2, swollen 11.8, patient 66.4 mm, physician 66.2 mm, CRP 3.1 mg/dL (doi 10.1136/ard, table 191358).
    """
    means = {"tjc28": 13.2, "sjc28": 11.8, "ptg": 66.4, "mdg": 66.2}
    assert scale("cdai_ra", **means) == pytest.approx(38.3, abs=0.1)
    assert scale("sdai", **means, crp=31) == pytest.approx(41.4, abs=0.1)


def responds(rule: str, **pairs: tuple[float, float]) -> bool:
    """Return whether a patient with (baseline, later) values responds at the later visit."""
    values = {name: np.array([pair], dtype=float) for name, pair in pairs.items()} | {"rescue": np.zeros((1, 2))}
    return bool(load_rules(library_root() / "evidence" / "response_rules.csv")[rule].evaluate(values, TWO)[0, 1])


# Felson 1995 (doi 10.1002/art.1780380602): both joint counts and three of the five other measures.
START = {"tjc28": 20.0, "sjc28": 10.0, "pain": 50.0, "ptg": 60.0, "mdg": 50.0, "haq_di": 1.5, "esr": 40.0, "crp": 20.0}


@pytest.mark.parametrize(("changed", "acr20"), [
    ({"tjc28": 16, "sjc28": 8, "pain": 40, "ptg": 48, "mdg": 40}, True),
    ({"tjc28": 16, "sjc28": 8, "pain": 40, "ptg": 48}, False),
    ({"tjc28": 16, "sjc28": 8, "pain": 40, "ptg": 48, "crp": 16}, True),
    ({"tjc28": 17, "sjc28": 8, "pain": 0, "ptg": 0, "mdg": 0, "haq_di": 0, "crp": 1}, False),
    ({"tjc28": 0, "sjc28": 9, "pain": 0, "ptg": 0, "mdg": 0, "haq_di": 0, "crp": 1}, False)])
def test_acr20_needs_both_counts_and_three_of_five(changed: dict[str, float], acr20: bool) -> None:
    assert responds("ra_acr20", **{k: (v, changed.get(k, v)) for k, v in START.items()}) is acr20


@pytest.mark.parametrize(("share", "levels"), [(0.81, 0), (0.79, 1), (0.51, 1), (0.49, 2), (0.31, 2), (0.29, 3)])
def test_acr_levels_are_nested(share: float, levels: int) -> None:
    pairs = {name: (value, value * share) for name, value in START.items()}
    assert [responds(f"ra_acr{n}", **pairs) for n in (20, 50, 70)] == [levels > i for i in range(3)]


# The published table of the EULAR response (Fransen, van Riel 2005): rows DAS28 reached, columns the fall.
@pytest.mark.parametrize(("reached", "fall", "response"), [
    (3.0, 1.3, "good"), (3.0, 1.0, "moderate"), (3.0, 0.5, "none"),
    (4.5, 1.3, "moderate"), (4.5, 1.0, "moderate"), (4.5, 0.5, "none"),
    (5.5, 1.3, "moderate"), (5.5, 1.0, "none"), (5.5, 0.5, "none")])
def test_eular_response_has_the_published_table(reached: float, fall: float, response: str) -> None:
    found = [kind for kind in ("good", "moderate", "none")
             if responds(f"ra_eular_{kind}", das28_esr=(reached + fall, reached))]
    assert found == [response]
    assert responds("ra_eular_good_or_moderate", das28_esr=(reached + fall, reached)) is (response != "none")


@pytest.mark.parametrize(("rule", "reached", "yes"), [
    ("ra_das28esr_lt2_6", 2.59, True), ("ra_das28esr_lt2_6", 2.6, False),
    ("ra_das28esr_le3_2", 3.2, True), ("ra_das28esr_le3_2", 3.21, False)])
def test_remission_and_low_activity_have_their_limits(rule: str, reached: float, yes: bool) -> None:
    assert responds(rule, das28_esr=(6.0, reached)) is yes


def test_low_activity_by_cdai_has_its_limit() -> None:
    quiet = {"tjc28": (9.0, 3.0), "sjc28": (9.0, 3.0), "ptg": (60.0, 20.0)}
    assert responds("ra_cdai_le10", **quiet, mdg=(50, 20)) and not responds("ra_cdai_le10", **quiet, mdg=(50, 21))
