"""The guide keeps its word: its commands run, its tables name what there is."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stroma.calibration.posterior import load_posterior
from stroma.cli.main import app
from stroma.disease import load_disease
from stroma.trial.changes import EDITS, FLAGS
from stroma.trial.ready import known_scenarios

GUIDE = (Path(__file__).parents[2] / "docs" / "forecast.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^ {4}stroma (\S.*)$", GUIDE, re.MULTILINE)
SMALL = ["--draws", "50", "--subjects", "20", "--trials", "100", "--json"]


def test_there_are_commands() -> None:
    assert {c.split()[0] for c in COMMANDS} == {"forecast", "power", "new", "predict"} and len(COMMANDS) >= 6


def test_every_command_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    latest = load_posterior(load_disease("sle")).manifest["fitted_before"]
    for command in COMMANDS:
        words = shlex.split(re.sub(r"before:\S+", f"before:{latest}", command))
        result = CliRunner().invoke(app, words if words[0] == "new" else [*words, *SMALL])
        assert result.exit_code == 0, f"{command}: {result.output}{result.exception}"


def test_tables_name_every_change_and_every_scenario() -> None:
    rows = re.findall(r"^\| (`.*?) \|", GUIDE, re.MULTILINE)
    named = {word for row in rows for word in re.findall(r"`(\w+)[^`]*`", row)}
    assert {*EDITS, *FLAGS, *known_scenarios()} <= named
