"""The program as a user calls it: its output, or its exit code and what it says on stderr."""

from __future__ import annotations

import sys

import pytest
from typer.testing import CliRunner

from stroma.cli import main


def output(*words: str) -> str:
    """Return what a command that must succeed prints on stdout; its error is raised as it is."""
    result = CliRunner().invoke(main.app, list(words))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def exit_code(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """Run the program as the console script does; return its exit code."""
    monkeypatch.setattr(sys, "argv", ["stroma", *words])
    with pytest.raises(SystemExit) as leaving:
        main.run()
    return int(leaving.value.code or 0)


def failed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, *words: str) -> tuple[int, str]:
    """Return exit code and stderr of a command that must print nothing else."""
    code = exit_code(monkeypatch, *words)
    out, err = capsys.readouterr()
    assert out == ""
    return code, err
