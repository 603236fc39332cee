"""The page *Add a disease* keeps its word: its files make a disease, its commands run, what is misspelt is named."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
from tests.library.test_expectations import found_value
from typer.testing import CliRunner

from stroma.calibration.posterior import load_posterior
from stroma.calibration.targets import load_targets
from stroma.cli.main import app
from stroma.disease import load_disease
from stroma.errors import Diagnostic, StromaError
from stroma.library import library_root
from stroma.trial.scenario import read_expectations

PAGE = (Path(__file__).parents[2] / "docs" / "add-a-disease.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^File `([^`]+)`:\n\n```\w+\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
COMMANDS = [shlex.split(c) for c in re.findall(r"^ {4}stroma (.*)$", PAGE, re.MULTILINE)]


def write(folder: Path) -> Path:
    """Do what the page says: a copy of the library, one folder more, a study beside it. Return the library."""
    shutil.copytree(library_root(), folder / "my-library", ignore=shutil.ignore_patterns("*.parquet"))
    for name, text in FILES.items():
        place = folder / (f"my-library/diseases/{name}" if "/" in name else name)
        place.parent.mkdir(exist_ok=True)
        place.write_text(text, encoding="utf-8")
    return folder / "my-library"


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The reader's library, in use."""
    found = write(tmp_path)
    monkeypatch.setenv("STROMA_LIBRARY", str(found))
    monkeypatch.chdir(tmp_path)
    return found


def spoil(library: Path, name: str, before: str, after: str) -> int:
    """Misspell something in a file of the disease; return its line."""
    path = library / "diseases" / "skin" / name
    text = path.read_text(encoding="utf-8")
    assert text.count(before) == 1, f"{name}: {before!r} stands there {text.count(before)} times"
    path.write_text(text.replace(before, after), encoding="utf-8")
    return text[:text.index(before)].count("\n") + 1


def problems(library: Path) -> list[Diagnostic]:
    with pytest.raises(StromaError) as caught:
        load_disease("skin", library)
    return list(caught.value.diagnostics)


def test_the_page_holds_one_folder_without_python() -> None:
    assert {Path(f).parent.name for f in FILES} == {"skin", ""} and "skin/model.ant" in FILES
    assert {Path(f).suffix for f in FILES} == {".ant", ".csv", ".toml"}
    assert [c[:2] for c in COMMANDS] == [["model", "check"], ["simulate", "skin"], ["calibrate", "skin"],
                                         ["predict", "study.toml"]]


def test_every_command_of_the_page_runs(library: Path) -> None:
    said = {}
    for words in COMMANDS:
        result = CliRunner().invoke(app, [*words, "--json"])
        assert result.exit_code == 0, f"{words}: {result.output}{result.exception}"
        said[words[0]] = result.stdout[result.stdout.index("{"):]
    assert json.loads(said["model"])["expectations"] == FILES["skin/expectations.csv"].count("\n") - 1
    measured = json.loads(said["simulate"])["courses"]
    assert {c["arm"] for c in measured} == {"untreated", "treated"} and all(
        {"mrss", "mrss_fall_percent"} <= c["measured"].keys() for c in measured)
    disease = load_disease("skin")
    listed = load_targets(disease)
    assert not listed.excluded and len(listed.targets) == FILES["skin/targets.csv"].count("\n") - 1
    fitted = load_posterior(disease, "posteriors/current.parquet")
    assert fitted.manifest["target_ids"] == [t.target_id for t in listed.targets]
    forecast = json.loads(said["predict"])
    assert forecast["record"] == "skin-study" and 0 <= forecast["probability_of_success"] <= 1
    low, high = next(o["predicted"]["pi90"] for o in forecast["outcomes"] if (o["arm"], o["statistic"]) == (
        "placebo", "percent"))
    assert low < 41 < high, "41 % of the fitted cohort improved within a year"


def test_a_fit_without_a_number_says_what_would_help(library: Path) -> None:
    """All numbers of the page are from after 2013, so the library's own split leaves none to fit."""
    result = CliRunner().invoke(app, ["calibrate", "skin"])
    assert isinstance(result.exception, StromaError)
    (only,) = result.exception.diagnostics
    assert only.code == "D082" and "--before everything" in only.hint


def test_the_expectations_hold(library: Path) -> None:
    rows = read_expectations(load_disease("skin"))
    assert len(rows) == 4
    for row in rows:
        assert row.known("low") <= found_value("skin", row) <= row.known("high"), row


def test_five_misspellings_of_five_kinds_come_in_one_message(library: Path) -> None:
    model, table = library / "diseases/skin/model.ant", library / "diseases/skin/parameters.csv"
    wanted = {
        (str(model), spoil(library, "model.ant", "modules/biologic.ant", "modules/biologics.ant")): "`biologic`",
        (str(model), spoil(library, "model.ant", "licensing(licensed, ifn_skin,", "licensing(licensed, ifn_skni,")):
            "`ifn_skin`",
        (str(table), spoil(library, "parameters.csv", "k_skin,0.006,per_day,", "k_skin,0.006,per_dya,")): "`per_day`",
        (str(model.with_name("scales.csv")), spoil(library, "scales.csv", "mrss0 - mrss)", "mrss0 - mrsss)")): "`mrss`",
        (str(table), spoil(library, "parameters.csv", "fixed,,,assumed,assumed,the local level",
                           "fixed,,,,assumed,the local level")): "`assumed`"}
    told = problems(library)
    found = {(str(d.file), d.line): d.hint for d in told}
    assert found.keys() == wanted.keys()
    assert any(f"error[{d.code}]: {d.message}\n      --> my-library/diseases/skin/{d.file.name}:{d.line}" in PAGE
               for d in told if d.file is not None), "the page shows one of them as it is printed"
    assert all(word in found[place] for place, word in wanted.items())
    result = CliRunner().invoke(app, ["model", "check", "skin"])
    assert isinstance(result.exception, StromaError) and len(result.exception.diagnostics) == 5


@pytest.mark.parametrize(("name", "before", "after", "code", "nearest"), [
    ("model.ant", "biologic(il6_bound, unchanged)", "biologic(il6_boud, unchanged)", "M006", "`il6_bound`"),
    ("model.ant", "antiil6r: biologic(", "antiil6r: biologc(", "M006", "`biologic`"),
    ("model.ant", "biologic(il6_bound, unchanged)", "biologic(il6_bound, unchangd)", "M006", "`unchanged`"),
    ("model.ant", "drive     := fade *", "drive     := fad *", "M012", "`fade`"),
    ("model.ant", "k_skin has per_day;", "k_skin has per_dya;", "M015", "`per_day`"),
    ("observables.csv", "mrss,mrss,normal", "mrss,mrs,normal", "D081", "`mrss`"),
    ("instruments.csv", "mrss,0,51", "mrs,0,51", "D004", "`mrss`"),
    ("disease.toml", 'quantity = "mrss"', 'quantity = "mrs"', "D081", "`mrss`"),
    ("disease.toml", 'driver = "thickness"', 'driver = "thicknes"', "D081", "`thickness`"),
    ("disease.toml", 'msc_amplitude = "tone_effect"', 'msc_amplitude = "tone_efect"', "D081", "`tone_effect`"),
    ("disease.toml", "horizon_day = 730", "horizon_days = 730", "D080", "`horizon_days`"),
    ("regimens.toml", '"tocilizumab"', '"tocilizumb"', "D081", "`tocilizumab`"),
    ("variability.csv", "fade,log,fade_spread", "fade,log,fade_spred", "D004", "`fade_spread`"),
    ("parameters.csv", "model,steroid,5,mg_per_day,0,15", "model,steroid,5,g_per_day,0,15", "M016", "")])
def test_a_misspelling_is_named_with_its_line_and_the_nearest(
        library: Path, name: str, before: str, after: str, code: str, nearest: str) -> None:
    line = spoil(library, name, before, after)
    found = [d for d in problems(library) if d.code == code]
    assert found, [d.render() for d in problems(library)]
    assert found[0].file is not None and found[0].file.name == name and nearest in found[0].hint
    assert found[0].line == (None if code == "D080" else line)


def test_what_lies_in_tables_and_text_is_told_though_a_table_cannot_be_read(library: Path) -> None:
    spoil(library, "baselines.csv", "age,*,normal,49,", "age,*,normal,fortynine,")
    spoil(library, "model.ant", "modules/biologic.ant", "modules/biologics.ant")
    assert {d.code for d in problems(library)} == {"D002", "M002"}
