"""A run folder is there whole or not at all, and its tables are the forecast."""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from stroma.calibration.prediction import Forecast
from stroma.errors import StromaError
from stroma.report.run_folder import RunRecord, run_name, write_run

MADE = RunRecord("stroma forecast NCT01539902 --seed 1", 12.34)
FILES = {"report.html", "manifest.json", "outcomes.csv", "outcomes.parquet", "priors.csv", "priors.parquet",
         "trajectories.csv", "trajectories.parquet", "assumptions.csv", "parameters.csv"}


@pytest.fixture(scope="module")
def folder(small_forecast: Forecast, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(small_forecast, tmp_path_factory.mktemp("runs"), MADE)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_every_file_is_there_and_nothing_else(folder: Path) -> None:
    assert {p.name for p in folder.iterdir()} == FILES
    assert [p.name for p in folder.parent.iterdir()] == [folder.name]


def test_every_artefact_says_simulated_and_not_medical_advice(folder: Path) -> None:
    notice = "SIMULATED, not medical advice"
    for path in folder.glob("*.csv"):
        rows = read(path)
        assert rows and all(row["label"] == notice for row in rows), path.name
    for path in folder.glob("*.parquet"):
        table = pq.read_table(path)
        assert json.loads(table.schema.metadata[b"stroma"])["notice"] == notice
        assert set(table["label"].to_pylist()) == {notice}
    assert json.loads((folder / "manifest.json").read_text())["notice"] == notice
    assert notice in (folder / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["outcomes", "priors", "trajectories"])
def test_csv_and_parquet_hold_the_same_numbers(folder: Path, name: str) -> None:
    typed = pq.read_table(folder / f"{name}.parquet").to_pylist()
    text = read(folder / f"{name}.csv")
    assert len(typed) == len(text)
    for exact, written in zip(typed, text, strict=True):
        assert {k: "" if v is None else str(v) for k, v in exact.items()} == written


def test_outcomes_are_the_forecast(folder: Path, small_forecast: Forecast) -> None:
    rows = read(folder / "outcomes.csv")
    assert len(rows) == len(small_forecast.outcomes)
    for row, outcome in zip(rows, small_forecast.outcomes, strict=True):
        assert float(row["q50"]) == pytest.approx(outcome.median, rel=1e-5)
        assert row["arm"] == outcome.arm


def test_every_assumption_has_a_source_or_a_reason(folder: Path, small_forecast: Forecast) -> None:
    rows = read(folder / "assumptions.csv")
    assert all(row["source_or_reason"] for row in rows)
    names = {row["name"] for row in rows if row["part"] == "trial" and row["assumed"] == "True"}
    assert {fact.name for fact in small_forecast.designs[0].assumptions} <= names
    assert {row["name"] for row in rows if row["part"] == "model"} == set(small_forecast.disease.parameters)


def test_manifest_names_what_was_written(folder: Path, small_forecast: Forecast) -> None:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    for name, digest in manifest["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    assert set(manifest["files"]) == FILES - {"manifest.json"}
    assert manifest["command"] == MADE.command and manifest["seed"] == small_forecast.settings.seed
    assert manifest["hashes"]["model"] == small_forecast.disease.model.content_hash
    assert {"NCT01539902.json", "NCT01539902.toml"} <= set(manifest["hashes"])


def test_same_forecast_same_bytes_and_one_folder(folder: Path, small_forecast: Forecast, tmp_path: Path) -> None:
    first = write_run(small_forecast, tmp_path, MADE)
    (first / "left-over").write_text("from an earlier run")
    second = write_run(small_forecast, tmp_path, MADE)
    assert first == second and [p.name for p in tmp_path.iterdir()] == [second.name]
    for name in FILES:
        assert (second / name).read_bytes() == (folder / name).read_bytes(), name


def test_the_name_changes_with_the_numbers(small_forecast: Forecast) -> None:
    other = replace(small_forecast, settings=replace(small_forecast.settings, seed=2))
    assert run_name(other) != run_name(small_forecast)


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_an_interrupted_run_leaves_nothing(small_forecast: Forecast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                           stop: BaseException) -> None:
    write, seen = Path.write_bytes, []

    def break_off(self: Path, data: bytes) -> int:
        seen.append(self.name)
        if len(seen) == 4:
            raise stop
        return write(self, data)

    monkeypatch.setattr(Path, "write_bytes", break_off)
    with pytest.raises((KeyboardInterrupt, StromaError)):
        write_run(small_forecast, tmp_path / "runs", MADE)
    assert len(seen) == 4 and list((tmp_path / "runs").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(small_forecast: Forecast, tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file stands in the way")
    with pytest.raises(StromaError) as caught:
        write_run(small_forecast, tmp_path / "runs", MADE)
    assert caught.value.diagnostics[0].code == "X003" and caught.value.exit_code == 4
