"""Strict tables: CSV with a declared shape, every problem reported with file and line."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from stroma.errors import Problems, nearest


@dataclass(frozen=True)
class Column:
    """The contract of one column.

    Parameters
    ----------
    kind : {"text", "number", "integer"}
        Empty cells become ``None`` for numbers and integers, ``""`` for text.
    required : bool
        An empty cell is then an error.
    allowed : frozenset of str or None
        The only spellings allowed (text columns; an empty cell is governed by ``required``).
    """

    kind: str = "text"
    required: bool = False
    allowed: frozenset[str] | None = None


@dataclass(frozen=True)
class Row:
    """One line of a table: typed values and where they stand."""

    values: Mapping[str, object]
    file: Path
    line: int

    def text(self, column: str) -> str:
        """Return a text cell."""
        value = self.values[column]
        assert isinstance(value, str)
        return value

    def number(self, column: str) -> float | None:
        """Return a number cell, ``None`` where empty."""
        value = self.values[column]
        assert value is None or isinstance(value, int | float)
        return None if value is None else float(value)

    def known(self, column: str) -> float:
        """Return a number cell that the caller knows to be filled."""
        value = self.number(column)
        assert value is not None, f"{self.file}:{self.line} {column} is empty"
        return value


def read_table(path: Path, columns: Mapping[str, Column], code: str, key: tuple[str, ...] = (),
               check: Callable[[Row, Problems], None] | None = None) -> list[Row]:
    """Read a CSV file whose header is exactly ``columns`` (order free).

    Parameters
    ----------
    path : Path
        UTF-8, comma separated, with a header line.
    columns : mapping of str to Column
        Name and contract of every column.
    code : str
        Diagnostic code for problems in this table.
    key : tuple of str
        Columns whose values identify a row; a second row with the same key is an error.
    check : callable, optional
        Called with each row that parsed, to add further problems.

    Raises
    ------
    StromaError
        Every problem of the file at once; nothing is returned then.
    """
    problems = Problems()
    rows = scan_table(path, columns, code, problems, key, check)
    problems.raise_if_any()
    return rows


def scan_table(path: Path, columns: Mapping[str, Column], code: str, problems: Problems,
               key: tuple[str, ...] = (), check: Callable[[Row, Problems], None] | None = None) -> list[Row]:
    """Read as :func:`read_table`, but add problems to ``problems`` and return the rows that parsed.

    Raises
    ------
    StromaError
        Everything in ``problems`` when the file is missing or its header is wrong: there are no rows then.
    """
    if not path.is_file():
        problems.add(code, f"missing table {path.name}", file=path)
        problems.raise_if_any()
    rows: list[Row] = []
    seen: dict[tuple[object, ...], int] = {}
    with path.open(encoding="utf-8", newline="") as stream:
        reader = csv.reader(stream)
        header = next(reader, [])
        before = len(problems.found)
        _check_header(header, columns, path, code, problems)
        if len(problems.found) > before:
            problems.raise_if_any()
        free = {name for name, c in columns.items() if c.kind == "text" and not c.required and c.allowed is None}
        for cells in reader:
            line = reader.line_num
            if not cells or all(not c.strip() for c in cells):
                continue
            if len(cells) != len(header):
                problems.add(code, f"{len(cells)} cells, the header has {len(header)}", file=path, line=line)
                continue
            before = len(problems.found)
            values: dict[str, object] = {
                name: cell.strip() if name in free
                else _cell(name, cell.strip(), columns[name], path, line, code, problems)
                for name, cell in zip(header, cells, strict=True)}
            row = Row(values, path, line)
            if len(problems.found) == before:
                _check_key(row, key, seen, code, problems)
                if check is not None:
                    check(row, problems)
                rows.append(row)
    return rows


def _check_header(header: list[str], columns: Mapping[str, Column], path: Path, code: str,
                  problems: Problems) -> None:
    for name in header:
        if name not in columns:
            problems.add(code, f"unknown column `{name}`", file=path, line=1, hint=nearest(name, columns))
    for name in columns:
        if name not in header:
            problems.add(code, f"missing column `{name}`", file=path, line=1)
    if len(set(header)) != len(header):
        problems.add(code, "a column stands twice in the header", file=path, line=1)


def _check_key(row: Row, key: tuple[str, ...], seen: dict[tuple[object, ...], int], code: str,
               problems: Problems) -> None:
    if not key:
        return
    identity = tuple(row.values[k] for k in key)
    if identity in seen:
        label = ", ".join(f"{k}={v}" for k, v in zip(key, identity, strict=True))
        problems.add(code, f"second row for {label}", file=row.file, line=row.line,
                     hint=f"first row: line {seen[identity]}")
    else:
        seen[identity] = row.line


def _cell(name: str, cell: str, column: Column, path: Path, line: int, code: str,
          problems: Problems) -> object:
    if cell == "":
        if column.required:
            problems.add(code, f"`{name}` is empty", file=path, line=line)
        return "" if column.kind == "text" else None
    if column.kind == "text":
        if column.allowed is not None and cell not in column.allowed:
            problems.add(code, f"`{cell}` is not a `{name}`", file=path, line=line,
                         hint=nearest(cell, column.allowed))
        return cell
    try:
        value = int(cell) if column.kind == "integer" else float(cell)
    except ValueError:
        problems.add(code, f"`{name}` should be {'a whole number' if column.kind == 'integer' else 'a number'}, "
                           f"not `{cell}`", file=path, line=line)
        return None
    if not math.isfinite(value):
        problems.add(code, f"`{name}` is not finite: `{cell}`", file=path, line=line)
        return None
    return value
