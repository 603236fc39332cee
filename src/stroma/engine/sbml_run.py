"""An SBML file, simulated as it stands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stroma.engine.backends import BACKENDS, backend
from stroma.engine.ensemble import Doses, EnsembleProblem, Tolerance, require_all
from stroma.errors import EXIT_USAGE, fail
from stroma.model.sbml_read import SbmlModel, read_sbml

if TYPE_CHECKING:
    import pyarrow

# Far below the tolerances that simulators are compared at (relative 1e-4 in the SBML test suite).
TOLERANCE = Tolerance(1e-7, 1e-12)


def simulate_sbml(path: Path, end: float, points: int, engine: str) -> pyarrow.Table:
    """Simulate an SBML file from time 0 with its own values.

    Parameters
    ----------
    path : Path
        SBML Level 2 or 3.
    end : float
        Last time, in the time unit of the file.
    points : int
        Number of reported times, evenly spaced, both ends included.
    engine : str
        Name of a backend.

    Returns
    -------
    pyarrow.Table
        Columns ``time``, then every state and assignment of the model, then its constants.

    Raises
    ------
    StromaError
        M070-M077 from reading, S010 unknown backend, S011 events the backend cannot run, S012 times that
        cannot be, S051 a failed integration.
    """
    return simulate_model(read_sbml(path), evenly_spaced(end, points), engine)


def evenly_spaced(end: float, points: int) -> NDArray[np.float64]:
    """Return times from 0 to ``end``, both included.

    Raises
    ------
    StromaError
        S012 when there are none.
    """
    if not (np.isfinite(end) and end > 0 and points >= 2):
        raise fail("S012", f"{points} points from 0 to {end}: needs two points or more and an end after 0",
                   exit_code=EXIT_USAGE)
    return np.linspace(0.0, end, points)


def check_events(sbml: SbmlModel, engine: str) -> None:
    """Refuse an engine that cannot run the events of a model.

    Raises
    ------
    StromaError
        S011, with the engines that can.
    """
    if sbml.model.events and not BACKENDS[engine].events:
        able = ", ".join(f"`{n}`" for n, c in BACKENDS.items() if c.events)
        raise fail("S011", f"backend `{engine}` cannot run the events of `{sbml.model.name}`",
                   hint=f"able: {able}")


def simulate_model(sbml: SbmlModel, times: NDArray[np.float64], engine: str) -> pyarrow.Table:
    """Simulate a model read from SBML; see :func:`simulate_sbml`."""
    import pyarrow

    solver = backend(engine)
    check_events(sbml, engine)
    row = np.array([[sbml.values[name] for name in sbml.model.parameters]], float)
    problem = EnsembleProblem(sbml.model, row, times, sbml.model.outputs, Doses.none(1))
    solved = solver.solve_ensemble(problem, TOLERANCE)
    require_all(solved)
    columns = {"time": times} | {n: solved.values[0, :, i] for i, n in enumerate(solved.outputs)}
    columns |= {n: np.full(times.size, v) for n, v in sbml.values.items()}
    return pyarrow.table(columns)
