"""The guide to explanations keeps its word: its commands run, its parts are those that are shown."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stroma.cli.main import app

GUIDE = (Path(__file__).parents[2] / "docs" / "explain.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^ {4}stroma (\S.*)$", GUIDE, re.MULTILINE)
SMALL = ["--draws", "50", "--subjects", "20", "--json"]


def run(command: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> dict:
    monkeypatch.chdir(folder)
    result = CliRunner().invoke(app, [*command.split(), *SMALL])
    assert result.exit_code == 0, f"{command}: {result.output}{result.exception}"
    return json.loads(result.stdout)


def test_every_command_runs_and_every_part_is_in_the_guide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(COMMANDS) == 3
    found = [run(command, monkeypatch, tmp_path) for command in COMMANDS]
    labels = {p["label"] for o in found[0]["outcomes"] for p in o["parts"]}
    for label in labels:
        words = label.removeprefix("cells: ").replace("too many at once", "too many cells at once")
        assert words in GUIDE, label
