"""The trialist's three questions through the console: what if, how large, any study."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tests.console import failed, output
from typer.testing import CliRunner

from stroma.cli import main

SMALL = ["--draws", "60", "--subjects", "20", "--trials", "200", "--workers", "1"]
RECORD = "NCT01539902"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_if_side_by_side(elsewhere: Path) -> None:
    said = json.loads(output("forecast", RECORD, "--what-if", "dose=2e6/kg", "--what-if", "thawed", "--what-if",
                             "donor=autologous", "--what-if", "doses=day 0, 7", "--set", "renal_brake_tone=2",
                             "--json", *SMALL))
    assert [s["label"] for s in said["scenarios"]] == ["as planned", "dose=2e6/kg", "thawed", "donor=autologous",
                                                       "doses=day 0, 7", "renal_brake_tone=2"]
    planned = said["scenarios"][0]
    assert planned["probability_of_success"]["value"] == said["probability_of_success"]
    for scenario in said["scenarios"]:
        assert [o["arm"] for o in scenario["outcomes"]] == ["hUC-MSC", "Placebo"]
        control = scenario["outcomes"][1]["mean"]
        assert control == planned["outcomes"][1]["mean"], "no scenario here touches the control arm"
        for key in ("probability_of_success", "true_difference", "probability_true_difference_at_least_10_points"):
            assert set(scenario[key]) == {"value", "difference_to_planned", "monte_carlo_error"}
    folder = elsewhere / said["run_folder"]
    with (folder / "scenarios.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 6 * 5 == pq.read_table(folder / "scenarios.parquet").num_rows
    assert all(row["label"] == "SIMULATED, not medical advice" for row in rows)
    report = (folder / "report.html").read_text(encoding="utf-8")
    assert '<h2 id="scenarios">' in report and "donor=autologous" in report


def test_a_ready_scenario_shows_claim_and_primary_source() -> None:
    said = json.loads(output("forecast", RECORD, "--scenario", "infusions", "--json", *SMALL))
    claims = {c["claim_id"]: c for s in said["scenarios"] for c in s["claims"]}
    assert claims["s2_wang12"]["status"] == "differs"
    assert "no remarkable difference" in claims["s2_wang12"]["primary_source"]
    shown = " ".join(output("forecast", RECORD, "--scenario", "infusions", *SMALL).split())
    assert "Claimed: Wang (12)" in shown and "no remarkable difference between one and two infusions" in shown


def test_wrong_scenarios_are_told_together(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture,
                                           elsewhere: Path) -> None:
    code, err = failed(monkeypatch, capsys, "forecast", RECORD, "--what-if", "dos=1", "--scenario", "infusion",
                       "--set", "renal_brake_ton=2")
    assert code == 1 and "`dose`" in err and "`infusions`" in err and "`renal_brake_tone`" in err
    code, err = failed(monkeypatch, capsys, "forecast", RECORD, "--what-if", "population=old", "--what-if", "n=1")
    assert code == 1 and err.count("error[T222]") == 2
    assert list(elsewhere.iterdir()) == []


def test_how_large() -> None:
    said = json.loads(output("power", RECORD, "--n", "18,60", "--ratio", "1:1", "--json", *SMALL))
    assert [s["n"] for s in said["sizes"]] == [18, 60] and said["sizes"][0]["arms"] == {"hUC-MSC": 9, "Placebo": 9}
    shown = output("power", RECORD, "--n", "18,60", *SMALL)
    assert "type I" in shown and "no death" in " ".join(shown.split()) and max(map(len, shown.splitlines())) <= 80


def test_a_study_from_template_to_prediction(elsewhere: Path, monkeypatch: pytest.MonkeyPatch,
                                             capsys: pytest.CaptureFixture) -> None:
    output("new", "study", "mine.toml")
    said = json.loads(output("predict", "mine.toml", "--what-if", "n=120", "--json", *SMALL))
    known = json.loads(output("forecast", RECORD, "--json", *SMALL))
    assert set(said) == set(known) and said["record"] == "my-study"
    assert {o["statistic"] for o in said["outcomes"]} == {"percent", "mean_change"}
    manifest = json.loads((elsewhere / said["run_folder"] / "manifest.json").read_text(encoding="utf-8"))
    assert "mine.toml" in manifest["hashes"]
    assert json.loads(output("power", "mine.toml", "--n", "60", "--json", *SMALL))["record"] == "my-study"
    code, err = failed(monkeypatch, capsys, "new", "study", "mine.toml")
    assert code == 2 and "U006" in err


def test_a_wrong_study_leaves_nothing(elsewhere: Path, monkeypatch: pytest.MonkeyPatch,
                                      capsys: pytest.CaptureFixture) -> None:
    output("new", "study")
    text = Path("study.toml").read_text(encoding="utf-8").replace('"uc_msc_allogeneic"', '"uc_msc"')
    Path("study.toml").write_text(text.replace("day = 180", "dya = 180", 1), encoding="utf-8")
    code, err = failed(monkeypatch, capsys, "predict", "study.toml")
    assert code == 1 and "study.toml:" in err and "`uc_msc_allogeneic`" in err and "nearest: `day`" in err
    assert [p.name for p in elsewhere.iterdir()] == ["study.toml"]


def test_what_looks_odd_in_a_study_is_told_once_on_stderr_and_in_the_report(elsewhere: Path) -> None:
    output("new", "study")
    text = Path("study.toml").read_text(encoding="utf-8").replace('["China"]', '["Germany"]')
    Path("study.toml").write_text(text.replace('dose = "1e6/kg"', 'dose = "1e6"'), encoding="utf-8")
    told = CliRunner().invoke(main.app, ["predict", "study.toml", "--json", "--what-if", "n=120", *SMALL])
    assert told.exit_code == 0
    assert told.stderr.count("warning: Germany has no drug response of its own in `sle`: the general response") == 1
    assert told.stderr.count("warning: cells: the dose 1e+06 is more than 10 times below every dose") == 1
    folder = elsewhere / json.loads(told.stdout)["run_folder"]
    report = (folder / "report.html").read_text(encoding="utf-8")
    assert "the general response is used" in report and "is `/kg` missing?" in report
    assert "mean true difference, points" in report and "median true difference, points" in report


def test_a_fit_that_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    code, err = failed(monkeypatch, capsys, "forecast", RECORD, "--fit", "before:yesterday")
    assert code == 1 and "C022" in err and "before:2014-01-01" in err
