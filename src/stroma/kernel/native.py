"""LLVM text to machine code, kept on disk by content so that the next process starts warm."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
from llvmlite import binding as llvm

from stroma.errors import EXIT_ENVIRONMENT, fail

MAGIC = b"stroma-object-1\n"


@dataclass(frozen=True)
class Host:
    """What this machine can run.

    Parameters
    ----------
    name, features : str
        As LLVM spells them.
    lanes : int
        Doubles per vector register.
    """

    name: str
    features: str
    lanes: int


@cache
def host() -> Host:
    """Return this machine, or the part of it that ``$STROMA_LANES`` allows (2, 4 or 8 doubles).

    With fewer lanes than the machine has, its wider instructions are not used at all.

    Raises
    ------
    StromaError
        S021 for another value of the variable.
    """
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    features = llvm.get_host_cpu_features()
    lanes = 8 if features.get("avx512f") and features.get("avx512dq") else 4 if features.get("avx2") else 2
    asked = os.environ.get("STROMA_LANES", "8")
    if asked not in ("2", "4", "8"):
        raise fail("S021", f"STROMA_LANES is `{asked}`", hint="set it to 2, 4 or 8, or not at all",
                   exit_code=EXIT_ENVIRONMENT)
    lanes = min(lanes, int(asked))
    barred = {4: ("avx512", "avx10"), 2: ("avx", "fma", "f16c", "vaes", "vpclmulqdq")}.get(lanes, ())
    for feature in features:
        if feature.startswith(barred):
            features[feature] = False
    # LLVM keeps to 256 bits on some processors that have 512; every lane of ours is busy.
    features["prefer-256-bit"] = False
    return Host(llvm.get_host_cpu_name(), features.flatten(), lanes)


def cache_folder() -> Path:
    """Return where compiled models are kept: ``$STROMA_CACHE``, else the user's cache folder."""
    chosen = os.environ.get("STROMA_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stroma"


@cache
def _sources() -> bytes:
    """Return a digest of the code generator, so that editing it never meets old objects."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.digest()


class Loaded:
    """Machine code in memory; keep it alive as long as its addresses are used.

    Parameters
    ----------
    code : bytes
        Object file.
    facts : dict
        What was stored beside it.
    """

    def __init__(self, code: bytes, facts: dict[str, Any]) -> None:
        self.facts = facts
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine())
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        self._engine.finalize_object()

    def address(self, function: str) -> int:
        """Return the address of a function."""
        return self._engine.get_function_address(function)


def load(key: str, build: Callable[[], tuple[str, dict[str, Any]]]) -> Loaded:
    """Return machine code from the cache, or build and keep it.

    Parameters
    ----------
    key : str
        Everything that decides the content, besides this machine, LLVM and the code generator.
    build : callable
        Returns the LLVM text and facts (JSON) to keep beside the object.
    """
    machine = host()
    name = hashlib.sha256(b"\0".join([key.encode(), machine.name.encode(), machine.features.encode(),
                                      llvmlite.__version__.encode(), _sources()])).hexdigest()[:32]
    path = cache_folder() / "objects" / f"{name}.o"
    kept = _read(path)
    if kept is None:
        text, facts = build()
        kept = compile_text(text), facts
        _write(path, *kept)
    return Loaded(*kept)


def compile_text(text: str) -> bytes:
    """Return the object file of a module of LLVM text, optimised for this machine."""
    machine = _machine()
    module = llvm.parse_assembly(text)
    module.triple, module.data_layout = machine.triple, str(machine.target_data)
    module.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    options.loop_vectorization = options.slp_vectorization = False
    passes = llvm.create_pass_builder(machine, options)
    passes.getModulePassManager().run(module, passes)
    return machine.emit_object(module)


def _machine() -> llvm.TargetMachine:
    here = host()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    return target.create_target_machine(cpu=here.name, features=here.features, opt=2, reloc="pic",
                                        codemodel="jitdefault", jit=True)


def _read(path: Path) -> tuple[bytes, dict[str, Any]] | None:
    """Return a kept object, or None when there is none or its bytes are not what was written."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    head = len(MAGIC) + 32
    if not data.startswith(MAGIC) or hashlib.sha256(data[head:]).digest() != data[len(MAGIC):head]:
        return None
    size = int.from_bytes(data[head:head + 8], "little")
    return data[head + 8 + size:], json.loads(data[head + 8:head + 8 + size])


def _write(path: Path, code: bytes, facts: dict[str, Any]) -> None:
    """Keep an object; a cache that cannot be written only costs the next start its warmth."""
    text = json.dumps(facts).encode()
    body = len(text).to_bytes(8, "little") + text + code
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(MAGIC + hashlib.sha256(body).digest() + body)
        Path(file.name).replace(path)
    except OSError:
        return
