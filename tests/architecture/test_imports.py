"""Floors import downwards only; importing the package, or asking for help, loads nothing heavy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import stroma

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("sympy", "matplotlib", "libsbml", "numba", "llvmlite", "scipy", "numpy", "pyarrow", "roadrunner", "antimony",
         "emcee", "jinja2")


def loaded_after(code: str) -> set[str]:
    """Return which heavy packages a fresh interpreter has loaded after running code."""
    probe = f"{code}\nimport sys\nprint('LOADED', *[m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    return set(done.stdout.rpartition("LOADED")[2].split())


def test_floors() -> None:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()",
               "--config", str(ROOT / ".importlinter"), "--no-cache"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert loaded_after("import stroma") == set()


VERBS = [[], ["simulate"], ["model"], ["model", "export"], ["doctor"], ["help"], ["evidence"], ["engine"],
         ["validate"], ["explain"]]


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: " ".join(verb) or "stroma")
def test_asking_for_help_loads_nothing_heavy(verb: list[str]) -> None:
    code = (f"import sys; sys.argv = ['stroma', *{verb!r}, '--help']\n"
            "from stroma.cli.main import run\n"
            "try:\n    run()\nexcept SystemExit as leaving:\n    assert not leaving.code, leaving.code")
    assert loaded_after(code) == set()


def test_every_public_name_is_offered_and_loads() -> None:
    assert set(stroma.__all__) <= set(dir(stroma))
    assert all(getattr(stroma, name) is not None for name in stroma.__all__)
