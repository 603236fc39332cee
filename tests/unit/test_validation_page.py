"""The validation page and its credibility section say what the scores say."""

from __future__ import annotations

import json

import numpy as np
import pytest

from stroma.calibration.origin import has_cells
from stroma.calibration.predictive import PERCENT, Sample
from stroma.calibration.targets import load_targets
from stroma.disease import load_disease
from stroma.errors import StromaError
from stroma.report import validation_page as page_module
from stroma.report.validation_page import read_notes, short_table, validation_page
from stroma.validation.outcomes import LAST, NO_EFFECT, POOLED, BaselineScore, Validation, score
from stroma.validation.plan import rolling_plan
from stroma.validation.run import Report, as_mapping

WIDE = np.random.default_rng(1).uniform(0, 100, 1000)


@pytest.fixture(scope="module")
def report() -> Report:
    """Every share of the lupus targets forecast as anything between nobody and everybody, anti-dsDNA as nobody."""
    disease = load_disease("sle")
    listed = load_targets(disease)
    plan = rolling_plan(disease, listed)
    rows = []
    for task in plan.tasks:
        for t in (t for t in task.targets if t.kind == "proportion"):
            values = np.full(1000, 0.0) if t.outcome == "anti_dsdna_raised" else WIDE
            cells = has_cells(disease, t)
            theirs = {name: BaselineScore(4.0, 1.0, False) for name in (POOLED, LAST, *([NO_EFFECT] if cells else []))}
            sample = Sample(values, 100 * t.observed, PERCENT)
            rows.append(score("sle", task.origin.label, t, sample, cells, 50.0, theirs))
    return Report("rolling", {"sle": Validation("rolling", tuple(rows), plan.excluded)}, {})


@pytest.fixture(scope="module")
def page(report: Report) -> str:
    return validation_page(report, report, 3e-9, 1e-5)


def test_negative_trials_with_cells_come_first(page: str) -> None:
    trials = [line.split()[1] for line in page.splitlines() if line.startswith("### ")]
    assert trials[0] == "deng2017" and {"gu2014", "wang2013sle"} == set(trials[1:3])
    assert trials.index("furie2020blissln") < trials.index("nepal2018"), "large before small"


def test_a_miss_is_shown_as_one(page: str) -> None:
    own = page[page.index("### deng2017"):]
    row = next(line for line in own.splitlines() if "anti dsdna raised" in line and "n = 12" in line)
    assert row.endswith("| **no** / **no** |") and "| 8.33 % |" in row


def test_counts_of_a_trial_name_their_fit(page: str) -> None:
    own = page[page.index("### deng2017"):page.index("## Stress test")]
    trials = own.count("### ")
    assert trials > 2 and own.count("inside the 90 % interval of the rolling fit.") == trials


def test_tables_have_as_many_cells_as_headings(page: str) -> None:
    width = 0
    for line in page.splitlines():
        if line.startswith("|"):
            width = width or line.count("|")
            assert line.count("|") == width, line
        else:
            width = 0


def test_all_that_is_left_out_has_its_reason(page: str, report: Report) -> None:
    assert all(f"| {e.reason.replace('|', '/')} |" in page for e in report.validations["sle"].excluded)


@pytest.mark.parametrize("heading", [
    "Question of interest", "Context of use", "Model influence", "Decision consequence", "Verification", "Validation",
    "Uncertainty", "Must not be used for"])
def test_credibility_has_its_headings(page: str, heading: str) -> None:
    assert f"**{heading}" in page[page.index("## Credibility"):]


def test_credibility_figures_are_those_of_the_scores(page: str, report: Report) -> None:
    summary, said = report.summary(), page[page.index("## Credibility"):]
    assert f"{summary.n_outcomes} numbers of {summary.n_studies} trials" in said and "3.0e-09" in said
    assert f"the 90 % intervals {100 * summary.coverage_pi90.value:.0f} %" in said


def test_the_short_table_fits_a_readme(report: Report) -> None:
    assert len(short_table(report, report).splitlines()) == 4


def test_json_has_the_promised_fields(report: Report) -> None:
    said = as_mapping(report)
    assert {"n_outcomes", "n_studies", "coverage_pi50", "coverage_pi90", "interval_score", "baselines",
            "by_disease"} <= said.keys()
    assert set(said["coverage_pi50"]) == {"value", "ci"}
    assert {"interval_score", "ratio", "ratio_ci"} <= said["baselines"][POOLED].keys()
    json.dumps(said["outcomes"])


def test_a_note_about_nothing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "deng2017" in read_notes("sle")
    known = page_module.load_targets
    monkeypatch.setattr(page_module, "load_targets", lambda d: known(d).__class__((), ()))
    with pytest.raises(StromaError, match=r"C001.*deng2017"):
        read_notes("sle")
