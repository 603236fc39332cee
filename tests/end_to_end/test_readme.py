"""The README keeps its word: commands exist, tables are those of the library."""

from __future__ import annotations

import re
from pathlib import Path

import typer
from validation.background.update_readme import updated

from stroma.cli.main import app

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def code() -> list[str]:
    """Every command line of the README: indented blocks and inline code."""
    return re.findall(r"^ {4}(\S.*)$", README, re.MULTILINE) + re.findall(r"`([^`\n]+)`", README)


def test_there_are_exactly_two_set_up_commands() -> None:
    part = README[README.index("## Set up"):]
    part = part[:part.index("\n## ", 1)]
    commands = re.findall(r"^ {4}(\S.*)$", part, re.MULTILINE)
    assert commands == [
        "python3 -m venv .venv && .venv/bin/pip install -e . && .venv/bin/stroma forecast NCT01539902",
        "python3 -m venv .venv && .venv/bin/pip install -e '.[test]' && .venv/bin/pytest"]


def test_every_verb_and_option_exists() -> None:
    root = typer.main.get_command(app)
    assert isinstance(root, typer.core.TyperGroup)
    lines = [m[1] for c in code() for m in [re.search(r"(?:^|/)stroma ([a-z].*)$", c)] if m]
    assert len(lines) >= 8
    for line in lines:
        words = line.replace("\\|", "|").split()
        command = root.commands[words[0]]
        called = [command]
        if isinstance(command, typer.core.TyperGroup):
            called = [command.commands[name] for name in words[1].split("|")]
        options = {o for c in called for p in c.params for o in p.opts}
        assert {w for w in words if w.startswith("--")} <= options, line
        row = next((r for r in README.splitlines() if r.startswith("| `stroma") and f"`stroma {line}`" in r), "")
        named = {w for c in re.findall(r"`(--[^`]+|[^`]* --[^`]+)`", row) for w in c.split() if w.startswith("--")}
        assert named <= options, row


def test_tables_are_those_of_the_library() -> None:
    assert updated(README) == README, "run `python -m validation.background.update_readme`"
    assert all(README.count(f"<!-- {check} -->") == 2 for check in ("loto", "later"))


def test_folders_and_documents_exist() -> None:
    root = Path(__file__).parents[2]
    named = re.findall(r"^\| `([\w/]+/)` \|", README, re.MULTILINE) + re.findall(r"\]\(([\w./-]+)\)", README)
    assert len(named) >= 8
    assert [n for n in named if not (root / n).exists()] == []
