"""Ensembles larger than memory: solved in chunks, one Parquet file a chunk, resumable, divisible among machines.

A chunk's file appears under its name only when it is complete, so a run that was killed is continued by starting
it again: files that are there are not solved again. The content of a file depends on the subjects' numbers only,
not on the shard, the order or the machine's core count.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stroma.engine.delivered import DeliveredError, worst
from stroma.engine.ensemble import Backend, EnsembleProblem, Status, Tolerance, Trajectories
from stroma.errors import EXIT_USAGE, fail

if TYPE_CHECKING:
    import pyarrow

MANIFEST = "_stream.json"
"""What a folder is for. Readers of Parquet folders pass over names that begin with an underscore."""
FACTS = b"stroma"
"""Where a file's own facts are in its schema."""
Source = Callable[[int, int], EnsembleProblem]
"""Returns the problem of subjects ``first`` up to but not including ``last``."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Stream:
    """What is to be solved.

    Parameters
    ----------
    source : callable
        See :data:`Source`.
    n_subject : int
    key : str
        Content hash of whatever ``source`` draws on besides its model, chosen by the caller.
    chunk : int
        Subjects a file; bounds the memory.
    """

    source: Source
    n_subject: int
    key: str
    chunk: int = 20_000

    @property
    def n_chunk(self) -> int:
        """Return the number of files."""
        return -(-self.n_subject // self.chunk)

    def part(self, index: int) -> EnsembleProblem:
        """Return the problem of one chunk."""
        return self.source(index * self.chunk, min((index + 1) * self.chunk, self.n_subject))


def shard_of(text: str) -> tuple[int, int]:
    """Read ``i/n``, one of n equal shares of the chunks, counted from 1.

    Raises
    ------
    StromaError
        S030 when it is no such thing.
    """
    parts = text.split("/")
    if len(parts) == 2 and all(p.isdecimal() for p in parts) and 1 <= int(parts[0]) <= int(parts[1]):
        return int(parts[0]), int(parts[1])
    raise fail("S030", f"`{text}` is no shard", hint="write i/n, for example 2/8", exit_code=EXIT_USAGE)


def file_of(folder: Path, index: int) -> Path:
    """Return the file of a chunk."""
    return folder / f"part-{index:06d}.parquet"


def run_stream(stream: Stream, folder: Path, backend: Backend, tolerance: Tolerance,
               shard: tuple[int, int] = (1, 1), progress: Progress | None = None) -> list[Path]:
    """Solve every chunk of a shard whose file is not there yet.

    Parameters
    ----------
    folder : Path
        Created when missing; several shards may share it.
    shard : tuple of (int, int)
        ``(i, n)``: this run takes every n-th chunk, beginning with the i-th.
    progress : callable, optional
        Called with subjects done and subjects to do.

    Returns
    -------
    list of Path
        The files of this shard, old and new.

    Raises
    ------
    StromaError
        S031 when the folder holds another run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _claim(stream, folder, backend, tolerance)
    mine = list(range(shard[0] - 1, stream.n_chunk, shard[1]))
    due = [i for i in mine if not file_of(folder, i).exists()]
    todo = sum(min(stream.chunk, stream.n_subject - i * stream.chunk) for i in due)
    done = 0
    with ThreadPoolExecutor(1) as writer:
        writing: Future[None] | None = None
        for index in due:
            solved = backend.solve_ensemble(stream.part(index), tolerance)
            if writing is not None:
                writing.result()
            writing = writer.submit(_write, file_of(folder, index), index * stream.chunk, solved)
            done += solved.status.size
            if progress is not None:
                progress(done, todo)
        if writing is not None:
            writing.result()
    return [file_of(folder, i) for i in mine]


def finished_parts(folder: Path) -> list[Path]:
    """Return the Parquet files of a finished stream, in the order of the subjects.

    Their columns are ``subject``, ``status``, ``t_day`` and one per output; a row is one visit of one subject.

    Raises
    ------
    StromaError
        S032 when parts are missing.
    """
    facts = json.loads((folder / MANIFEST).read_text())
    files = [file_of(folder, i) for i in range(-(-facts["n_subject"] // facts["chunk"]))]
    missing = [f.name for f in files if not f.exists()]
    if missing:
        raise fail("S032", f"{len(missing):,} of {len(files):,} parts are missing in {folder}, first {missing[0]}",
                   hint="start the same run again; it goes on where it stopped")
    return files


@dataclass(frozen=True)
class Summary:
    """What files of a stream say about themselves.

    Parameters
    ----------
    files : tuple of Path
    n_subject : int
    failed : dict of str to int
        Subjects without values, by status.
    checked : DeliveredError or None
        Of all files together; None where the engine was not watched.
    """

    files: tuple[Path, ...]
    n_subject: int
    failed: dict[str, int]
    checked: DeliveredError | None


def summary_of(files: Sequence[Path]) -> Summary:
    """Read what was found out when the files were solved, now or in an earlier run."""
    import pyarrow.parquet as pq

    failed: Counter[str] = Counter()
    n_subject, findings = 0, []
    for path in files:
        facts = json.loads(pq.read_schema(path).metadata[FACTS])
        n_subject += facts["subjects"]
        failed.update(facts["failed"])
        findings.append(DeliveredError(**facts["checked"]) if facts["checked"] else None)
    return Summary(tuple(files), n_subject, dict(failed), worst(findings))


def _claim(stream: Stream, folder: Path, backend: Backend, tolerance: Tolerance) -> None:
    """Write what the folder is for, or check that it is for this."""
    sample = stream.source(0, min(1, stream.n_subject))
    facts = {"key": stream.key, "model": sample.model.content_hash, "outputs": list(sample.outputs),
             "t_visit": sample.t_visit.tolist(), "t_start": sample.t_start, "n_subject": stream.n_subject,
             "chunk": stream.chunk, "backend": backend.name, "tolerance": asdict(tolerance)}
    path = folder / MANIFEST
    if not path.exists():
        _put(path, json.dumps(facts, indent=1).encode())
    found = json.loads(path.read_text())
    other = [name for name, value in facts.items() if found.get(name) != value]
    if other:
        raise fail("S031", f"{folder} holds another run: {', '.join(f'`{o}`' for o in other)} differ",
                   file=path, hint="choose another folder")


def _write(path: Path, first: int, solved: Trajectories) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    n_subject, n_visit = solved.status.size, solved.t_visit.size
    columns = {"subject": np.repeat(np.arange(first, first + n_subject), n_visit),
               "status": np.repeat(solved.status, n_visit), "t_day": np.tile(solved.t_visit, n_subject)}
    columns |= {name: np.ascontiguousarray(solved.values[:, :, i]).ravel() for i, name in enumerate(solved.outputs)}
    bad = solved.status[solved.status != Status.OK]
    facts = {"subjects": n_subject, "failed": Counter(Status(int(s)).name.lower() for s in bad),
             "checked": asdict(solved.checked) if solved.checked else None}
    table = pa.table(columns).replace_schema_metadata({FACTS: json.dumps(facts)})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", compression_level=1,
                   use_dictionary=["subject", "status", "t_day"],  # pyright: ignore[reportArgumentType]
                   write_statistics=False)
    _put(path, sink.getvalue())


def _put(path: Path, data: bytes | pyarrow.Buffer) -> None:
    """Write a file so that it is there whole or not at all, whatever happens meanwhile."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with draft.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
