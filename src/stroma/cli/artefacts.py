"""What verbs hand over: JSON on stdout, words on stderr, files written whole or not at all."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from stroma.errors import EXIT_ENVIRONMENT, fail

if TYPE_CHECKING:
    from rich.table import Table

PIPED_WIDTH = 240


def print_json(value: Mapping) -> None:
    """Print one JSON object on stdout; a missing number is ``null``, printed floats round-trip."""
    json.dump(_plain(value), sys.stdout, indent=2, ensure_ascii=False, allow_nan=False)
    sys.stdout.write("\n")


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if hasattr(value, "tolist"):  # NumPy arrays and scalars
        return _plain(value.tolist())  # type: ignore[attr-defined]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def print_table(table: Table) -> None:
    """Print a table on stdout; where no terminal sets the width, none of it is cut."""
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console = Console(width=PIPED_WIDTH)
    console.print(table)


def say(words: str) -> None:
    """Tell the person something that is not data."""
    print(words, file=sys.stderr)


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files into a folder; each is complete or absent, whatever interrupts.

    Raises
    ------
    StromaError
        X003 when the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            part = folder / f".{name}.part"
            try:
                part.write_bytes(content)
                part.replace(folder / name)
            finally:
                part.unlink(missing_ok=True)
    except OSError as error:
        raise fail(
            "X003",
            f"cannot write into {folder}: {error.strerror}",
            hint="choose another folder with --out",
            exit_code=EXIT_ENVIRONMENT,
        ) from error
