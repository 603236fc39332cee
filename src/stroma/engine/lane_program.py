"""The lane loop ready to call: from the cache, so that a warm start needs no numba; built with numba otherwise."""

from __future__ import annotations

import ctypes
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from stroma.engine import ensemble
from stroma.kernel import layout
from stroma.kernel.native import Loaded, load

RAISING = frozenset({
    "NRT_Free", "NRT_MemInfo_call_dtor", "PyBytes_FromStringAndSize", "PyErr_Clear", "PyErr_SetNone", "PyErr_SetString",
    "PyErr_WriteUnraisable", "PyExc_RuntimeError", "PyExc_StopIteration", "PyExc_SystemError", "PyUnicode_FromString",
    "Py_DecRef", "numba_do_raise", "numba_gil_ensure", "numba_gil_release", "numba_runtime_build_excinfo_struct",
    "numba_unpickle"})
"""What numba calls to raise exceptions and to free what it allocated; the loop does neither."""
_DECLARED = re.compile(r"^declare (?P<kind>\w+) @(?P<name>(?!llvm\.)[\w.$]+)(?P<arguments>\(.*\)).*$", re.M)
_EXTERNAL = re.compile(r"^@(?P<name>[\w.$]+) = external .*global (?P<kind>\w+).*$", re.M)


@dataclass(frozen=True)
class Loop:
    """The compiled loop of one worker.

    Parameters
    ----------
    call : callable
        Takes the addresses of the two vectors of :func:`stroma.engine.lane_task.pack`; releases the GIL.
    code : Loaded
        Keeps the address valid.
    """

    call: Callable[[int, int], None]
    code: Loaded


@cache
def lane_program() -> Loop:
    """Return the loop; the first call on a machine compiles it, which takes a while."""
    parts = [*sorted(Path(__file__).parent.glob("lane_*.py")), Path(str(ensemble.__file__)), Path(str(layout.__file__))]
    digest = hashlib.sha256(b"\0".join(p.read_bytes() for p in parts)).hexdigest()
    code = load(f"lane loop {digest}", _build)
    kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)
    return Loop(kind(code.address(str(code.facts["entry"]))), code)


def _build() -> tuple[str, dict[str, object]]:
    from stroma.engine.lane_entry import compiled_loop

    text, entry = compiled_loop()
    return standing_alone(text), {"entry": entry}


def standing_alone(text: str) -> str:
    """Return LLVM text in which everything that numba would raise with stops the program instead.

    Raises
    ------
    ValueError
        When the text needs anything else from outside: the loop allocates, for instance.
    """
    needed = {m["name"] for pattern in (_DECLARED, _EXTERNAL) for m in pattern.finditer(text)}
    if needed - RAISING:
        raise ValueError(f"the lane loop needs {', '.join(sorted(needed - RAISING))}")
    text = _EXTERNAL.sub(r"@\g<name> = internal global \g<kind> 0", text)
    trap = "{\n  call void @llvm.trap()\n  unreachable\n}"
    text = _DECLARED.sub(rf"define internal \g<kind> @\g<name>\g<arguments> {trap}", text)
    return text + "\ndeclare void @llvm.trap()\n"
