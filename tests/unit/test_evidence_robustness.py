"""From the store to subgroup tests, meta-regression and sensitivity, on studies added by hand."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from evidence_library import GOOD, copy_of_the_library, written
from typer.testing import CliRunner

from stroma.cli.evidence import app
from stroma.errors import StromaError
from stroma.evidence.adding import add_study
from stroma.evidence.comparisons import find_comparisons
from stroma.evidence.meta_analysis import Analysis, analyse
from stroma.evidence.pooling import FAMILY, pool, regress, subgroups
from stroma.evidence.robustness import meta_regression, sensitivity, subgroup_tests
from stroma.evidence.store import load_evidence

MORE = (("one2018", 2018, "iv", "5e5", 14, "double_blind"), ("two2019", 2019, "ia", "1e6", 12, "double_blind"),
        ("three2021", 2021, "ia", "2e6", 9, "open_label"), ("four2022", 2022, "iv", "4e6", 16, "open_label"))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    root = copy_of_the_library(folder / "library")
    for name, year, route, dose, events, blinding in MORE:
        text = GOOD.replace("example2020", name).replace("published_year = 2020", f"published_year = {year}")
        text = text.replace('route = "iv"', f'route = "{route}"').replace('"1e6"', f'"{dose}"')
        text = text.replace("value = 11", f"value = {events}").replace("double_blind", blinding)
        add_study(written(folder, f"{name}.toml", text), root)
    return root


@pytest.fixture(scope="module")
def answer(library: Path) -> Analysis:
    return analyse(load_evidence(library), "overall_remission", disease="ln", by="route")


def test_the_test_between_groups_is_that_of_the_studies(answer: Analysis) -> None:
    (told,) = subgroup_tests(answer)
    kinds = [row.kind for row in answer.comparisons.rows]
    expected = subgroups(answer.effects.effect, answer.effects.variance, answer.groups, kind=kinds)
    assert (told["family"], told["groups"], told["df"]) == ("controlled", 2, 1)
    assert told["q"] == expected.q and told["p"] == expected.q_p


def test_year_and_dose_are_numbers_and_the_unstated_is_named(answer: Analysis) -> None:
    (told,) = meta_regression(answer, ["dose"])
    assert told["left_out"] == ["deng2017"], "its dose is in cells, not in cells per kg"
    rows = [i for i, row in enumerate(answer.comparisons.rows) if row.study.study_id != "deng2017"]
    dose = np.log10([5e5, 1e6, 2e6, 4e6])
    expected = regress(answer.effects.effect[rows], answer.effects.variance[rows], {"dose": dose})
    np.testing.assert_allclose([row["estimate"] for row in told["coefficients"]], expected.coefficient, rtol=1e-12)
    (by_year,) = meta_regression(answer, ["year"])
    assert by_year["studies"] == 5 and [row["name"] for row in by_year["coefficients"]] == ["intercept", "year"]


def test_a_model_that_cannot_be_fitted_says_why(answer: Analysis) -> None:
    (told,) = meta_regression(answer, ["year", "route", "blinding", "dose"])
    assert told["coefficients"] == [] and told["notes"][0].startswith("not fitted: 4 studies cannot carry 5")
    (same,) = meta_regression(answer, ["year", "donor"])
    assert "donor is allogeneic in every study used: no contrast" in same["notes"]
    with pytest.raises(StromaError, match="E152"):
        meta_regression(answer, ["rout"])


def test_leaving_out_and_adding_by_year(answer: Analysis) -> None:
    (told,) = sensitivity(answer)
    effect, variance = answer.effects.effect, answer.effects.variance
    kinds = [row.kind for row in answer.comparisons.rows]
    assert [row["study"] for row in told["without"]] == [row.study.study_id for row in answer.comparisons.rows]
    assert told["without"][0]["estimate"] == pool(effect[1:], variance[1:], kind=kinds[1:]).estimate
    assert [row["year"] for row in told["cumulative"]] == [2017, 2018, 2019, 2021, 2022]
    assert told["cumulative"][-1]["estimate"] == pool(effect, variance, kind=kinds).estimate
    assert sum(row["weight"] for row in told["influence"]) == pytest.approx(1.0)
    assert 0.0 <= told["egger"]["p_value"] <= 1.0 and told["trim_and_fill"]["missing"] >= 0


def test_families_stay_apart(library: Path) -> None:
    text = GOOD.replace("example2020", "versus2023").replace("value = 11", "value = 3")
    text = text.replace('cell_source = "none"', 'cell_source = "none_active"')
    text = text.replace('"placebo"', '"cyclophosphamide"')
    add_study(written(library, "versus2023.toml", text), library)
    mixed = analyse(load_evidence(library), "overall_remission", disease="ln")
    assert {FAMILY[row.kind] for row in mixed.comparisons.rows} == {"controlled", "active_comparator"}
    controlled, active = sensitivity(mixed)
    assert len(controlled["without"]) == 5 and active["notes"] == ["one study: nothing to leave out"]
    assert "placebo" not in mixed.pooled["active_comparator", ""].kind
    assert subgroup_tests(mixed) == []


def test_the_command_prints_them(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STROMA_LIBRARY", str(library))
    words = ["pool", "overall_remission", "--disease", "ln", "--moderator", "year", "--sensitivity", "--by", "route",
             "--as-of", "2022"]
    plain = CliRunner().invoke(app, words)
    assert plain.exit_code == 0, plain.output
    for title in ("difference between groups, controlled", "meta-regression, controlled: 5 studies",
                  "leaving out, controlled", "cumulative by year, controlled", "Egger, controlled", "trim and fill"):
        assert title in plain.stdout
    told = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert len(told["sensitivity"][0]["without"]) == 5 and told["meta_regression"][0]["family"] == "controlled"
    assert any(note.startswith("ia: k = 2") for note in told["notes"])
    lines = csv.reader(io.StringIO(CliRunner().invoke(app, ["export", "--outcome", "overall_remission"]).stdout))
    assert {"one2018", "versus2023"} <= {line[0] for line in lines}


def test_a_study_that_is_not_used_says_what_it_lacks() -> None:
    skipped = {row.study_id: row.reason for row in analyse(load_evidence(), "sledai").comparisons.skipped}
    assert skipped["liang2010"] == "no control group with a number at the same visit"
    evidence = load_evidence()
    fistula = {row.study_id: row.reason for row in find_comparisons(
        evidence, "combined_remission", "log_risk_ratio").skipped}
    assert fistula["panes2016"] == "number of patients not stated"
    womac = {row.study_id: row.reason for row in find_comparisons(evidence, "womac_total", "mean_difference").skipped}
    assert womac["leews2019"] == "reported as direction only"
