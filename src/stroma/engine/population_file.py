"""Parameter values of a population in a CSV or Parquet file: one row a subject, one column a parameter.

Rows are read in order and in pieces, so that a file of any length takes the same memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stroma.errors import Problems, fail, nearest

if TYPE_CHECKING:
    import pyarrow

READ_AT_ONCE = 1 << 22
"""Bytes of CSV a piece."""


class PopulationFile:
    """The rows of a file, by number.

    Parameters
    ----------
    path : Path
        ``.parquet``, else CSV with a header.
    known : sequence of str
        Parameters of the model; every column must be one.

    Attributes
    ----------
    names : tuple of str
        The columns.
    n_row : int
    digest : str
        Of the file's bytes.

    Raises
    ------
    StromaError
        S033: a file that cannot be read, unknown or repeated columns, values that are no numbers, no rows.
    """

    def __init__(self, path: Path, known: Sequence[str]) -> None:
        self.path = path
        self.digest = _digest(path)
        self._open = _parquet(path) if path.suffix == ".parquet" else _csv(path)
        self._pieces: Iterator[pyarrow.RecordBatch] = iter(())
        self._piece = np.zeros((0, 0))
        self._first = -1
        try:
            self.names = _checked(next(self._open()).schema, known, path)
            self.n_row = sum(piece.num_rows for piece in self._open())
        except (ValueError, OSError, StopIteration) as error:
            raise fail("S033", f"cannot read the parameters: {str(error) or 'no rows'}", file=path) from None
        if not self.n_row:
            raise fail("S033", "there are no subjects: the file has no rows", file=path)

    def rows(self, first: int, last: int) -> NDArray[np.float64]:
        """Return rows ``first`` up to but not including ``last``; a missing value is NaN.

        Going forward costs one pass over the file, however many calls; going back starts over.
        """
        if self._first < 0 or first < self._first:
            self._pieces, self._piece, self._first = self._open(), np.zeros((0, len(self.names))), 0
        taken = np.empty((last - first, len(self.names)))
        while first < last:
            end = self._first + self._piece.shape[0]
            if first >= end:
                self._first, self._piece = end, _numbers(next(self._pieces))
                continue
            part = self._piece[first - self._first:last - self._first]
            start = taken.shape[0] - (last - first)
            taken[start:start + len(part)] = part
            first += len(part)
        return taken


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _parquet(path: Path) -> Callable[[], Iterator[pyarrow.RecordBatch]]:
    import pyarrow.parquet

    def pieces() -> Iterator[pyarrow.RecordBatch]:
        with pyarrow.parquet.ParquetFile(path) as file:
            yield from file.iter_batches()

    return pieces


def _csv(path: Path) -> Callable[[], Iterator[pyarrow.RecordBatch]]:
    import pyarrow
    from pyarrow import csv

    def pieces() -> Iterator[pyarrow.RecordBatch]:
        with path.open("rb") as file:
            header = file.readline(READ_AT_ONCE).decode("utf-8-sig").strip()
        kinds = {name.strip().strip('"'): pyarrow.float64() for name in header.split(",")}
        # A line without a value is a subject whose values are missing, not a subject who is not there.
        yield from csv.open_csv(path, csv.ReadOptions(block_size=READ_AT_ONCE),
                                csv.ParseOptions(ignore_empty_lines=False), csv.ConvertOptions(column_types=kinds))

    return pieces


def _checked(schema: pyarrow.Schema, known: Sequence[str], path: Path) -> tuple[str, ...]:
    from pyarrow import types

    problems = Problems()
    for name in schema.names:
        if name not in known:
            problems.add("S033", f"column `{name}` is no parameter of the model", file=path, hint=nearest(name, known))
    for name in sorted({n for n in schema.names if schema.names.count(n) > 1}):
        problems.add("S033", f"column `{name}` is there more than once", file=path)
    for field in schema:
        if not (types.is_floating(field.type) or types.is_integer(field.type)):
            problems.add("S033", f"column `{field.name}` holds {field.type}, not numbers", file=path)
    problems.raise_if_any()
    return tuple(schema.names)


def _numbers(piece: pyarrow.RecordBatch) -> NDArray[np.float64]:
    import pyarrow

    columns = [column.cast(pyarrow.float64()).to_numpy(zero_copy_only=False) for column in piece.columns]
    return np.stack(columns, axis=1)
