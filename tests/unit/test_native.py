"""The object cache: reused when whole, rebuilt when not, never shared between different things."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from stroma.kernel import native

TEXT = "define double @twice(double %x) {{\n %y = fmul double %x, {}\n ret double %y\n}}\n"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STROMA_CACHE", str(tmp_path))
    return tmp_path


def loaded(key: str, factor: str, built: list[str]) -> tuple[float, object]:
    def build() -> tuple[str, dict[str, object]]:
        built.append(key)
        return TEXT.format(factor), {"factor": factor}

    code = native.load(key, build)
    return ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(code.address("twice"))(3.0), code.facts["factor"]


def test_second_load_compiles_nothing() -> None:
    built: list[str] = []
    assert loaded("a", "2.0", built) == (6.0, "2.0")
    assert loaded("a", "2.0", built) == (6.0, "2.0")
    assert loaded("b", "4.0", built) == (12.0, "4.0")
    assert built == ["a", "b"]


@pytest.mark.parametrize("harm", ["truncate", "flip", "empty", "foreign"])
def test_harmed_entry_is_rebuilt(cache: Path, harm: str) -> None:
    built: list[str] = []
    loaded("a", "2.0", built)
    (path,) = cache.rglob("*.o")
    data = path.read_bytes()
    flipped = bytes([*data[:-9], data[-9] ^ 1, *data[-8:]])
    path.write_bytes({"truncate": data[:-20], "flip": flipped, "empty": b"", "foreign": b"\x7fELF" + data}[harm])
    assert loaded("a", "2.0", built) == (6.0, "2.0")
    assert loaded("a", "2.0", built) == (6.0, "2.0")
    assert built == ["a", "a"]


def test_cache_that_cannot_be_written_costs_only_time(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = cache / "file"
    blocked.write_text("")
    monkeypatch.setenv("STROMA_CACHE", str(blocked))
    built: list[str] = []
    assert loaded("a", "2.0", built)[0] == loaded("a", "2.0", built)[0] == 6.0
    assert built == ["a", "a"]


def test_lanes_follow_the_processor() -> None:
    here = native.host()
    assert here.lanes == (8 if "+avx512dq" in here.features else 4 if "+avx2" in here.features else 2)


LANES = """
import numpy as np, sympy
from stroma.engine.cpu import CpuBackend
from stroma.engine.ensemble import Doses, EnsembleProblem, Tolerance
from stroma.kernel.native import host
from stroma.model.ode_model import OdeModel, symbol
decay = OdeModel("decay", ("x",), ("k",), (), (-symbol("k") * symbol("x"),), (sympy.Integer(1),))
problem = EnsembleProblem(decay, np.linspace(0.1, 2, 30)[:, None], np.array([1.0, 2.0]), ("x",), Doses.none(30))
print(host().lanes, "+avx512" in host().features, *CpuBackend().solve_ensemble(problem, Tolerance()).values.ravel())
"""


def with_lanes(lanes: str) -> subprocess.CompletedProcess:
    # The shared cache: each number of lanes compiles its loop once a machine.
    environment = {n: v for n, v in os.environ.items() if n != "STROMA_CACHE"} | {"STROMA_LANES": lanes}
    return subprocess.run([sys.executable, "-c", LANES], env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("lanes", ["2", "4"])
def test_fewer_lanes_give_the_same_answers(lanes: str) -> None:
    if native.host().lanes < int(lanes):
        pytest.skip("this machine has no such lanes")
    words = with_lanes(lanes).stdout.split()
    assert words[:2] == [lanes, "False"]
    exact = np.exp(-np.linspace(0.1, 2, 30)[:, None] * np.array([1.0, 2.0])).ravel()
    assert np.allclose([float(w) for w in words[2:]], exact, rtol=1e-5)


def test_lanes_that_cannot_be_are_refused() -> None:
    found = with_lanes("3")
    assert found.returncode != 0 and "S021" in found.stderr
