"""A folder of files, written whole or not at all, and the versions behind it."""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
import tempfile
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from stroma import __version__
from stroma.errors import EXIT_ENVIRONMENT, fail

PACKAGES = ("numpy", "scipy", "pyarrow", "matplotlib", "jinja2", "llvmlite", "antimony", "python-libsbml")


def write_whole(runs: Path, name: str, files: Mapping[str, bytes], manifest: Mapping[str, Any]) -> Path:
    """Write a run folder with its manifest; an earlier one of the same name is replaced.

    Parameters
    ----------
    runs : Path
        Folder of all runs; made if it is not there.
    files : mapping of str to bytes
    manifest : mapping
        Written as ``manifest.json``, with the hash of every file beside it.

    Raises
    ------
    StromaError
        X003 when it cannot be written; nothing half-written is left.
    """
    final = runs / name
    hashes = {n: hashlib.sha256(content).hexdigest() for n, content in sorted(files.items())}
    text = json.dumps({**manifest, "files": hashes}, indent=2, ensure_ascii=False) + "\n"
    part: Path | None = None
    try:
        runs.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=runs))
        for file, content in {**files, "manifest.json": text.encode()}.items():
            (part / file).write_bytes(content)
        part.chmod(0o755)
        if final.exists():
            old = final.with_name(f".{name}.old")
            shutil.rmtree(old, ignore_errors=True)
            final.rename(old)
            part.rename(final)
            shutil.rmtree(old)
        else:
            part.rename(final)
    except OSError as error:
        raise fail("X003", f"cannot write into {runs}: {error.strerror}", hint="choose another folder with --out",
                   exit_code=EXIT_ENVIRONMENT) from error
    finally:
        if part is not None:
            shutil.rmtree(part, ignore_errors=True)
    return final


def versions() -> dict[str, str]:
    """Return the version of this program, of Python and of the packages that numbers depend on."""
    return {"stroma": __version__, "python": platform.python_version(), **{p: _installed(p) for p in PACKAGES}}


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
