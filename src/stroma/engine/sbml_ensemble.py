"""A population of an SBML model, solved chunk after chunk into a folder of Parquet files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stroma.engine.backends import backend, watched
from stroma.engine.ensemble import Doses, EnsembleProblem, Tolerance
from stroma.engine.population_file import PopulationFile
from stroma.engine.sbml_run import check_events, evenly_spaced
from stroma.engine.streaming import Progress, Stream, Summary, run_stream, summary_of
from stroma.errors import Problems, fail, nearest
from stroma.model.sbml_read import SbmlModel, read_sbml

TOLERANCE = Tolerance(1e-5, 1e-8)


@dataclass(frozen=True)
class Request:
    """What to simulate.

    Parameters
    ----------
    model : Path
        SBML Level 2 or 3.
    parameters : Path
        CSV or Parquet, one row a subject, see :class:`PopulationFile`; parameters without a column keep the
        value of the SBML file.
    outputs : tuple of str
        States and assignments to keep; all when empty.
    end : float
    points : int
        Times from 0 to ``end``, both included.
    chunk : int
        Subjects a file of the result; bounds the memory.
    """

    model: Path
    parameters: Path
    outputs: tuple[str, ...]
    end: float
    points: int
    chunk: int


def simulate_ensemble(request: Request, folder: Path, engine: str, shard: tuple[int, int] = (1, 1),
                      progress: Progress | None = None) -> Summary:
    """Simulate a population, or one shard of it; what an earlier, interrupted run has finished is kept.

    Raises
    ------
    StromaError
        M070-M077 from reading, S002 unknown output, S010-S012 engine, events and times, S031 a folder of
        another run, S033 parameters or chunk.
    """
    if request.chunk < 1:
        raise fail("S033", f"{request.chunk} subjects a file: needs one or more")
    times = evenly_spaced(request.end, request.points)
    solver = watched(backend(engine))
    sbml = read_sbml(request.model)
    check_events(sbml, engine)
    outputs = _known(request.outputs or sbml.model.outputs, sbml)
    population = PopulationFile(request.parameters, sbml.model.parameters)
    base = np.array([sbml.values[name] for name in sbml.model.parameters], float)
    columns = [sbml.model.parameters.index(name) for name in population.names]

    def source(first: int, last: int) -> EnsembleProblem:
        table: NDArray[np.float64] = np.tile(base, (last - first, 1))
        table[:, columns] = population.rows(first, last)
        return EnsembleProblem(sbml.model, table, times, outputs, Doses.none(last - first))

    key = f"{population.digest} {base.tolist()}"
    stream = Stream(source, population.n_row, key, request.chunk)
    return summary_of(run_stream(stream, folder, solver, TOLERANCE, shard, progress))


def _known(outputs: tuple[str, ...], sbml: SbmlModel) -> tuple[str, ...]:
    problems = Problems()
    for name in outputs:
        if name not in sbml.model.outputs:
            problems.add("S002", f"unknown output `{name}`", hint=nearest(name, sbml.model.outputs))
    problems.raise_if_any()
    return tuple(dict.fromkeys(outputs))
