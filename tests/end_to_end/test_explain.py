"""`stroma explain` through the console: two studies, what it writes, what it cannot do."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from tests.console import failed, output

from stroma.calibration.targets import load_targets
from stroma.disease import load_disease
from stroma.explanation.parts import Settings
from stroma.explanation.study import explain_study

SMALL = ["--draws", "50", "--subjects", "20", "--workers", "1"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("study", ["gu2014", "rathi2016"])
def test_a_study_taken_apart(study: str, tmp_path: Path) -> None:
    found = json.loads(output("explain", study, *SMALL, "--json"))
    assert found["simulated"] and found["study"] == study and found["outcomes"]
    folder = tmp_path / found["run_folder"]
    rows = list(csv.DictReader((folder / "parts.csv").open(encoding="utf-8")))
    for o in found["outcomes"]:
        assert sum(p["mean"] for p in o["parts"]) == pytest.approx(o["published"])
        assert o["parts"][-1]["part"] == "chance" and o["parts"][-1]["mean"] == pytest.approx(
            o["published"] - o["predicted"])
        assert (o["cells_together"]["mean"] == 0) == (study == "rathi2016")
        mine = [r for r in rows if r["target_id"] == o["target_id"] and r["kind"] in ("step", "chance")]
        assert sum(float(r["mean"]) for r in mine) == pytest.approx(o["published"], rel=1e-2)
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.count("<svg") == len(found["outcomes"]) and "SIMULATED" in page
    assert "http://" not in page.replace("http://www.w3.org", "") and "<script" not in page
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert set(manifest["files"]) == {"parts.csv", "parts.parquet", "report.html"}


def test_the_same_seed_gives_the_same_numbers() -> None:
    first, second = (output("explain", "gu2014", *SMALL[:4], "--workers", n, "--json") for n in "12")
    assert first == second


def test_in_the_terminal() -> None:
    shown = output("explain", "gu2014", *SMALL)
    assert "knowing the treatment" in shown and "cells together" in shown and "Not taken apart" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_an_unknown_study(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    code, err = failed(monkeypatch, capsys, "explain", "liang20100")
    assert code == 1 and "E104" in err and "liang2010" in err


def test_a_study_without_a_number_that_can_be_taken_apart(monkeypatch: pytest.MonkeyPatch,
                                                          capsys: pytest.CaptureFixture) -> None:
    code, err = failed(monkeypatch, capsys, "explain", "sun2009")
    assert code == 1 and "C061" in err and "response rule is not known" in err


@pytest.mark.parametrize("words", [[], ["liang2010", "--conflict", "sle"]])
def test_one_question_at_a_time(words: list[str], monkeypatch: pytest.MonkeyPatch,
                                capsys: pytest.CaptureFixture) -> None:
    code, err = failed(monkeypatch, capsys, "explain", *words)
    assert code == 1 and "C063" in err


@pytest.mark.parametrize("disease", ["sle", "ra"])
def test_a_conflict_taken_apart(disease: str, tmp_path: Path) -> None:
    found = json.loads(output("explain", "--conflict", disease, *SMALL, "--json"))
    assert found["n_studies"] == len(found["studies"]) >= 5
    shares = [c["share_of_published"]["mean"] for c in found["components"] if c["share_of_published"]]
    assert sum(shares) == pytest.approx(100.0)
    assert sum(c["share_of_predicted"]["mean"] for c in found["components"]
               if c["share_of_predicted"]) == pytest.approx(100.0)
    wanted = {"design_and_blinding", "background_drugs", "patients", "source", "donor", "route", "dose",
              "steroid_at_infusion", "inflammation", "chance", "unexplained"}
    assert {c["factor"] for c in found["components"]} == wanted
    assert all(c["note"] for c in found["components"] if not c["share_of_published"])
    page = (tmp_path / found["run_folder"] / "report.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 2 and "SIMULATED" in page and "<script" not in page


def test_one_study_is_no_conflict() -> None:
    shown = output("explain", "--conflict", "oa", *SMALL)
    assert "no spread to take apart" in shown and "lamoespinosa2016" in shown


def test_a_disease_without_cells_has_no_conflict(monkeypatch: pytest.MonkeyPatch,
                                                 capsys: pytest.CaptureFixture) -> None:
    code, err = failed(monkeypatch, capsys, "explain", "--conflict", "as")
    assert code == 1 and "C062" in err


@pytest.mark.slow
@pytest.mark.parametrize("study", ["he2020", "mautner2023", "dougados2011spine"])
def test_studies_of_other_diseases(study: str) -> None:
    found = explain_study(study, Settings(draws=40, subjects=20))
    for o in found.outcomes:
        assert sum(p.mean for p in o.parts) == pytest.approx(o.published)
        assert o.cells.absent == ("MSC" not in o.target.arm_label)


@pytest.mark.slow
@pytest.mark.parametrize("study", sorted({t.study_id for t in load_targets(load_disease("sle")).targets
                                          if t.kind != "hazard"}))
def test_every_lupus_study(study: str) -> None:
    found = explain_study(study, Settings(draws=40, subjects=20))
    assert found.outcomes
    for o in found.outcomes:
        assert sum(p.mean for p in o.parts) == pytest.approx(o.published)
        for p in (*o.parts, *o.routes):
            assert p.pi90[0] <= p.pi50[0] <= p.pi50[1] <= p.pi90[1]
