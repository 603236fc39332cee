"""`stroma forecast --all`: a card for every record with a link that works; one that fails becomes its reason."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stroma.cli.main import app
from stroma.errors import StromaError
from stroma.library import library_root

SIZES = ["--draws", "50", "--subjects", "20", "--trials", "100"]
RECORDS = ["NCT01420432", "NCT01459640", "NCT01539902", "NCT01547091", "NCT01585857", "NCT01586312", "NCT01741857",
           "NCT01851070"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs")
    done = CliRunner().invoke(app, ["forecast", "--all", *SIZES, "--out", str(out)])
    assert done.exit_code == 0, done.output
    for record in RECORDS:
        assert record in done.stdout
    assert "published 9 of 12 inside" in done.stdout and "−" in done.stdout and "no forecast" not in done.stdout
    return out


def test_every_record_has_a_card_that_leads_to_its_own_report(runs: Path) -> None:
    page = (runs / "all-records.html").read_text(encoding="utf-8")
    assert re.findall(r'<section class="card" id="(\w+)"', page) == RECORDS
    links = re.findall(r'<h2><a href="([^"]+)"', page)
    assert [link.partition("-")[0] for link in links] == RECORDS
    assert all((runs / link).is_file() for link in links)
    assert page.count("<figure") == 3 and 'id="figure-all-shares"' in page


def test_the_page_fetches_nothing_and_says_what_it_is(runs: Path) -> None:
    page = (runs / "all-records.html").read_text(encoding="utf-8")
    assert "<script" not in page and "@import" not in page and "SIMULATED" in page
    outside = re.sub(r'xmlns(:\w+)?="http://www\.w3\.org/[^"]+"', "", page)
    assert not re.search(r"https?://", outside)
    assert "counts of other studies" in page and "not prospective" in page


def test_a_record_that_cannot_be_forecast_becomes_a_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = tmp_path / "library"
    shutil.copytree(library_root(), library)
    for record in RECORDS[1:]:
        if record != "NCT01585857":
            (library / "registry" / f"{record}.json").unlink()
    (library / "registry" / "NCT01585857.toml").unlink()
    monkeypatch.setenv("STROMA_LIBRARY", str(library))
    out = tmp_path / "runs"
    done = CliRunner().invoke(app, ["forecast", "--all", *SIZES, "--out", str(out), "--json"])
    assert done.exit_code == 0, done.output
    good, bad = json.loads(done.stdout)
    assert good["record"] == "NCT01420432" and good["outcomes"] and Path(good["run_folder"]).is_dir()
    assert bad["forecast"] is None and bad["reason"][0]["code"] == "T206"
    page = (out / "all-records.html").read_text(encoding="utf-8")
    assert page.count('<section class="card') == 2 and "No forecast:" in page and "Serious adverse events" in page


@pytest.mark.parametrize("arguments", [["forecast"], ["forecast", "NCT01539902", "--all"],
                                       ["forecast", "--all", "--dose", "1e6/kg"]])
def test_all_and_a_trial_of_its_own_do_not_go_together(arguments: list[str]) -> None:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code != 0 and isinstance(done.exception, StromaError), done.output
    assert done.exception.diagnostics[0].code == "T082"
