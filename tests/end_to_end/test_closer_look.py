"""The closer look from the command line: same bytes for any worker, in JSON, tables and report."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stroma.cli.main import app

COMMAND = ["forecast", "NCT01539902", "--uncertainty", "--subject-data", "--draws", "120", "--subjects", "24",
           "--trials", "200", "--json"]


def run(out: Path, *more: str) -> dict:
    done = CliRunner().invoke(app, [*COMMAND, "--out", str(out), *more], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict:
    return run(tmp_path_factory.mktemp("one"), "--workers", "1")


def test_the_answer_does_not_depend_on_the_workers(said, tmp_path):
    again = run(tmp_path, "--workers", "2")
    assert {k: v for k, v in again.items() if k != "run_folder"} == {k: v for k, v in said.items() if k != "run_folder"}
    for file in ("adeff.csv", "adsl.parquet", "sobol.csv", "variance.csv", "cell_fate.csv", "flares.csv"):
        assert (Path(again["run_folder"]) / file).read_bytes() == (Path(said["run_folder"]) / file).read_bytes()


def test_json_holds_every_part(said):
    for arm in said["disposition"]:
        counts = {name: c["shown_trial"] for name, c in arm["counts"].items()}
        assert counts["randomised"] == sum(counts[n] for n in ("left", "left after rescue", "seen after rescue",
                                                               "seen without rescue"))
    assert said["first_week"]["first_published_day"] == 30
    shares = [sum(p["share"] for p in v["parts"].values()) for v in said["uncertainty"]["variance"]]
    assert shares == pytest.approx([1.0] * 3, abs=1e-4)
    assert {f["flare"] for f in said["flares"]} == {"flare_hazard", "extrarenal_flare_hazard"}


def test_the_report_shows_every_part_and_asks_for_nothing_outside(said):
    page = (Path(said["run_folder"]) / "report.html").read_text(encoding="utf-8")
    for part in ("patients", "cells", "week", "uncertainty"):
        assert f'<h2 id="{part}">' in page
    for figure in ("cells-where", "cells-licensed", "cells-relay", "flare-flare-hazard", "variance-difference"):
        assert f'id="figure-{figure}"' in page
    assert "No data exist before day 30" in page
    assert "src=" not in page and "<script" not in page and "@import" not in page


def test_without_the_flags_neither_subject_data_nor_variance_is_there(tmp_path):
    done = CliRunner().invoke(app, ["forecast", "NCT01586312", "--draws", "50", "--subjects", "20", "--trials", "100",
                                    "--json", "--out", str(tmp_path)], catch_exceptions=False)
    found = json.loads(done.stdout)
    folder = Path(found["run_folder"])
    assert found["uncertainty"] is None and found["flares"] == []
    assert not list(folder.glob("ad*")) and not (folder / "variance.csv").exists()
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert '<h2 id="uncertainty">' not in page and "Free of flares" not in page and '<h2 id="cells">' in page

