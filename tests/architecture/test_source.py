"""The shape of the source: size, docstrings, no numbers typed twice in the error table."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from stroma.cli.error_codes import load_error_codes

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "src" / "stroma").rglob("*.py"))
LONGEST_FILE = 500
MOST_STATEMENTS = 50
_CODE = re.compile(r"[A-Z]\d{3}")


Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT / "src"))


def public_definitions(tree: ast.Module) -> list[tuple[str, Definition]]:
    """Return public functions and classes of a module, and public methods of public classes."""
    found: list[tuple[str, Definition]] = [(n.name, n) for n in tree.body
                                           if isinstance(n, Definition) and not n.name.startswith("_")]
    for name, node in list(found):
        if isinstance(node, ast.ClassDef):
            found += [(f"{name}.{m.name}", m) for m in node.body
                      if isinstance(m, Definition) and not m.name.startswith("_")]
    return found


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_file_is_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_public_names_have_docstrings(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    silent = [name for name, node in public_definitions(tree) if not ast.get_docstring(node)]
    if not ast.get_docstring(tree):
        silent.append("(the module)")
    assert silent == []


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_function_is_short(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    long = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            statements = sum(isinstance(part, ast.stmt) for part in ast.walk(node)) - 1
            if statements > MOST_STATEMENTS:
                long.append(f"{node.name}: {statements}")
    assert long == []


def codes_in(path: Path) -> set[str]:
    """Return the error codes that stand in a source file as whole string literals."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.value for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and _CODE.fullmatch(node.value)}


def test_every_error_code_is_explained_and_every_explanation_is_raised() -> None:
    raised = set().union(*(codes_in(path) for path in SOURCES))
    explained = set(load_error_codes())
    assert raised - explained == set(), "codes without a row in library/vocabulary/error_codes.csv"
    assert explained - raised == set(), "rows of library/vocabulary/error_codes.csv that nothing raises"


def test_no_file_is_named_after_nothing() -> None:
    rooms = {path.stem for path in SOURCES} | {path.parent.name for path in SOURCES}
    assert rooms & {"utils", "helpers", "common", "misc", "util", "helper"} == set()
