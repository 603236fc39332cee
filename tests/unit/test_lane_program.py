"""The compiled loop: stands alone, is read back in the order it is packed, and starts warm without numba."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from stroma.engine import lane_entry
from stroma.engine.lane_program import standing_alone
from stroma.engine.lane_task import Events, Functions, Task, make_room, pack

WARM = """
import sys
import numpy as np, sympy
from stroma.engine.cpu import CpuBackend
from stroma.engine.ensemble import Doses, EnsembleProblem, Tolerance
from stroma.model.ode_model import OdeModel, symbol
decay = OdeModel("decay", ("x",), ("k",), (), (-symbol("k") * symbol("x"),), (sympy.Integer(1),))
problem = EnsembleProblem(decay, np.ones((3, 1)), np.array([1.0]), ("x",), Doses.none(3))
print(CpuBackend().solve_ensemble(problem, Tolerance()).values[2, 0, 0], "numba" in sys.modules)
"""


def test_text_that_needs_anything_but_raising_is_refused() -> None:
    alone = standing_alone("@PyExc_SystemError = external global i8\ndeclare void @Py_DecRef(ptr) local_unnamed_addr\n"
                           "declare double @llvm.fabs.f64(double) #4\n")
    assert "external" not in alone and "declare void @Py_DecRef" not in alone
    assert "declare double @llvm.fabs.f64(double) #4" in alone
    with pytest.raises(ValueError, match="NRT_MemInfo_alloc"):
        standing_alone("declare ptr @NRT_MemInfo_alloc(i64) local_unnamed_addr\n")


def test_arrays_are_read_back_in_the_order_they_are_packed() -> None:
    f = Functions(*range(100, 106), *range(len(Functions._fields) - 6))
    whole, real = np.zeros(1, np.int64), np.zeros(1)
    task = Task(np.zeros((2, 3)), whole, whole, real, real, real, whole, np.zeros((2, 4, 5)), whole, 7, 0.0, 1e-4, 1e-7)
    room = make_room(f, 50, 8)
    words, reals = pack(f, task, Events(whole, whole, whole, whole, whole), room)
    assert words[41] == 7 and reals.tolist() == [0.0, 1e-4, 1e-7]
    source = Path(lane_entry.__file__).read_text()
    begins = [int(i) for i in re.findall(r"_(?:whole|real|table|block)\(q, (\d+)\)", source)]
    sizes = {"_whole": 2, "_real": 2, "_whole_table": 3, "_real_table": 3, "_real_block": 4}
    kinds = re.findall(r"(_(?:whole|real)(?:_table|_block)?)\(q, \d+\)", source)
    arrays = [a for a in (*task, *Events(whole, whole, whole, whole, whole), *room) if isinstance(a, np.ndarray)]
    assert len(begins) == len(kinds) == len(arrays)
    for begin, kind, array in zip(begins, kinds, arrays, strict=True):
        assert words[begin] == array.ctypes.data
        assert words[begin + 1:begin + sizes[kind]].tolist() == list(array.shape)
        assert ("_real" in kind) == (array.dtype == np.float64)
    assert words.size == begins[-1] + sizes[kinds[-1]]


def test_a_warm_start_needs_no_numba(tmp_path: Path) -> None:
    environment = os.environ | {"STROMA_CACHE": str(tmp_path)}
    said = [subprocess.run([sys.executable, "-c", WARM], env=environment, check=True, capture_output=True,
                           text=True).stdout.split() for _ in range(2)]
    assert [words[1] for words in said] == ["True", "False"]
    assert said[0][0] == said[1][0] and float(said[0][0]) == pytest.approx(np.exp(-1), rel=1e-5)
