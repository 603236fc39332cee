"""Figures: well formed, told apart in one page, described in words, marked as simulated."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

from stroma.calibration.prediction import Forecast
from stroma.report import figures
from stroma.report.svg import Drawing


@pytest.fixture(scope="module")
def drawings(small_forecast: Forecast) -> list[Drawing]:
    found = small_forecast
    return [*figures.trajectories(found), *figures.primary_counts(found), *figures.amplitudes(found),
            figures.under_priors(found), *figures.against_published(found)]


def test_each_is_xml_marked_and_described(drawings: list[Drawing]) -> None:
    for one in drawings:
        root = ET.fromstring(one.svg)
        words = [(e.text or "").strip() for e in root.iter() if e.tag.endswith("text")]
        assert "SIMULATED" in words, one.name
        assert root.get("role") == "img" and root.get("aria-label") == one.alt
        assert len(one.alt) > 40 and "imulated" in one.alt
        assert root.get("viewBox") and root.get("width") is None


def test_ids_stand_once_in_the_page(drawings: list[Drawing]) -> None:
    ids = [i for one in drawings for i in re.findall(r'\bid="([^"]+)"', one.svg)]
    assert len(ids) == len(set(ids)) and len({one.name for one in drawings}) == len(drawings)


def test_what_the_issue_asks_for_is_drawn(drawings: list[Drawing], small_forecast: Forecast) -> None:
    names = {one.name for one in drawings}
    for quantity in ("upcr", "serum-albumin", "serum-creatinine", "c3", "anti-dsdna", "sledai-2k"):
        assert f"course-{quantity}" in names
    assert {"amplitude-sceptical", "amplitude-current", "amplitude-enthusiastic", "under-priors"} <= names
    seen = {(o.rule_id, o.visit_day) for o in small_forecast.outcomes if o.observed is not None}
    assert sum(name.startswith("published-") for name in names) == len(seen)


def test_published_result_stands_in_the_counts(drawings: list[Drawing]) -> None:
    text = " ".join(one.svg for one in drawings if one.name.startswith("counts-"))
    assert "published 9 of 12" in text and "published 5 of 6" in text


def test_same_figure_same_bytes(drawings: list[Drawing], small_forecast: Forecast) -> None:
    assert figures.under_priors(small_forecast).svg == next(d.svg for d in drawings if d.name == "under-priors")
