"""Which engines there are, what each can do, and how to get one by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from stroma.engine.ensemble import Backend
from stroma.errors import EXIT_USAGE, fail, nearest


@dataclass(frozen=True)
class Capability:
    """What an engine can do.

    Parameters
    ----------
    build : callable
        Makes the engine; imports its packages only then.
    method : str
        Name of the integration method.
    parallel : bool
        Solves several subjects at the same time.
    events : bool
        Runs state-triggered events (every engine gives doses at their exact times).
    time_dependent : bool
        The right-hand side may use the time.
    purpose : str
        When to choose it.
    """

    build: Callable[[], Backend]
    method: str
    parallel: bool
    events: bool
    time_dependent: bool
    purpose: str


def _cpu() -> Backend:
    from stroma.engine.cpu import CpuBackend

    return CpuBackend()


def _reference() -> Backend:
    from stroma.engine.reference import ReferenceBackend

    return ReferenceBackend()


def _roadrunner() -> Backend:
    from stroma.engine.roadrunner import RoadRunnerBackend

    return RoadRunnerBackend()


BACKENDS: dict[str, Capability] = {
    "cpu": Capability(_cpu, "Rodas5P", parallel=True, events=True, time_dependent=True,
                      purpose="virtual trials: compiled, vectorised over subjects"),
    "reference": Capability(_reference, "Radau", parallel=False, events=True, time_dependent=True,
                            purpose="the judge: plain SciPy, shares no code with the others"),
    "roadrunner": Capability(_roadrunner, "CVODE BDF", parallel=False, events=True, time_dependent=True,
                             purpose="a second opinion through the exported SBML"),
}


def backend(name: str) -> Backend:
    """Return the engine of that name.

    Raises
    ------
    StromaError
        S010, with the nearest name.
    """
    if name not in BACKENDS:
        raise fail("S010", f"unknown backend `{name}`", hint=nearest(name, BACKENDS), exit_code=EXIT_USAGE)
    return BACKENDS[name].build()


def watched(fast: Backend) -> Backend:
    """Return an engine whose accuracy is checked and whose failures are tried again with ``reference``."""
    from stroma.engine.safeguard import SafeguardedBackend

    return SafeguardedBackend(fast, _reference())
