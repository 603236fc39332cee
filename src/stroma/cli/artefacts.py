"""What verbs hand over: JSON on stdout, words on stderr, files written whole or not at all."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stroma.errors import EXIT_ENVIRONMENT, fail

if TYPE_CHECKING:
    from rich.table import Table

PIPED_WIDTH = 240


def print_json(value: Mapping | Sequence) -> None:
    """Print one JSON object or array on stdout; a missing number is ``null``, printed floats round-trip."""
    json.dump(_plain(value), sys.stdout, indent=2, ensure_ascii=False, allow_nan=False)
    sys.stdout.write("\n")


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    to_list = getattr(value, "tolist", None)  # NumPy arrays and scalars have it
    if to_list:
        return _plain(to_list())
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


def print_rows(rows: Sequence[Mapping[str, Any]], as_json: bool = False) -> None:
    """Print rows with the same keys on stdout, as JSON or as aligned columns."""
    if as_json:
        print_json(rows)
        return
    if not rows:
        return
    cells = [list(rows[0]), *([cell_text(value) for value in row.values()] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
    for line in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def cell_text(value: object) -> str:
    """Return a value as a cell shows it: nothing for None, six digits of a number, ``;`` between several."""
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return ";".join(str(item) for item in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def say(words: str) -> None:
    """Tell the person something that is not data."""
    print(words, file=sys.stderr)


def warn(warnings: Sequence[str]) -> None:
    """Tell the person what they should know before they read the result; a line each."""
    for words in warnings:
        say(f"warning: {words}")


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
